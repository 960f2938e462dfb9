/** Connects console ports and sockets of the guest with sockets and files of the host. */
import { createWriteStream } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Duplex, type DuplexOptions, pipeline } from "node:stream";
import {
  connectVsock,
  type GuestStream,
  listenVsock,
  PortStreams,
} from "../src/host/guest-streams.ts";
import type { Machine } from "../src/machine/machine.ts";
import { ConsoleDevice } from "../src/virtio/devices/console.ts";
import { VsockDevice } from "../src/virtio/devices/vsock.ts";
import { VsockType } from "../src/virtio/devices/vsock-packet.ts";
import type { LinkOptions, SocketEndpoint } from "./link-options.ts";

/** Either side may end while the other goes on. */
const HALF_OPEN = { allowHalfOpen: true } as const;

export class GuestLinks {
  readonly #options: LinkOptions;
  readonly #ports: ReadonlyMap<string, PortStreams>;
  readonly #devices: readonly (ConsoleDevice | VsockDevice)[];
  readonly #vsock: VsockDevice | undefined;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  /** @throws RangeError if the ports cannot be. */
  constructor(options: LinkOptions) {
    this.#options = options;
    const { ports, vsockListen, vsockConnect, vsockCid } = options;
    const console = new ConsoleDevice("ports", undefined, { ports: ports.length });
    this.#ports = new Map(ports.map(({ name }) => [name, new PortStreams(console, name)]));
    const hasVsock = vsockListen.length + vsockConnect.length > 0 || vsockCid !== undefined;
    this.#vsock = hasVsock ? new VsockDevice("vsock0", vsockCid) : undefined;
    this.#devices = [
      ...(ports.length > 0 ? [console] : []),
      ...(this.#vsock === undefined ? [] : [this.#vsock]),
    ];
  }

  attach(machine: Machine): void {
    for (const device of this.#devices) machine.attach(device);
  }

  /** Begins to listen. Rejects if the host has no such place. */
  async open(): Promise<void> {
    const { ports, vsockListen, vsockConnect } = this.#options;
    const vsock = this.#vsock;
    for (const { port, where } of vsock === undefined ? [] : vsockListen) {
      listenVsock(vsock!, port, VsockType.STREAM, (stream) => {
        this.#join(this.#track(connect({ ...addressOf(where), ...HALF_OPEN })), stream);
      });
    }
    await Promise.all([
      ...ports.map(({ name, where }) => {
        const port = this.#ports.get(name)!;
        if (where.kind !== "file") return this.#serve(where, (socket) => this.#take(port, socket));
        return pipeline(duplexOf(port.open()), createWriteStream(where.path), () => {});
      }),
      ...vsockConnect.map(({ port, where }) =>
        this.#serve(where, (socket) => this.#reach(port, socket)),
      ),
    ]);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** A port has one client at a time. */
  #take(port: PortStreams, socket: Socket): void {
    if (port.isOpen) socket.destroy();
    else this.#join(socket, port.open());
  }

  /** A client learns of a refusal as one behind a proxy does: by the end. */
  #reach(port: number, socket: Socket): void {
    try {
      this.#join(socket, connectVsock(this.#vsock!, port, VsockType.STREAM));
    } catch {
      socket.destroy();
    }
  }

  #join(socket: Socket, stream: GuestStream): void {
    pipeline(socket, duplexOf(stream), socket, () => socket.destroy());
  }

  #track(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // The pipeline sees errors as well; before there is one they have no other listener.
    socket.on("error", () => {});
    return socket;
  }

  #serve(where: SocketEndpoint, onSocket: (socket: Socket) => void): Promise<void> {
    const server = createServer(HALF_OPEN, (socket) => onSocket(this.#track(socket)));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(addressOf(where), resolve);
    });
  }
}

function addressOf(where: SocketEndpoint) {
  return where.kind === "unix" ? { path: where.path } : { host: where.host, port: where.port };
}

/** Node has types of its own for the streams that browsers have too. */
function duplexOf(stream: GuestStream): Duplex {
  return Duplex.fromWeb(stream as unknown as Parameters<typeof Duplex.fromWeb>[0], {
    allowHalfOpen: true,
  } satisfies DuplexOptions);
}
