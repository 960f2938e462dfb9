/** Bytes in and out of one chunk of a disk. */
import type { BlockTarget } from "../virtio/devices/block-backend.ts";

/** Where a read puts its bytes. */
export type ReadTarget = Omit<BlockTarget, "alive">;

/** Contents of one chunk; what is missing is zeros: all of it, or what the disk has grown by. */
export interface Chunk {
  bytes: Uint8Array<ArrayBuffer> | undefined;
}

/** One chunk's share of a request. */
export interface Piece {
  readonly index: number;
  /** First byte inside the chunk. */
  readonly start: number;
  readonly length: number;
  /** First byte inside the request. */
  readonly at: number;
}

/** Puts what a piece is of a chunk into its place in `target`. */
export function copyOut(chunk: Chunk, piece: Piece, target: ReadTarget): void {
  const bytes = chunk.bytes?.subarray(piece.start, piece.start + piece.length);
  const held = bytes?.length ?? 0;
  if (bytes !== undefined && held > 0) target.write(piece.at, bytes);
  if (held < piece.length) target.zero(piece.at + held, piece.length - held);
}

/** At least `length` bytes: these, or a longer copy. */
export function lengthened(
  bytes: Uint8Array<ArrayBuffer> | undefined,
  length: number,
): Uint8Array<ArrayBuffer> {
  if (bytes !== undefined && bytes.length >= length) return bytes;
  const longer = new Uint8Array(length);
  if (bytes !== undefined) longer.set(bytes);
  return longer;
}

/** Copies a piece of the bytes of `parts`, one after the other, to its place in a chunk. */
export function gather(parts: readonly Uint8Array[], piece: Piece, into: Uint8Array): void {
  let skip = piece.at;
  let to = piece.start;
  const end = piece.start + piece.length;
  for (const part of parts) {
    if (to === end) return;
    if (skip >= part.length) {
      skip -= part.length;
      continue;
    }
    const count = Math.min(part.length - skip, end - to);
    into.set(count === part.length ? part : part.subarray(skip, skip + count), to);
    to += count;
    skip = 0;
  }
}
