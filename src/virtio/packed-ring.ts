/**
 * The packed layout (virtio 2.8): one descriptor ring that both sides write, and two event
 * suppression structures. Byte order as in `split-ring.ts`.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { DescriptorChain } from "./chain.ts";
import type { Descriptor, DescriptorWalk } from "./descriptor-walk.ts";
import type { QueueAddresses } from "./queue.ts";
import { areaOf, type Ring, Taken } from "./ring.ts";
import { bit, DESCRIPTOR_SIZE, DescriptorFlag, Feature, QUEUE_SIZE_MAX } from "./spec.ts";

/** A position's wrap counter is the bit above its 15 bits, here and in the structures (2.8.14). */
const WRAP = 0x8000;
const POSITION = 0x7fff;

const EVENT_SIZE = 4;

/** Flags of an event suppression structure (2.8.10). */
const EVENT_ENABLE = 0;
const EVENT_DISABLE = 1;
const EVENT_DESC = 2;

const { NEXT, WRITE, AVAIL, USED } = DescriptorFlag;

/** A ring over the driver's areas, or why they are unusable. */
export function createPackedRing(
  memory: GuestMemory,
  addresses: QueueAddresses,
  features: bigint,
): Ring | string {
  const { size } = addresses;
  if (size < 1 || size > QUEUE_SIZE_MAX) return `size ${size} is not 1 to ${QUEUE_SIZE_MAX}`;
  const ring = areaOf(memory, addresses.desc, DESCRIPTOR_SIZE * size, 16);
  const driver = areaOf(memory, addresses.driver, EVENT_SIZE, 4);
  const device = areaOf(memory, addresses.device, EVENT_SIZE, 4);
  if (ring === undefined) return "descriptor ring is misaligned or outside RAM";
  if (driver === undefined) return "driver event area is misaligned or outside RAM";
  if (device === undefined) return "device event area is misaligned or outside RAM";
  return new PackedRing(memory, addresses, features, ring, driver, device);
}

class PackedRing implements Ring {
  readonly layout = "packed";
  readonly addresses: QueueAddresses;
  /** Positions with their wrap counters, which start at 1. */
  next = WRAP;
  used = WRAP;
  reason = "";
  readonly #memory: GuestMemory;
  readonly #eventIdx: boolean;
  readonly #size: number;
  readonly #ring: Uint32Array;
  readonly #driverEvent: Uint32Array;
  readonly #deviceEvent: Uint32Array;
  readonly #descriptor: Descriptor = { address: 0, length: 0, flags: 0 };
  /** Where the first staged element is and what makes it visible: it must be the last to be. */
  #firstPlace = -1;
  #firstWord = 0;
  /** Places that the staged elements take up. */
  #staged = 0;

  constructor(
    memory: GuestMemory,
    addresses: QueueAddresses,
    features: bigint,
    ring: Uint8Array,
    driver: Uint8Array,
    device: Uint8Array,
  ) {
    this.addresses = addresses;
    this.#memory = memory;
    this.#eventIdx = (features & bit(Feature.EVENT_IDX)) !== 0n;
    this.#size = addresses.size;
    this.#ring = new Uint32Array(ring.buffer, ring.byteOffset, 4 * addresses.size);
    this.#driverEvent = new Uint32Array(driver.buffer, driver.byteOffset, 1);
    this.#deviceEvent = new Uint32Array(device.buffer, device.byteOffset, 1);
  }

  restore(next: number, used: number): boolean {
    this.next = next & (WRAP | POSITION);
    this.used = used & (WRAP | POSITION);
    const inside = Math.max(next & POSITION, used & POSITION) < this.#size;
    return inside && this.next === next && this.used === used;
  }

  available(): boolean {
    return this.#isAvailable(this.next, this.#flagsAt(this.next & POSITION));
  }

  take(chain: DescriptorChain, walk: DescriptorWalk): Taken {
    walk.begin(chain, this.#size, true);
    const descriptor = this.#descriptor;
    let fault: string | undefined;
    let position = this.next;
    for (let count = 1; count <= this.#size; count++) {
      const at = 4 * (position & POSITION);
      const word = Atomics.load(this.#ring, at + 3);
      descriptor.flags = word >>> 16;
      if (!this.#isAvailable(position, descriptor.flags)) return Taken.INCOMPLETE;
      descriptor.address = this.#ring[at] + this.#ring[at + 1] * 0x1_0000_0000;
      descriptor.length = this.#ring[at + 2];
      // The id is in the last descriptor, so a malformed chain is followed to its end as well.
      fault ??= walk.add(descriptor);
      position = this.#advance(position, 1);
      if ((descriptor.flags & NEXT) !== 0) continue;
      chain.id = word & 0xffff;
      chain.slots = count;
      this.next = position;
      fault ??= walk.end();
      if (fault === undefined) return Taken.WHOLE;
      this.reason = fault;
      return Taken.MALFORMED;
    }
    this.reason = `a chain has more than ${this.#size} descriptors, and no id`;
    return Taken.BROKEN;
  }

  stage(chain: DescriptorChain, bytesWritten: number): void {
    const position = this.#advance(this.used, this.#staged);
    const place = position & POSITION;
    const marks = (position & WRAP) !== 0 ? AVAIL | USED : 0;
    const flags = marks | (bytesWritten > 0 ? WRITE : 0);
    const word = (chain.id | (flags << 16)) >>> 0;
    this.#ring[4 * place + 2] = bytesWritten;
    if (this.#firstPlace < 0) {
      this.#firstPlace = place;
      this.#firstWord = word;
    } else {
      Atomics.store(this.#ring, 4 * place + 3, word);
    }
    this.#staged += chain.slots;
  }

  publish(): boolean {
    const before = this.used;
    const shown = this.#staged;
    this.used = this.#advance(before, shown);
    this.#staged = 0;
    // Sequentially consistent, as the used index of a split ring is.
    Atomics.store(this.#ring, 4 * this.#firstPlace + 3, this.#firstWord);
    this.#firstPlace = -1;
    this.#memory.written(this.addresses.desc, this.#ring.byteLength);
    return this.#wanted(shown);
  }

  setKicks(wanted: boolean): void {
    const kind = this.#eventIdx ? EVENT_DESC : EVENT_ENABLE;
    const event = wanted ? this.next | (kind << 16) : EVENT_DISABLE << 16;
    Atomics.store(this.#deviceEvent, 0, event);
    this.#memory.written(this.addresses.device, EVENT_SIZE);
  }

  /** Whether the driver wants to hear of the last `shown` places (2.8.7, 2.8.10). */
  #wanted(shown: number): boolean {
    const event = Atomics.load(this.#driverEvent, 0);
    const kind = (event >>> 16) & 3;
    if (kind !== EVENT_DESC || !this.#eventIdx) return kind !== EVENT_DISABLE;
    const now = this.used & POSITION;
    // An event with the other wrap counter is on the round before.
    const sameRound = (event & WRAP) === (this.used & WRAP);
    const at = (event & POSITION) - (sameRound ? 0 : this.#size);
    return at >= now - shown && at < now;
  }

  #flagsAt(place: number): number {
    return Atomics.load(this.#ring, 4 * place + 3) >>> 16;
  }

  /** AVAIL equals the driver's wrap counter and USED does not (2.8.1). */
  #isAvailable(position: number, flags: number): boolean {
    const expected = (position & WRAP) !== 0 ? AVAIL : USED;
    return (flags & (AVAIL | USED)) === expected;
  }

  #advance(position: number, count: number): number {
    const place = (position & POSITION) + count;
    return place < this.#size
      ? (position & WRAP) | place
      : ((position & WRAP) ^ WRAP) | (place - this.#size);
  }
}
