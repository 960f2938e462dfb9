/**
 * The descriptors of a chain as they are in guest memory now (virtio 2.7.5, 2.8.2), whether a device
 * would take them or not. A guest may write anything there: what cannot be followed ends with a reason.
 */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import type { QueueAddresses } from "../../virtio/queue.ts";
import { DESCRIPTOR_SIZE, DescriptorFlag, flagNames } from "../../virtio/spec.ts";
import { hex } from "../hex.ts";

/** Of one chain: more than drivers make, and few enough to be shown. A loop ends here too. */
const DESCRIPTORS_MAX = 128;

export interface DescriptorView {
  /** Its place in the ring, or in the indirect table. */
  readonly index: number;
  readonly isIndirect: boolean;
  readonly address: number;
  readonly length: number;
  /** By name. */
  readonly flags: string;
  /** Where the chain goes on, of a split ring. */
  readonly next?: number;
  /** The buffer id, of a packed ring: the last descriptor of a chain has it. */
  readonly id?: number;
}

interface Range {
  readonly address: number;
  readonly length: number;
}

export interface ChainView {
  readonly descriptors: readonly DescriptorView[];
  readonly readable: readonly Range[];
  readonly writable: readonly Range[];
  /** Why it could not be followed to its end. */
  readonly fault?: string;
}

/** The areas of a queue that is in use. */
export interface RingAreas {
  readonly layout: "split" | "packed";
  readonly addresses: QueueAddresses;
}

/** The chain that begins at `start` of the descriptor table or ring. */
export function followChain(memory: GuestMemory, ring: RingAreas, start: number): ChainView {
  const follower = new Follower(memory, ring.layout);
  const { desc, size } = ring.addresses;
  return follower.run({ base: desc, count: size, isIndirect: false }, start);
}

/** One descriptor of a ring; undefined where there is no memory. */
export function descriptorAt(
  memory: GuestMemory,
  { layout, addresses }: RingAreas,
  index: number,
): DescriptorView | undefined {
  const { desc: base, size: count } = addresses;
  return read(memory, layout, { base, count, isIndirect: false }, index)?.view;
}

interface Table {
  readonly base: number;
  readonly count: number;
  readonly isIndirect: boolean;
}

interface ReadDescriptor {
  readonly view: DescriptorView;
  readonly flags: number;
}

function read(
  memory: GuestMemory,
  layout: "split" | "packed",
  { base, isIndirect }: Table,
  index: number,
): ReadDescriptor | undefined {
  const at = base + index * DESCRIPTOR_SIZE;
  if (memory.view(at, DESCRIPTOR_SIZE) === undefined) return undefined;
  const address = memory.readU64(at);
  const length = memory.readU32(at + 8);
  const flags = memory.readU16(at + (layout === "split" ? 12 : 14));
  const names = flagNames(DescriptorFlag, flags).join(" ");
  const view = { index, isIndirect, address, length, flags: names };
  if (layout === "packed") return { view: { ...view, id: memory.readU16(at + 12) }, flags };
  if ((flags & DescriptorFlag.NEXT) === 0) return { view, flags };
  return { view: { ...view, next: memory.readU16(at + 14) }, flags };
}

class Follower {
  readonly #memory: GuestMemory;
  readonly #layout: "split" | "packed";
  readonly #descriptors: DescriptorView[] = [];
  readonly #readable: Range[] = [];
  readonly #writable: Range[] = [];

  constructor(memory: GuestMemory, layout: "split" | "packed") {
    this.#memory = memory;
    this.#layout = layout;
  }

  run(table: Table, start: number): ChainView {
    const fault = this.#follow(table, start);
    const chain = {
      descriptors: this.#descriptors,
      readable: this.#readable,
      writable: this.#writable,
    };
    return fault === undefined ? chain : { ...chain, fault };
  }

  #follow(table: Table, start: number): string | undefined {
    let index = start;
    for (;;) {
      if (index >= table.count) return `next ${index} is not one of ${table.count} descriptors`;
      if (this.#descriptors.length >= DESCRIPTORS_MAX) {
        return `${DESCRIPTORS_MAX} descriptors, and no end`;
      }
      const descriptor = read(this.#memory, this.#layout, table, index);
      if (descriptor === undefined) return `descriptor ${index} is not in RAM`;
      const { view, flags } = descriptor;
      this.#descriptors.push(view);
      const fault = this.#add(table, view, flags);
      if (fault !== undefined) return fault;
      // In the packed layout a table is all of the chain, in order (2.8.8).
      const isPackedTable = this.#layout === "packed" && table.isIndirect;
      if (isPackedTable && index + 1 === table.count) return undefined;
      if (!isPackedTable && (flags & DescriptorFlag.NEXT) === 0) return undefined;
      index = this.#after(table, view);
    }
  }

  #after(table: Table, { index, next }: DescriptorView): number {
    if (this.#layout === "split") return next ?? table.count;
    return table.isIndirect ? index + 1 : (index + 1) % table.count;
  }

  #add(table: Table, view: DescriptorView, flags: number): string | undefined {
    const { address, length } = view;
    if ((flags & DescriptorFlag.INDIRECT) !== 0) {
      if (table.isIndirect) return "an indirect table inside another";
      const count = Math.floor(length / DESCRIPTOR_SIZE);
      if (count === 0) return `an indirect table of ${length} bytes`;
      return this.#follow({ base: address, count, isIndirect: true }, 0);
    }
    if (!this.#memory.contains(address, length)) {
      return `${hex(address)}+${length} is not RAM`;
    }
    const isWritable = (flags & DescriptorFlag.WRITE) !== 0;
    (isWritable ? this.#writable : this.#readable).push({ address, length });
    return undefined;
  }
}

/** A copy of the first bytes of some ranges, no more than `max`. */
export function gather(memory: GuestMemory, ranges: readonly Range[], max: number): Uint8Array {
  const total = Math.min(max, lengthOf(ranges));
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const { address, length } of ranges) {
    const view = memory.view(address, Math.min(length, total - at));
    if (view === undefined || at === total) break;
    bytes.set(view, at);
    at += view.length;
  }
  return bytes.subarray(0, at);
}

export function lengthOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}
