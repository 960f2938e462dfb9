/** Console ports and sockets of the guest, for scripts of the page. */
import { connectVsock, type GuestStream, listenVsock, PortStreams } from "../host/guest-streams.ts";
import type { Machine } from "../machine/machine.ts";
import { ConsoleDevice } from "../virtio/devices/console.ts";
import { VsockDevice } from "../virtio/devices/vsock.ts";
import { VsockType } from "../virtio/devices/vsock-packet.ts";
import { MessageStreams } from "./message-streams.ts";
import type { BootConfig, StreamTarget, ToWorker } from "./protocol.ts";

/** Room for ports beside those that the machine begins with: each costs the guest little. */
const MORE_PORTS = 8;

export class GuestLinks {
  readonly #console: ConsoleDevice | undefined;
  readonly #vsock: VsockDevice | undefined;
  readonly #ports = new Map<string, PortStreams>();

  constructor({ ports, vsockCid }: Pick<BootConfig, "ports" | "vsockCid">) {
    if (ports !== undefined) {
      const size = { ports: ports.length + MORE_PORTS };
      this.#console = new ConsoleDevice("ports", undefined, size);
      for (const name of ports) this.#port(name);
    }
    if (vsockCid !== undefined) this.#vsock = new VsockDevice("vsock0", vsockCid);
  }

  attach(machine: Machine): void {
    if (this.#console !== undefined) machine.attach(this.#console);
    if (this.#vsock !== undefined) machine.attach(this.#vsock);
  }

  /** Failures go to the other end of the message's channel. */
  receive(message: Extract<ToWorker, { type: "connect" | "listen" }>): void {
    const { channel } = message;
    if (message.type === "connect") {
      const remote = new MessageStreams(channel);
      this.#connect(message.target).then(
        (stream) => join(stream, remote),
        (error: unknown) => remote.fail(error),
      );
      return;
    }
    try {
      this.#listen(message.port, typeOf(message.seqpacket), channel);
    } catch (error) {
      new MessageStreams(channel).fail(error);
    }
  }

  async #connect(target: StreamTarget): Promise<GuestStream> {
    if (target.kind === "port") return this.#port(target.name).open();
    if (this.#vsock === undefined) throw new Error("the machine has no sockets: give it ?vsock");
    const call = connectVsock(this.#vsock, target.port, typeOf(target.seqpacket));
    await call.opened;
    return call;
  }

  /** One that does not exist is plugged in. */
  #port(name: string): PortStreams {
    if (this.#console === undefined) throw new Error("the machine has no ports: give it ?ports=");
    const port = this.#ports.get(name) ?? new PortStreams(this.#console, name);
    this.#ports.set(name, port);
    return port;
  }

  #listen(port: number, type: VsockType, channel: MessagePort): void {
    if (this.#vsock === undefined) throw new Error("the machine has no sockets: give it ?vsock");
    const stop = listenVsock(this.#vsock, port, type, (stream) => {
      const { port1, port2 } = new MessageChannel();
      join(stream, new MessageStreams(port1));
      channel.postMessage(port2, [port2]);
    });
    channel.onmessage = () => {
      stop();
      channel.close();
    };
  }
}

function typeOf(seqpacket: boolean): VsockType {
  return seqpacket ? VsockType.SEQPACKET : VsockType.STREAM;
}

/** Moves bytes both ways; an end or a failure of either goes on to the other. */
function join(stream: GuestStream, remote: MessageStreams): void {
  remote.open();
  const ignore = () => {};
  stream.readable.pipeTo(remote.writable).catch(ignore);
  remote.readable.pipeTo(stream.writable).catch(ignore);
}
