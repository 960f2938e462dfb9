/** What a guest has sent on one connection and the host has not read yet. */
import type { DescriptorChain } from "../chain.ts";
import { Fifo } from "./fifo.ts";

/**
 * Small packets share pieces of this size, so that a guest which sends single bytes makes the host
 * keep at most about twice what it sent.
 */
const PIECE_SIZE = 4096;

interface Piece {
  readonly bytes: Uint8Array<ArrayBuffer>;
  start: number;
  end: number;
}

export class VsockBuffer {
  /** Bytes waiting. */
  length = 0;
  readonly #pieces = new Fifo<Piece>();
  /** Lengths of the messages that are whole. */
  readonly #messages = new Fifo<number>();
  #partial = 0;

  /** Messages waiting, the empty ones too. */
  get messages(): number {
    return this.#messages.length;
  }

  /** Copies `length` bytes of a packet's data out of the guest, which is the only copy of a large one. */
  append(chain: DescriptorChain, offset: number, length: number): void {
    if (length === 0) return;
    const piece = this.#pieceFor(length);
    chain.readAt(offset, piece.bytes.subarray(piece.end, piece.end + length));
    piece.end += length;
    this.length += length;
    this.#partial += length;
  }

  endMessage(): void {
    this.#messages.push(this.#partial);
    this.#partial = 0;
  }

  /** The oldest bytes that lie in one piece; the caller's from now on. */
  read(): Uint8Array<ArrayBuffer> | undefined {
    const piece = this.#pieces.shift();
    if (piece === undefined) return undefined;
    const bytes = piece.bytes.subarray(piece.start, piece.end);
    this.length -= bytes.length;
    return bytes;
  }

  /** The oldest whole message; the caller's from now on. */
  readMessage(): Uint8Array<ArrayBuffer> | undefined {
    const length = this.#messages.shift();
    if (length === undefined) return undefined;
    const piece = this.#pieces.first;
    if (piece?.start === 0 && piece.end === length) return this.read();
    const message = new Uint8Array(length);
    for (let at = 0; at < length; ) at += this.#take(message, at);
    this.length -= length;
    return message;
  }

  /** Moves bytes of the first piece into `message` from `at` on; returns how many. */
  #take(message: Uint8Array, at: number): number {
    const piece = this.#pieces.first!;
    const count = Math.min(piece.end - piece.start, message.length - at);
    message.set(piece.bytes.subarray(piece.start, piece.start + count), at);
    piece.start += count;
    if (piece.start === piece.end) this.#pieces.shift();
    return count;
  }

  clear(): void {
    this.#pieces.clear();
    this.#messages.clear();
    this.#partial = 0;
    this.length = 0;
  }

  #pieceFor(length: number): Piece {
    const last = this.#pieces.last;
    if (last !== undefined && last.bytes.length - last.end >= length) return last;
    const bytes = new Uint8Array(Math.max(length, PIECE_SIZE));
    const piece = { bytes, start: 0, end: 0 };
    this.#pieces.push(piece);
    return piece;
  }
}
