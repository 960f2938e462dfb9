/** What a new disk begins with: blocks of a formatted one, so that the guest need not format it. */
import type { ChunkChanges, DiskMeta } from "./chunk-store.ts";

/** Bytes per block of a seed. */
export const SEED_BLOCK_BYTES = 4096;

const RECORD_BYTES = 4 + SEED_BLOCK_BYTES;

/** Block numbers and their contents; all other blocks are zeros. */
export type DiskSeed = ReadonlyMap<number, Uint8Array>;

/**
 * Reads a seed file: for each block its number (32 bits, little-endian) and its bytes.
 * @throws RangeError if it ends within a block.
 */
export function parseSeed(file: Uint8Array): DiskSeed {
  if (file.length % RECORD_BYTES !== 0) throw new RangeError("the seed ends within a block");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const blocks = new Map<number, Uint8Array>();
  for (let at = 0; at < file.length; at += RECORD_BYTES) {
    blocks.set(view.getUint32(at, true), file.subarray(at + 4, at + RECORD_BYTES));
  }
  return blocks;
}

/** The chunks of a new disk. Blocks beyond its end are left out. */
export function seedChunks(
  seed: DiskSeed,
  { size, chunkSize }: Pick<DiskMeta, "size" | "chunkSize">,
): ChunkChanges {
  const chunks = new Map<number, Uint8Array<ArrayBuffer>>();
  for (const [block, bytes] of seed) {
    const at = block * SEED_BLOCK_BYTES;
    if (at + SEED_BLOCK_BYTES > size) continue;
    const index = Math.floor(at / chunkSize);
    const chunk = chunks.get(index) ?? new Uint8Array(chunkSize);
    chunks.set(index, chunk);
    chunk.set(bytes, at - index * chunkSize);
  }
  return chunks;
}
