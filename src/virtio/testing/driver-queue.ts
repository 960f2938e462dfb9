/** The driver's side of a queue of either layout: honest requests. */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { DESCRIPTOR_SIZE, DescriptorFlag, Register } from "../spec.ts";

/** What a queue needs of the driver around it. */
export interface DriverHost {
  readonly memory: GuestMemory;
  allocate(length: number, alignment?: number): number;
  bytesAt(gpa: number, length: number): Uint8Array<ArrayBuffer>;
  /** Writes a register of the transport. */
  write(register: number, value: number): void;
}

export interface UsedElement {
  readonly id: number;
  readonly length: number;
}

/** A request as the driver remembers it. */
export interface DriverRequest {
  /** What its used element will name. */
  readonly id: number;
  readonly readable: readonly Part[];
  readonly writable: readonly Part[];
}

interface Part {
  readonly gpa: number;
  readonly length: number;
}

export interface FlaggedPart extends Part {
  readonly flags: number;
}

export interface RequestOptions {
  readonly indirect?: boolean;
}

export abstract class DriverQueue {
  readonly index: number;
  readonly size: number;
  /** Guest physical addresses of the three areas. */
  abstract readonly desc: number;
  abstract readonly avail: number;
  abstract readonly used: number;
  protected readonly driver: DriverHost;

  constructor(driver: DriverHost, index: number, size: number) {
    this.driver = driver;
    this.index = index;
    this.size = size;
  }

  /** Used elements that were not polled before. */
  abstract poll(): UsedElement[];
  /** Makes a chain of `parts` available and returns its id. */
  abstract offerParts(parts: readonly FlaggedPart[]): number;
  /** Fills an indirect table. */
  abstract writeTable(table: number, parts: readonly FlaggedPart[]): void;

  /** Builds a chain in fresh memory and makes it available, without a kick. */
  add(
    readable: readonly Uint8Array[],
    writable: readonly number[],
    options: RequestOptions = {},
  ): DriverRequest {
    const sources = readable.map((bytes) => {
      const gpa = this.driver.allocate(bytes.length, 1);
      this.driver.memory.write(gpa, bytes);
      return { gpa, length: bytes.length };
    });
    const targets = writable.map((length) => ({ gpa: this.driver.allocate(length, 1), length }));
    let parts: FlaggedPart[] = [
      ...sources.map((part) => ({ ...part, flags: 0 })),
      ...targets.map((part) => ({ ...part, flags: DescriptorFlag.WRITE })),
    ];
    if (options.indirect) {
      const length = DESCRIPTOR_SIZE * parts.length;
      const gpa = this.driver.allocate(length, 16);
      this.writeTable(gpa, parts);
      parts = [{ gpa, length, flags: DescriptorFlag.INDIRECT }];
    }
    return { id: this.offerParts(parts), readable: sources, writable: targets };
  }

  kick(): void {
    this.driver.write(Register.QueueNotify, this.index);
  }

  /** The bytes of a request's writable part. */
  written(request: DriverRequest): Uint8Array<ArrayBuffer> {
    const total = request.writable.reduce((sum, part) => sum + part.length, 0);
    const bytes = new Uint8Array(total);
    let at = 0;
    for (const { gpa, length } of request.writable) {
      bytes.set(this.driver.bytesAt(gpa, length), at);
      at += length;
    }
    return bytes;
  }
}
