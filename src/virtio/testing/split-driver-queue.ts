/** The driver's side of a split queue, and the raw words for a dishonest one. */
import { DESCRIPTOR_SIZE, DescriptorFlag } from "../spec.ts";
import {
  type DriverHost,
  DriverQueue,
  type FlaggedPart,
  type UsedElement,
} from "./driver-queue.ts";

export interface RawDescriptor {
  readonly address: number;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
}

export class SplitDriverQueue extends DriverQueue {
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  #nextDescriptor = 0;
  #availIdx = 0;
  #usedIdx = 0;

  constructor(driver: DriverHost, index: number, size: number) {
    super(driver, index, size);
    this.desc = driver.allocate(DESCRIPTOR_SIZE * size, 16);
    this.avail = driver.allocate(6 + 2 * size, 2);
    this.used = driver.allocate(6 + 8 * size, 4);
  }

  /** Writes one descriptor into the table, or into an indirect table at `table`. */
  setDescriptor(index: number, descriptor: RawDescriptor, table = this.desc): void {
    const at = table + DESCRIPTOR_SIZE * index;
    const { memory } = this.driver;
    memory.writeU32(at, descriptor.address % 0x1_0000_0000);
    memory.writeU32(at + 4, Math.floor(descriptor.address / 0x1_0000_0000));
    memory.writeU32(at + 8, descriptor.length);
    memory.writeU16(at + 12, descriptor.flags ?? 0);
    memory.writeU16(at + 14, descriptor.next ?? 0);
  }

  /** Makes `head` available, whatever it is. */
  offer(head: number): void {
    this.driver.memory.writeU16(this.avail + 4 + 2 * (this.#availIdx % this.size), head);
    this.setAvailIdx(this.#availIdx + 1);
  }

  setAvailIdx(idx: number): void {
    this.#availIdx = idx & 0xffff;
    this.driver.memory.writeU16(this.avail + 2, this.#availIdx);
  }

  /** `avail.flags`: 1 asks for no interrupts. */
  setAvailFlags(flags: number): void {
    this.driver.memory.writeU16(this.avail, flags);
  }

  /** With EVENT_IDX: interrupt when the used index passes this one. */
  setUsedEvent(idx: number): void {
    this.driver.memory.writeU16(this.avail + 4 + 2 * this.size, idx & 0xffff);
  }

  get usedFlags(): number {
    return this.driver.memory.readU16(this.used);
  }

  get usedIdx(): number {
    return this.driver.memory.readU16(this.used + 2);
  }

  get availEvent(): number {
    return this.driver.memory.readU16(this.used + 4 + 8 * this.size);
  }

  override poll(): UsedElement[] {
    const { memory } = this.driver;
    const elements: UsedElement[] = [];
    for (; this.#usedIdx !== this.usedIdx; this.#usedIdx = (this.#usedIdx + 1) & 0xffff) {
      const at = this.used + 4 + 8 * (this.#usedIdx % this.size);
      elements.push({ id: memory.readU32(at), length: memory.readU32(at + 4) });
    }
    return elements;
  }

  override offerParts(parts: readonly FlaggedPart[]): number {
    const head = this.#nextDescriptor;
    for (const [i, { gpa, length, flags }] of parts.entries()) {
      const last = i === parts.length - 1;
      const index = this.#nextDescriptor;
      this.#nextDescriptor = (index + 1) % this.size;
      this.setDescriptor(index, {
        address: gpa,
        length,
        flags: last ? flags : flags | DescriptorFlag.NEXT,
        next: this.#nextDescriptor,
      });
    }
    this.offer(head);
    return head;
  }

  override writeTable(table: number, parts: readonly FlaggedPart[]): void {
    for (const [i, { gpa, length, flags }] of parts.entries()) {
      const more = i < parts.length - 1 ? DescriptorFlag.NEXT : 0;
      this.setDescriptor(i, { address: gpa, length, flags: flags | more, next: i + 1 }, table);
    }
  }
}
