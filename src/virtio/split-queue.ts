/**
 * The split virtqueue (virtio 2.7): descriptor table, available ring, used ring.
 *
 * A malformed chain is completed with length 0 and the device lives on; a malformed ring ends in
 * DEVICE_NEEDS_RESET. Ring words are accessed as typed arrays, whose byte order is the host's:
 * little-endian like the guest on everything that runs WebAssembly.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";
import { DescriptorChain } from "./chain.ts";
import { type Descriptor, DescriptorWalk } from "./descriptor-walk.ts";
import type {
  ManagedQueue,
  QueueAddresses,
  QueueCounters,
  QueueHost,
  QueueSnapshot,
  QueueState,
} from "./queue.ts";
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

/** The areas of a queue in use. */
interface Rings {
  readonly addresses: QueueAddresses;
  readonly table: Uint32Array;
  readonly avail: Uint16Array;
  readonly used: Uint16Array;
  /** The used elements: id and length of each. */
  readonly elements: Uint32Array;
  readonly inFlight: Uint32Array;
}

export class SplitQueue implements ManagedQueue {
  readonly index: number;
  readonly memory: GuestMemory;
  generation = 0;
  readonly #host: QueueHost;
  readonly #walk: DescriptorWalk;
  readonly #descriptor: Descriptor = { address: 0, length: 0, flags: 0 };
  #rings: Rings | undefined;
  #eventIdx = false;
  #indirect = false;
  /** Free-running 16-bit positions. */
  #next = 0;
  #used = 0;
  #staged = 0;
  /** Heads of a loaded state, taken again before anything else. */
  #again: number[] = [];
  #lastMalformed: string | undefined;
  readonly #counters: QueueCounters = { chains: 0, malformed: 0, notified: 0, suppressed: 0 };

  constructor(index: number, host: QueueHost) {
    this.index = index;
    this.memory = host.memory;
    this.#host = host;
    this.#walk = new DescriptorWalk(host.memory);
  }

  get size(): number {
    return this.#rings?.addresses.size ?? 0;
  }

  get ready(): boolean {
    return this.#rings !== undefined;
  }

  enable(addresses: QueueAddresses, features: bigint): string | undefined {
    this.disable();
    const { size } = addresses;
    if (size < 1 || size > QUEUE_SIZE_MAX || (size & (size - 1)) !== 0) {
      return `size ${size} is no power of two up to ${QUEUE_SIZE_MAX}`;
    }
    const table = this.#area(addresses.desc, DESCRIPTOR_SIZE * size, 16);
    const avail = this.#area(addresses.driver, 6 + 2 * size, 2);
    const used = this.#area(addresses.device, 6 + 8 * size, 4);
    if (table === undefined) return "descriptor table is misaligned or outside RAM";
    if (avail === undefined) return "available ring is misaligned or outside RAM";
    if (used === undefined) return "used ring is misaligned or outside RAM";
    this.#rings = {
      addresses,
      table: new Uint32Array(table.buffer, table.byteOffset, 4 * size),
      avail: new Uint16Array(avail.buffer, avail.byteOffset, 3 + size),
      used: new Uint16Array(used.buffer, used.byteOffset, 3 + 4 * size),
      elements: new Uint32Array(used.buffer, used.byteOffset + 4, 2 * size),
      inFlight: new Uint32Array(Math.ceil(size / 32)),
    };
    this.#eventIdx = (features & bit(Feature.EVENT_IDX)) !== 0n;
    this.#indirect = (features & bit(Feature.INDIRECT_DESC)) !== 0n;
    return undefined;
  }

  disable(): void {
    this.generation++;
    this.#rings = undefined;
    this.#next = 0;
    this.#used = 0;
    this.#staged = 0;
    this.#again = [];
  }

  pop(): DescriptorChain | undefined {
    // One more malformed chain than the ring can hold means that the ring is rewriting itself.
    for (let malformed = 0; malformed <= this.size; malformed++) {
      const rings = this.#rings;
      if (rings === undefined) return undefined;
      const head = this.#nextHead(rings);
      if (head < 0) return undefined;
      setBit(rings.inFlight, head, true);
      this.#counters.chains++;
      const chain = new DescriptorChain(this, head);
      const fault = this.#fill(chain, rings, head);
      if (fault === undefined) return chain;
      this.#counters.malformed++;
      this.#lastMalformed = fault;
      this.push(chain, 0);
    }
    this.#fail("more malformed chains than the queue has descriptors");
    return undefined;
  }

  push(chain: DescriptorChain, bytesWritten: number): void {
    this.stage(chain, bytesWritten);
    this.publish();
  }

  stage(chain: DescriptorChain, bytesWritten: number): void {
    const rings = this.#rings;
    if (rings === undefined || !chain.complete(bytesWritten)) return;
    const slot = (this.#used + this.#staged) & (rings.addresses.size - 1);
    rings.elements[2 * slot] = chain.id;
    rings.elements[2 * slot + 1] = bytesWritten;
    setBit(rings.inFlight, chain.id, false);
    this.#staged++;
  }

  publish(): void {
    const rings = this.#rings;
    if (rings === undefined || this.#staged === 0) return;
    const before = this.#used;
    this.#used = (before + this.#staged) & 0xffff;
    this.#staged = 0;
    // Sequentially consistent: the elements are visible before it, and the driver's wish is read
    // after it, so either the driver sees the buffer or the device sees that it wants to know.
    Atomics.store(rings.used, IDX, this.#used);
    this.memory.written(rings.addresses.device, rings.used.byteLength);
    if (this.#wanted(rings, before)) {
      this.#counters.notified++;
      this.#host.notifyUsed();
    } else {
      this.#counters.suppressed++;
    }
  }

  disableNotification(): void {
    // With EVENT_IDX an avail_event that stays behind says the same (2.7.10).
    if (this.#rings === undefined || this.#eventIdx) return;
    this.#storeUsed(this.#rings, FLAGS, USED_NO_NOTIFY);
  }

  enableNotification(): boolean {
    const rings = this.#rings;
    if (rings === undefined) return false;
    if (this.#eventIdx) this.#storeUsed(rings, RING + 4 * rings.addresses.size, this.#next);
    else this.#storeUsed(rings, FLAGS, 0);
    return Atomics.load(rings.avail, IDX) !== this.#next;
  }

  inspect(): QueueSnapshot {
    let inFlight = 0;
    for (let head = 0; head < this.size; head++) {
      if (this.#rings !== undefined && hasBit(this.#rings.inFlight, head)) inFlight++;
    }
    return {
      ...this.#counters,
      index: this.index,
      layout: "split",
      ready: this.ready,
      addresses: this.#rings?.addresses,
      next: this.#next,
      used: this.#used,
      inFlight,
      lastMalformed: this.#lastMalformed,
    };
  }

  save(): QueueState | undefined {
    const rings = this.#rings;
    if (rings === undefined) return undefined;
    const inFlight: number[] = [];
    for (let head = 0; head < this.size; head++) {
      if (hasBit(rings.inFlight, head) || this.#again.includes(head)) inFlight.push(head);
    }
    return { addresses: rings.addresses, next: this.#next, used: this.#used, inFlight };
  }

  load(state: QueueState, features: bigint): string | undefined {
    const refused = this.enable(state.addresses, features);
    if (refused !== undefined) return refused;
    if (state.inFlight.some((head) => !(head >= 0 && head < this.size))) {
      this.disable();
      return "a chain in flight does not exist";
    }
    this.#next = state.next;
    this.#used = state.used;
    this.#again = [...state.inFlight];
    return undefined;
  }

  /** The next available head, or -1 if there is none or the ring is broken. */
  #nextHead(rings: Rings): number {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    const { size } = rings.addresses;
    const available = (Atomics.load(rings.avail, IDX) - this.#next) & 0xffff;
    if (available === 0) return -1;
    if (available > size) {
      this.#fail(`available index is ${available} ahead of ${size} descriptors`);
      return -1;
    }
    const head = rings.avail[RING + (this.#next & (size - 1))];
    if (head >= size) {
      this.#fail(`head ${head} is not one of ${size} descriptors`);
      return -1;
    }
    if (hasBit(rings.inFlight, head)) {
      this.#fail(`head ${head} was made available while in flight`);
      return -1;
    }
    this.#next = (this.#next + 1) & 0xffff;
    return head;
  }

  /** Gives `chain` its parts; returns what is wrong with them, if anything. */
  #fill(chain: DescriptorChain, rings: Rings, head: number): string | undefined {
    const { size } = rings.addresses;
    const descriptor = this.#descriptor;
    this.#walk.begin(chain, size, this.#indirect);
    let index = head;
    for (;;) {
      // The four words are read once: what the driver changes from here on has no effect.
      const word = rings.table[4 * index + 3];
      descriptor.address = rings.table[4 * index] + rings.table[4 * index + 1] * 0x1_0000_0000;
      descriptor.length = rings.table[4 * index + 2];
      descriptor.flags = word & 0xffff;
      const fault = this.#walk.add(descriptor);
      if (fault !== undefined) return fault;
      if ((descriptor.flags & DescriptorFlag.NEXT) === 0) return this.#walk.end();
      index = word >>> 16;
      if (index >= size) return `next ${index} is not one of ${size} descriptors`;
    }
  }

  /** Whether the driver wants to hear of the used buffers from `before` on (2.7.7.2, 2.7.10). */
  #wanted(rings: Rings, before: number): boolean {
    if (!this.#eventIdx) return (Atomics.load(rings.avail, FLAGS) & AVAIL_NO_INTERRUPT) === 0;
    const event = Atomics.load(rings.avail, RING + rings.addresses.size);
    return ((this.#used - event - 1) & 0xffff) < ((this.#used - before) & 0xffff);
  }

  #storeUsed(rings: Rings, position: number, value: number): void {
    Atomics.store(rings.used, position, value);
    this.memory.written(rings.addresses.device, rings.used.byteLength);
  }

  #area(gpa: number, length: number, alignment: number): Uint8Array | undefined {
    const view = gpa % alignment === 0 ? this.memory.view(gpa, length) : undefined;
    // A typed array needs the alignment in the linear memory too; RAM is page-aligned there.
    return view !== undefined && view.byteOffset % 4 === gpa % 4 ? view : undefined;
  }

  #fail(reason: string): void {
    this.#host.fail(`queue ${this.index}: ${reason}`);
  }
}

function hasBit(words: Uint32Array, index: number): boolean {
  return ((words[index >>> 5] >>> (index & 31)) & 1) !== 0;
}

function setBit(words: Uint32Array, index: number, value: boolean): void {
  const bitOf = 1 << (index & 31);
  if (value) words[index >>> 5] |= bitOf;
  else words[index >>> 5] &= ~bitOf;
}
