/** `window.tabvisor`: the machine for scripts of a page that embeds this one. */
import type { MachineState } from "../worker/protocol.ts";
import { connectToGuest, type GuestStream, listenToGuest } from "./guest-links.ts";
import type { Session } from "./session.ts";
import type { GuestTerminal } from "./terminal.ts";

interface SocketOptions {
  /** Messages (SOCK_SEQPACKET) instead of bytes. */
  readonly seqpacket?: boolean;
}

interface Sockets {
  /** Connects to a port that the guest listens at; rejects if it does not. */
  connect(port: number, options?: SocketOptions): Promise<GuestStream>;
  /** Calls back for connections that the guest opens to CID 2; the returned function ends that. */
  listen(
    port: number,
    onStream: (stream: GuestStream) => void,
    options?: SocketOptions,
  ): () => void;
}

interface Automation {
  /** What the machine does now. */
  readonly state: MachineState;
  /** All text of the terminal: its scrollback and its screen. */
  text(): string;
  /** Types into the guest's console; `\r` is the Enter key. */
  send(text: string): void;
  /** Opens the console port of that name, and plugs it in first if there is none (`?ports=`). */
  port(name: string): Promise<GuestStream>;
  /** The guest's sockets (`?vsock`). */
  readonly vsock: Sockets;
}

declare global {
  interface Window {
    tabvisor?: Automation;
  }
}

export function offerAutomation(session: Session, terminal: GuestTerminal): void {
  window.tabvisor = {
    get state() {
      return session.state.value;
    },
    text: () => terminal.text(),
    send: (text) => terminal.type(text),
    port: (name) => connectToGuest(session, { kind: "port", name }),
    vsock: {
      connect: (port, { seqpacket = false } = {}) =>
        connectToGuest(session, { kind: "vsock", port, seqpacket }),
      listen: (port, onStream, { seqpacket = false } = {}) =>
        listenToGuest(session, port, seqpacket, onStream),
    },
  };
}
