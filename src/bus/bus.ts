/**
 * The guest physical address map outside RAM: which handler answers an MMIO access.
 *
 * Handlers see naturally aligned accesses of 1, 2 or 4 bytes and unsigned 32-bit values. An 8-byte
 * access becomes two of 4 bytes, low half first, as a 32-bit register bus splits it.
 */

export type AccessSize = 1 | 2 | 4;

export interface MmioHandler {
  /** Shown by the inspector and in errors. */
  readonly name: string;
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
  /** Like `read` but without side effects, for the inspector. Default: not readable. */
  peek?(offset: number, size: AccessSize): number;
}

export interface MmioRegion {
  readonly base: number;
  readonly size: number;
  readonly handler: MmioHandler;
}

export class Bus {
  #regions: MmioRegion[] = [];
  #last: MmioRegion | undefined;

  get regions(): readonly MmioRegion[] {
    return this.#regions;
  }

  /** Maps `handler` at `base`; the returned function unmaps it. @throws Error on an overlap. */
  attach(base: number, size: number, handler: MmioHandler): () => void {
    const clash = this.#regions.find((r) => base < r.base + r.size && r.base < base + size);
    if (clash !== undefined) {
      throw new Error(`${handler.name} at 0x${base.toString(16)} overlaps ${clash.handler.name}`);
    }
    const region: MmioRegion = { base, size, handler };
    this.#regions = [...this.#regions, region].sort((a, b) => a.base - b.base);
    return () => {
      this.#regions = this.#regions.filter((r) => r !== region);
      if (this.#last === region) this.#last = undefined;
    };
  }

  /** The region that wholly contains the access, or undefined (an access fault for the hart). */
  find(gpa: number, size: number): MmioRegion | undefined {
    const last = this.#last;
    if (last !== undefined && gpa >= last.base && gpa + size <= last.base + last.size) return last;
    const found = this.#regions.find((r) => gpa >= r.base && gpa + size <= r.base + r.size);
    if (found !== undefined) this.#last = found;
    return found;
  }
}
