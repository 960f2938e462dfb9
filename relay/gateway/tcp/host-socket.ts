/** A node socket as the host's side of a connection. */
import type { Socket } from "node:net";
import type { HostSide } from "./connection.ts";

/**
 * Writes that may wait for a socket. The receive window full of whole segments is 719; a guest
 * that sends bytes one by one has to wait, for each write costs more memory than its byte.
 */
export const MAX_PENDING_WRITES = 1024;

export class HostSocket implements HostSide {
  readonly #socket: Socket;
  readonly #taken: () => void;
  #pendingWrites = 0;
  #corked = false;

  /** `taken` is called when the operating system took a write, and room came free. */
  constructor(socket: Socket, taken: () => void) {
    this.#socket = socket;
    this.#taken = () => {
      this.#pendingWrites -= 1;
      taken();
    };
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  get hasRoom(): boolean {
    return this.#pendingWrites < MAX_PENDING_WRITES;
  }

  /** Writes with the next flush, so that a burst of segments is one system call. */
  write(bytes: Uint8Array): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
    }
    this.#pendingWrites += 1;
    this.#socket.write(bytes, this.#taken);
  }

  flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  end(): void {
    this.flush();
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
