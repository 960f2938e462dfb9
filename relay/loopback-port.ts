/** A TCP port of this computer's loopback for one client at a time, as debuggers want it. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** Bytes that may wait for either side to take them: one that asks and never reads is cut off. */
export const MAX_WAITING_BYTES = 1 << 20;

/** What becomes of a client. */
export interface ClientHandler {
  receive(bytes: Uint8Array): void;
  /** It is gone, or was sent away. */
  closed(): void;
}

interface Client {
  readonly socket: Socket;
  readonly handler: ClientHandler;
}

/** Resolves to the port, which for 0 is any free one. Rejects if it cannot be had. */
export function listenOnLoopback(server: Server, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: "127.0.0.1" }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });
}

export class LoopbackPort {
  readonly #server: Server;
  #client: Client | undefined;

  /** @param welcome undefined if there is nobody to serve a client */
  constructor(welcome: () => ClientHandler | undefined) {
    this.#server = createServer((socket) => {
      // What follows an error is the end.
      socket.on("error", () => {});
      const handler = this.#client === undefined ? welcome() : undefined;
      if (handler === undefined) socket.destroy();
      else this.#enter({ socket, handler });
    });
  }

  /** Resolves to the port, which for 0 is any free one. Rejects if it cannot be had. */
  listen(port: number): Promise<number> {
    return listenOnLoopback(this.#server, port);
  }

  /** To the client, if there is one. */
  send(bytes: Uint8Array): void {
    if (this.#client === undefined) return;
    const { socket } = this.#client;
    socket.write(bytes);
    if (socket.writableLength > MAX_WAITING_BYTES) this.cutOff();
  }

  /** The client gets what it was sent, whether it goes by itself or not. */
  end(): void {
    this.#client?.socket.destroySoon();
    this.#leave();
  }

  cutOff(): void {
    this.#client?.socket.destroy();
    this.#leave();
  }

  close(): void {
    this.#server.close();
    this.cutOff();
  }

  #enter(client: Client): void {
    const { socket, handler } = client;
    const isHere = (): boolean => this.#client === client;
    this.#client = client;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => isHere() && handler.receive(bytes));
    socket.on("close", () => isHere() && this.#leave());
  }

  #leave(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.handler.closed();
  }
}
