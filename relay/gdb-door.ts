/**
 * A port of this machine's loopback behind which a page serves GDB. Bytes of the client and of the page
 * are binary messages of the page's WebSocket; the text `open` tells the page of a client, and `close`
 * either side of the other's end. One page, and one client of it, at a time.
 *
 * Whoever can connect to the port controls the page's guest: it is opened only when asked for, and on
 * the loopback whatever address the relay listens on.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { RawData, WebSocket } from "ws";

/** Bytes that may wait for either side to take them: one that does not read is cut off. */
const MAX_WAITING_BYTES = 1 << 20;

export class GdbDoor {
  readonly #server: Server;
  #page: WebSocket | undefined;
  #client: Socket | undefined;

  constructor() {
    this.#server = createServer((socket) => this.#enter(socket));
  }

  /** Resolves to the port, which for 0 is any free one. Rejects if it cannot be had. */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, host: "127.0.0.1" }, () =>
        resolve((this.#server.address() as AddressInfo).port),
      );
    });
  }

  get isTaken(): boolean {
    return this.#page !== undefined;
  }

  /** From now on clients are this page's. */
  attach(page: WebSocket): void {
    this.#page = page;
    page.on("message", (data, isBinary) => this.#fromPage(data, isBinary));
    // What follows an error is the end.
    page.on("error", () => {});
    page.on("close", () => {
      this.#page = undefined;
      this.#client?.destroy();
    });
  }

  close(): void {
    this.#server.close();
    this.#client?.destroy();
    this.#page?.terminate();
  }

  #enter(client: Socket): void {
    const page = this.#page;
    if (page === undefined || this.#client !== undefined) {
      client.destroy();
      return;
    }
    this.#client = client;
    client.setNoDelay(true);
    page.send("open");
    client.on("data", (bytes) => {
      page.send(bytes, { binary: true });
      if (page.bufferedAmount > MAX_WAITING_BYTES) client.destroy();
    });
    client.on("error", () => {});
    client.on("close", () => {
      this.#client = undefined;
      page.send("close", () => {});
    });
  }

  #fromPage(data: RawData, isBinary: boolean): void {
    const client = this.#client;
    if (client === undefined) return;
    if (!isBinary) {
      client.end();
      return;
    }
    client.write(data as Buffer);
    if (client.writableLength > MAX_WAITING_BYTES) client.destroy();
  }
}
