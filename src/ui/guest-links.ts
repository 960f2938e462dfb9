/** The page's ends of the guest's console ports and sockets. */
import { MessageStreams } from "../worker/message-streams.ts";
import type { StreamTarget } from "../worker/protocol.ts";
import type { Session } from "./session.ts";

/** Bytes both ways, or messages on a SEQPACKET socket; a slow reader makes the guest wait. */
export interface GuestStream {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
}

/** Connects. Rejects if the guest refuses, or the machine has no such thing. */
export async function connectToGuest(session: Session, target: StreamTarget): Promise<GuestStream> {
  const { port1, port2 } = new MessageChannel();
  const streams = new MessageStreams(port1);
  session.sendChannel({ type: "connect", target, channel: port2 });
  await streams.opened;
  return streams;
}

/** Calls back for connections of the guest to a port of the host; the returned function ends that. */
export function listenToGuest(
  session: Session,
  port: number,
  seqpacket: boolean,
  onStream: (stream: GuestStream) => void,
): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }: MessageEvent<unknown>) => {
    // Anything else says that listening has failed, which the console of the page shows.
    if (data instanceof MessagePort) onStream(new MessageStreams(data));
    else console.error("tabvisor: cannot listen", data);
  };
  session.sendChannel({ type: "listen", port, seqpacket, channel: port2 });
  return () => port1.postMessage("stop");
}
