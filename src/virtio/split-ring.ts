/**
 * The split layout (virtio 2.7): descriptor table, available ring, used ring.
 *
 * Ring words are accessed as typed arrays, whose byte order is the host's: little-endian like the
 * guest on everything that runs WebAssembly.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { DescriptorChain } from "./chain.ts";
import type { Descriptor, DescriptorWalk } from "./descriptor-walk.ts";
import type { QueueAddresses } from "./queue.ts";
import { areaOf, type Ring, Taken } from "./ring.ts";
import {
  AVAIL_NO_INTERRUPT,
  bit,
  DESCRIPTOR_SIZE,
  DescriptorFlag,
  Feature,
  QUEUE_SIZE_MAX,
  USED_NO_NOTIFY,
} from "./spec.ts";

/** Positions in the rings, in 16-bit words (2.7.6, 2.7.8). */
const FLAGS = 0;
const IDX = 1;
const RING = 2;

/** A ring over the driver's areas, or why they are unusable. */
export function createSplitRing(
  memory: GuestMemory,
  addresses: QueueAddresses,
  features: bigint,
): Ring | string {
  const { size } = addresses;
  if (size < 1 || size > QUEUE_SIZE_MAX || (size & (size - 1)) !== 0) {
    return `size ${size} is no power of two up to ${QUEUE_SIZE_MAX}`;
  }
  const table = areaOf(memory, addresses.desc, DESCRIPTOR_SIZE * size, 16);
  const avail = areaOf(memory, addresses.driver, 6 + 2 * size, 2);
  const used = areaOf(memory, addresses.device, 6 + 8 * size, 4);
  if (table === undefined) return "descriptor table is misaligned or outside RAM";
  if (avail === undefined) return "available ring is misaligned or outside RAM";
  if (used === undefined) return "used ring is misaligned or outside RAM";
  return new SplitRing(memory, addresses, features, table, avail, used);
}

class SplitRing implements Ring {
  readonly layout = "split";
  readonly addresses: QueueAddresses;
  /** Free-running 16-bit positions. */
  next = 0;
  used = 0;
  reason = "";
  readonly #memory: GuestMemory;
  readonly #eventIdx: boolean;
  readonly #size: number;
  readonly #table: Uint32Array;
  readonly #avail: Uint16Array;
  readonly #used: Uint16Array;
  /** The used elements: id and length of each. */
  readonly #elements: Uint32Array;
  readonly #descriptor: Descriptor = { address: 0, length: 0, flags: 0 };
  #staged = 0;

  constructor(
    memory: GuestMemory,
    addresses: QueueAddresses,
    features: bigint,
    table: Uint8Array,
    avail: Uint8Array,
    used: Uint8Array,
  ) {
    const { size } = addresses;
    this.addresses = addresses;
    this.#memory = memory;
    this.#eventIdx = (features & bit(Feature.EVENT_IDX)) !== 0n;
    this.#size = size;
    this.#table = new Uint32Array(table.buffer, table.byteOffset, 4 * size);
    this.#avail = new Uint16Array(avail.buffer, avail.byteOffset, 3 + size);
    this.#used = new Uint16Array(used.buffer, used.byteOffset, 3 + 4 * size);
    this.#elements = new Uint32Array(used.buffer, used.byteOffset + 4, 2 * size);
  }

  restore(next: number, used: number): boolean {
    this.next = next & 0xffff;
    this.used = used & 0xffff;
    return this.next === next && this.used === used;
  }

  available(): boolean {
    return Atomics.load(this.#avail, IDX) !== this.next;
  }

  take(chain: DescriptorChain, walk: DescriptorWalk): Taken {
    const ahead = (Atomics.load(this.#avail, IDX) - this.next) & 0xffff;
    const head = this.#avail[RING + (this.next & (this.#size - 1))];
    if (ahead > this.#size) {
      this.reason = `available index is ${ahead} ahead of ${this.#size} descriptors`;
      return Taken.BROKEN;
    }
    if (head >= this.#size) {
      this.reason = `head ${head} is not one of ${this.#size} descriptors`;
      return Taken.BROKEN;
    }
    this.next = (this.next + 1) & 0xffff;
    chain.id = head;
    walk.begin(chain, this.#size);
    const fault = this.#follow(head, walk) ?? walk.end();
    if (fault === undefined) return Taken.WHOLE;
    this.reason = fault;
    return Taken.MALFORMED;
  }

  stage(chain: DescriptorChain, bytesWritten: number): void {
    const place = (this.used + this.#staged) & (this.#size - 1);
    this.#elements[2 * place] = chain.id;
    this.#elements[2 * place + 1] = bytesWritten;
    this.#staged++;
  }

  publish(): boolean {
    const before = this.used;
    this.used = (before + this.#staged) & 0xffff;
    this.#staged = 0;
    // Sequentially consistent: the elements are visible before it, and the driver's wish is read
    // after it, so either the driver sees the buffer or the device sees that it wants to know.
    this.#storeUsed(IDX, this.used);
    if (!this.#eventIdx) return (Atomics.load(this.#avail, FLAGS) & AVAIL_NO_INTERRUPT) === 0;
    // Wanted if the driver's used_event is among the elements just shown (2.7.10).
    const event = Atomics.load(this.#avail, RING + this.#size);
    return ((this.used - event - 1) & 0xffff) < ((this.used - before) & 0xffff);
  }

  setKicks(wanted: boolean): void {
    if (!this.#eventIdx) this.#storeUsed(FLAGS, wanted ? 0 : USED_NO_NOTIFY);
    // With EVENT_IDX an avail_event that stays behind asks for no kicks (2.7.10).
    else if (wanted) this.#storeUsed(RING + 4 * this.#size, this.next);
  }

  #follow(head: number, walk: DescriptorWalk): string | undefined {
    const descriptor = this.#descriptor;
    let index = head;
    for (;;) {
      // The four words are read once: what the driver changes from here on has no effect.
      const word = this.#table[4 * index + 3];
      descriptor.address = this.#table[4 * index] + this.#table[4 * index + 1] * 0x1_0000_0000;
      descriptor.length = this.#table[4 * index + 2];
      descriptor.flags = word & 0xffff;
      const fault = walk.add(descriptor);
      if (fault !== undefined) return fault;
      if ((descriptor.flags & DescriptorFlag.NEXT) === 0) return undefined;
      index = word >>> 16;
      if (index >= this.#size) return `next ${index} is not one of ${this.#size} descriptors`;
    }
  }

  #storeUsed(position: number, value: number): void {
    Atomics.store(this.#used, position, value);
    this.#memory.written(this.addresses.device, this.#used.byteLength);
  }
}
