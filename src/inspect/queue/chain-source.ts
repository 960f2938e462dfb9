/** A chain with what is in it, wherever it was found: in the ring, at the device, or given back. */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import type { DescriptorChain } from "../../virtio/chain.ts";
import { answerLength } from "../payload/payload.ts";
import { type ChainView, followChain, gather, lengthOf, type RingAreas } from "./descriptors.ts";

/**
 * Bytes of either part that are decoded: more than a frame has, and most requests for a disk. It is no
 * whole number of sectors and a header or a status, so that what is cut off can be told from what is whole.
 */
const BYTES_MAX = 64 * 1024;

export interface ChainSource {
  readonly id: number;
  readonly chain: ChainView;
  readonly readableLength: number;
  readonly writableLength: number;
  /** What the used element says; undefined while the device has not given the chain back. */
  readonly usedLength?: number;
  readonly readable: Uint8Array;
  readonly written: Uint8Array;
  /** Why the queue gave it back by itself. */
  readonly flaw?: string | undefined;
}

/** Where a chain begins in the table or ring that its descriptors are in. */
function startOf({ layout }: RingAreas, { id, position }: DescriptorChain): number {
  return layout === "split" ? id : position & 0x7fff;
}

/** What the device has at hand: its own view of the parts, and the descriptors as they are now. */
export function takenChain(
  memory: GuestMemory,
  ring: RingAreas,
  taken: DescriptorChain,
): ChainSource {
  const isPlaced = ring.layout === "split" || taken.position >= 0;
  const chain = isPlaced ? followChain(memory, ring, startOf(ring, taken)) : partsOf(taken);
  const readable = new Uint8Array(Math.min(taken.readableLength, BYTES_MAX));
  taken.readAt(0, readable);
  const { id, readableLength, writableLength } = taken;
  return { id, chain, readableLength, writableLength, readable, written: new Uint8Array() };
}

/** A chain that the device gives back at this moment. */
export function pushedChain(
  memory: GuestMemory,
  ring: RingAreas,
  type: number,
  pushed: DescriptorChain,
  usedLength: number,
  flaw: string | undefined,
): ChainSource {
  const source = takenChain(memory, ring, pushed);
  const length = answerLength(type, pushed.writableLength, usedLength);
  const written = new Uint8Array(Math.min(length, BYTES_MAX));
  pushed.readWritableAt(0, written);
  return { ...source, usedLength, written, flaw };
}

/** A chain that only its descriptors are known of. */
export function chainInMemory(
  memory: GuestMemory,
  ring: RingAreas,
  type: number,
  id: number,
  start: number,
  usedLength?: number,
): ChainSource {
  const chain = followChain(memory, ring, start);
  const writableLength = lengthOf(chain.writable);
  const length = usedLength === undefined ? 0 : answerLength(type, writableLength, usedLength);
  return {
    id,
    chain,
    readableLength: lengthOf(chain.readable),
    writableLength,
    ...(usedLength === undefined ? {} : { usedLength }),
    readable: gather(memory, chain.readable, BYTES_MAX),
    written: gather(memory, chain.writable, Math.min(length, BYTES_MAX)),
  };
}

/** The parts of a chain whose place in the ring nobody knows: it came with a saved machine. */
function partsOf(taken: DescriptorChain): ChainView {
  const { readable, writable } = taken.save();
  const ranges = (parts: typeof readable) =>
    parts.map(([address, length]) => ({ address, length }));
  return { descriptors: [], readable: ranges(readable), writable: ranges(writable) };
}
