/**
 * The rules for one chain of descriptors that both layouts share (virtio 2.7.4, 2.7.5, 2.8.5 to
 * 2.8.8): order, lengths, addresses and indirect tables. Nothing here has a side effect on the guest.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { DescriptorChain } from "./chain.ts";
import { DESCRIPTOR_SIZE, DescriptorFlag } from "./spec.ts";

/** One descriptor as read from guest memory, once. */
export interface Descriptor {
  address: number;
  length: number;
  flags: number;
}

/** Bytes of one chain: the used element has 32 bits for them (2.7.5.2 forbids the driver more). */
const CHAIN_BYTES_MAX = 0xffff_ffff;

/** Enough for the tables of most requests; longer ones make it grow, up to a queue's size. */
const TABLE_BYTES = 64 * DESCRIPTOR_SIZE;

export class DescriptorWalk {
  /** Whether indirect tables were negotiated. */
  indirect = false;
  readonly #memory: GuestMemory;
  readonly #entry: Descriptor = { address: 0, length: 0, flags: 0 };
  #chain: DescriptorChain | undefined;
  /** Room for the copy of a table: one is walked at a time. */
  #table = new Uint8Array(TABLE_BYTES);
  #limit = 0;
  #packedTable = false;
  #count = 0;
  #bytes = 0;
  #sawWritable = false;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Descriptors looked at since `begin`. */
  get count(): number {
    return this.#count;
  }

  /** Starts over with `chain`, of which no more than `limit` descriptors are accepted. */
  begin(chain: DescriptorChain, limit: number, packed = false): void {
    this.#chain = chain;
    this.#limit = limit;
    this.#packedTable = packed;
    this.#count = 0;
    this.#bytes = 0;
    this.#sawWritable = false;
  }

  /** Adds a descriptor of the ring or the table; returns what is wrong with it, if anything. */
  add(descriptor: Descriptor): string | undefined {
    return (descriptor.flags & DescriptorFlag.INDIRECT) !== 0
      ? this.#addTable(descriptor)
      : this.#addBuffer(descriptor);
  }

  end(): string | undefined {
    this.#chain = undefined;
    return this.#bytes === 0 ? "no bytes in the chain" : undefined;
  }

  #addBuffer(descriptor: Descriptor): string | undefined {
    const { address, length, flags } = descriptor;
    this.#count++;
    if (this.#count > this.#limit) return `longer than ${this.#limit} descriptors`;
    const write = (flags & DescriptorFlag.WRITE) !== 0;
    if (!write && this.#sawWritable) return "a readable descriptor after a writable one";
    this.#sawWritable = write;
    if (length === 0) return undefined;
    this.#bytes += length;
    if (this.#bytes > CHAIN_BYTES_MAX) return "longer than 2^32 - 1 bytes";
    const view = this.#memory.view(address, length);
    if (view === undefined) return `0x${address.toString(16)}+${length} is not RAM`;
    if (write) this.#chain?.addWritable(view, address);
    else this.#chain?.addReadable(view, address);
    return undefined;
  }

  /** An indirect table may end a chain; WRITE on the descriptor that refers to it means nothing. */
  #addTable(descriptor: Descriptor): string | undefined {
    const { address, length, flags } = descriptor;
    if (!this.indirect) return "an indirect table, which was not negotiated";
    if ((flags & DescriptorFlag.NEXT) !== 0) return "an indirect table with a next descriptor";
    const entries = length / DESCRIPTOR_SIZE;
    if (entries < 1 || !Number.isInteger(entries)) return `an indirect table of ${length} bytes`;
    if (entries > this.#limit) return `an indirect table of ${entries} descriptors`;
    const view = this.#memory.view(address, length);
    if (view === undefined) return `an indirect table at 0x${address.toString(16)} outside RAM`;
    // Copied, so that checks and use see the same table whatever the guest does meanwhile.
    if (this.#table.length < length) this.#table = new Uint8Array(length);
    this.#table.set(view);
    const table = new DataView(this.#table.buffer);
    return this.#packedTable ? this.#walkPacked(table, entries) : this.#walkSplit(table, entries);
  }

  #walkSplit(table: DataView, entries: number): string | undefined {
    let index = 0;
    for (;;) {
      const at = index * DESCRIPTOR_SIZE;
      const fault = this.#addEntry(table, at, table.getUint16(at + 12, true));
      if (fault !== undefined) return fault;
      if ((this.#entry.flags & DescriptorFlag.NEXT) === 0) return undefined;
      index = table.getUint16(at + 14, true);
      if (index >= entries) return `next ${index} in an indirect table of ${entries}`;
    }
  }

  /** In the packed layout every entry of the table belongs to the chain, in order (2.8.8). */
  #walkPacked(table: DataView, entries: number): string | undefined {
    for (let index = 0; index < entries; index++) {
      const at = index * DESCRIPTOR_SIZE;
      const fault = this.#addEntry(table, at, table.getUint16(at + 14, true));
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #addEntry(table: DataView, at: number, flags: number): string | undefined {
    if ((flags & DescriptorFlag.INDIRECT) !== 0) return "an indirect table inside another";
    this.#entry.address = table.getUint32(at, true) + table.getUint32(at + 4, true) * 0x1_0000_0000;
    this.#entry.length = table.getUint32(at + 8, true);
    this.#entry.flags = flags;
    return this.#addBuffer(this.#entry);
  }
}
