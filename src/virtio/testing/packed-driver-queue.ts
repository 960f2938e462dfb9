/** The driver's side of a packed queue, and the raw words for a dishonest one. */
import { DESCRIPTOR_SIZE, DescriptorFlag } from "../spec.ts";
import {
  type DriverHost,
  DriverQueue,
  type FlaggedPart,
  type UsedElement,
} from "./driver-queue.ts";

const { NEXT, AVAIL, USED } = DescriptorFlag;

export interface RawPackedDescriptor {
  readonly address: number;
  readonly length: number;
  readonly id?: number;
  readonly flags?: number;
}

export class PackedDriverQueue extends DriverQueue {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  #place = 0;
  #wrap = true;
  #usedPlace = 0;
  #usedWrap = true;
  readonly #freeIds: number[];
  /** Places that each chain in flight takes up. */
  readonly #slots = new Map<number, number>();

  constructor(driver: DriverHost, index: number, size: number) {
    super(driver, index, size);
    this.desc = driver.allocate(DESCRIPTOR_SIZE * size, 16);
    this.avail = driver.allocate(4, 4);
    this.used = driver.allocate(4, 4);
    this.#freeIds = Array.from({ length: size }, (_, id) => id);
  }

  /** Writes one descriptor of the ring, or of an indirect table at `table`, flags last. */
  setDescriptor(place: number, descriptor: RawPackedDescriptor, table = this.desc): void {
    const at = table + DESCRIPTOR_SIZE * place;
    const { memory } = this.driver;
    memory.writeU32(at, descriptor.address % 0x1_0000_0000);
    memory.writeU32(at + 4, Math.floor(descriptor.address / 0x1_0000_0000));
    memory.writeU32(at + 8, descriptor.length);
    memory.writeU16(at + 12, descriptor.id ?? 0);
    memory.writeU16(at + 14, descriptor.flags ?? 0);
  }

  /** Makes available what the test has chosen, at the driver's position; flags get their marks. */
  offer(...descriptors: readonly RawPackedDescriptor[]): void {
    for (const descriptor of descriptors) {
      const marks = this.#wrap ? AVAIL : USED;
      this.setDescriptor(this.#place, { ...descriptor, flags: (descriptor.flags ?? 0) | marks });
      this.#place = (this.#place + 1) % this.size;
      if (this.#place === 0) this.#wrap = !this.#wrap;
    }
  }

  /** The driver's event suppression structure: 0 enable, 1 disable, 2 at a position. */
  setEvent(flags: number, place = 0, wrap = true): void {
    this.driver.memory.writeU32(this.avail, place | (wrap ? 0x8000 : 0) | (flags << 16));
  }

  /** The device's event suppression structure. */
  get deviceEvent(): { place: number; wrap: boolean; flags: number } {
    const word = this.driver.memory.readU32(this.used);
    return { place: word & 0x7fff, wrap: (word & 0x8000) !== 0, flags: word >>> 16 };
  }

  override poll(): UsedElement[] {
    const { memory } = this.driver;
    const elements: UsedElement[] = [];
    for (;;) {
      const at = this.desc + DESCRIPTOR_SIZE * this.#usedPlace;
      const marks = memory.readU16(at + 14) & (AVAIL | USED);
      if (marks !== (this.#usedWrap ? AVAIL | USED : 0)) return elements;
      const id = memory.readU16(at + 12);
      elements.push({ id, length: memory.readU32(at + 8) });
      this.#usedPlace += this.#slots.get(id) ?? 1;
      if (this.#slots.delete(id)) this.#freeIds.push(id);
      if (this.#usedPlace >= this.size) {
        this.#usedPlace -= this.size;
        this.#usedWrap = !this.#usedWrap;
      }
    }
  }

  override offerParts(parts: readonly FlaggedPart[]): number {
    const id = this.#freeIds.shift();
    if (id === undefined) throw new Error("the test has no buffer id left");
    this.#slots.set(id, parts.length);
    this.offer(
      ...parts.map(({ gpa, length, flags }, i) => ({
        address: gpa,
        length,
        id,
        flags: i < parts.length - 1 ? flags | NEXT : flags,
      })),
    );
    return id;
  }

  override writeTable(table: number, parts: readonly FlaggedPart[]): void {
    for (const [i, { gpa, length, flags }] of parts.entries()) {
      this.setDescriptor(i, { address: gpa, length, flags }, table);
    }
  }
}
