/** The driver's side of a split queue: honest requests, and the raw words for dishonest ones. */
import { DESCRIPTOR_SIZE, DescriptorFlag, Register } from "../spec.ts";
import type { TestDriver } from "./driver.ts";

export interface RawDescriptor {
  readonly address: number;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
}

export interface UsedElement {
  readonly id: number;
  readonly length: number;
}

/** A request as the driver remembers it. */
export interface DriverRequest {
  readonly head: number;
  readonly readable: readonly Part[];
  readonly writable: readonly Part[];
}

export interface Part {
  readonly gpa: number;
  readonly length: number;
}

export interface RequestOptions {
  readonly indirect?: boolean;
}

export class SplitDriverQueue {
  readonly index: number;
  readonly size: number;
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  readonly #driver: TestDriver;
  #nextDescriptor = 0;
  #availIdx = 0;
  #usedIdx = 0;

  constructor(driver: TestDriver, index: number, size: number) {
    this.#driver = driver;
    this.index = index;
    this.size = size;
    this.desc = driver.allocate(DESCRIPTOR_SIZE * size, 16);
    this.avail = driver.allocate(6 + 2 * size, 2);
    this.used = driver.allocate(6 + 8 * size, 4);
  }

  /** Writes one descriptor into the table, or into an indirect table at `table`. */
  setDescriptor(index: number, descriptor: RawDescriptor, table = this.desc): void {
    const at = table + DESCRIPTOR_SIZE * index;
    const { memory } = this.#driver;
    memory.writeU32(at, descriptor.address % 0x1_0000_0000);
    memory.writeU32(at + 4, Math.floor(descriptor.address / 0x1_0000_0000));
    memory.writeU32(at + 8, descriptor.length);
    memory.writeU16(at + 12, descriptor.flags ?? 0);
    memory.writeU16(at + 14, descriptor.next ?? 0);
  }

  /** Makes `head` available, whatever it is. */
  offer(head: number): void {
    this.#driver.memory.writeU16(this.avail + 4 + 2 * (this.#availIdx % this.size), head);
    this.setAvailIdx(this.#availIdx + 1);
  }

  setAvailIdx(idx: number): void {
    this.#availIdx = idx & 0xffff;
    this.#driver.memory.writeU16(this.avail + 2, this.#availIdx);
  }

  /** `avail.flags`: 1 asks for no interrupts. */
  setAvailFlags(flags: number): void {
    this.#driver.memory.writeU16(this.avail, flags);
  }

  /** With EVENT_IDX: interrupt when the used index passes this one. */
  setUsedEvent(idx: number): void {
    this.#driver.memory.writeU16(this.avail + 4 + 2 * this.size, idx & 0xffff);
  }

  get usedFlags(): number {
    return this.#driver.memory.readU16(this.used);
  }

  get usedIdx(): number {
    return this.#driver.memory.readU16(this.used + 2);
  }

  get availEvent(): number {
    return this.#driver.memory.readU16(this.used + 4 + 8 * this.size);
  }

  /** Builds a chain in fresh memory and makes it available, without a kick. */
  add(
    readable: readonly Uint8Array[],
    writable: readonly number[],
    options: RequestOptions = {},
  ): DriverRequest {
    const { memory } = this.#driver;
    const sources = readable.map((bytes) => {
      const gpa = this.#driver.allocate(bytes.length, 1);
      memory.write(gpa, bytes);
      return { gpa, length: bytes.length };
    });
    const targets = writable.map((length) => ({ gpa: this.#driver.allocate(length, 1), length }));
    const parts = [
      ...sources.map((part) => ({ ...part, flags: 0 })),
      ...targets.map((part) => ({ ...part, flags: DescriptorFlag.WRITE })),
    ];
    const head = options.indirect ? this.#addTable(parts) : this.#addChain(parts);
    this.offer(head);
    return { head, readable: sources, writable: targets };
  }

  kick(): void {
    this.#driver.write(Register.QueueNotify, this.index);
  }

  /** Used elements that were not polled before. */
  poll(): UsedElement[] {
    const { memory } = this.#driver;
    const elements: UsedElement[] = [];
    for (; this.#usedIdx !== this.usedIdx; this.#usedIdx = (this.#usedIdx + 1) & 0xffff) {
      const at = this.used + 4 + 8 * (this.#usedIdx % this.size);
      elements.push({ id: memory.readU32(at), length: memory.readU32(at + 4) });
    }
    return elements;
  }

  /** The bytes of a request's writable part. */
  written(request: DriverRequest): Uint8Array<ArrayBuffer> {
    const total = request.writable.reduce((sum, part) => sum + part.length, 0);
    const bytes = new Uint8Array(total);
    let at = 0;
    for (const { gpa, length } of request.writable) {
      bytes.set(this.#driver.bytesAt(gpa, length), at);
      at += length;
    }
    return bytes;
  }

  #addChain(parts: readonly (Part & { flags: number })[]): number {
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
    return head;
  }

  #addTable(parts: readonly (Part & { flags: number })[]): number {
    const length = DESCRIPTOR_SIZE * parts.length;
    const table = this.#driver.allocate(length, 16);
    for (const [i, { gpa, length: bytes, flags }] of parts.entries()) {
      const last = i === parts.length - 1;
      this.setDescriptor(
        i,
        {
          address: gpa,
          length: bytes,
          flags: last ? flags : flags | DescriptorFlag.NEXT,
          next: i + 1,
        },
        table,
      );
    }
    const head = this.#nextDescriptor;
    this.#nextDescriptor = (head + 1) % this.size;
    this.setDescriptor(head, { address: table, length, flags: DescriptorFlag.INDIRECT });
    return head;
  }
}
