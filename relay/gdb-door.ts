/**
 * A port of this machine's loopback behind which a page serves GDB. Bytes of the client and of the page
 * are binary messages of the page's WebSocket; the text `open` tells the page of a client, and `close`
 * either side of the other's end. One page, and one client of it, at a time.
 *
 * Whoever can connect to the port controls the page's guest: it is opened only when asked for, and on
 * the loopback whatever address the relay listens on.
 */
import type { RawData, WebSocket } from "ws";
import { type ClientHandler, LoopbackPort, MAX_WAITING_BYTES } from "./loopback-port.ts";

export class GdbDoor {
  readonly #port = new LoopbackPort(() => this.#welcome());
  #page: WebSocket | undefined;

  /** Resolves to the port, which for 0 is any free one. Rejects if it cannot be had. */
  listen(port: number): Promise<number> {
    return this.#port.listen(port);
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
      this.#port.cutOff();
    });
  }

  close(): void {
    this.#port.close();
    this.#page?.terminate();
  }

  #welcome(): ClientHandler | undefined {
    const page = this.#page;
    if (page === undefined) return undefined;
    page.send("open");
    return {
      receive: (bytes) => {
        page.send(bytes, { binary: true });
        if (page.bufferedAmount > MAX_WAITING_BYTES) this.#port.cutOff();
      },
      closed: () => page.send("close", () => {}),
    };
  }

  #fromPage(data: RawData, isBinary: boolean): void {
    if (isBinary) this.#port.send(data as Buffer);
    else this.#port.end();
  }
}
