/** Guest memory by virtual addresses, read without a trace. */
import type { GuestMemory } from "../memory/guest-memory.ts";
import { type TranslationState, walkPage } from "./page-walk.ts";

const PAGE_SHIFT = 12n;
const PAGE_BYTES = 1n << PAGE_SHIFT;

/** Pages remembered: a stack and the code around a few places. Beyond it all are forgotten. */
const MAX_PAGES = 64;

/** Sees memory as a hart in one state; page tables may change, so it is made for one look. */
export class VirtualMemory {
  readonly #memory: GuestMemory;
  readonly #state: TranslationState;
  /** Physical addresses of pages by their virtual numbers; -1 for what is not mapped. */
  readonly #pages = new Map<number, number>();

  constructor(memory: GuestMemory, state: TranslationState) {
    this.#memory = memory;
    this.#state = state;
  }

  /** The physical address; undefined if none is mapped, or none that a machine of ours has. */
  translate(va: bigint): number | undefined {
    const address = BigInt.asUintN(64, va);
    const page = Number(address >> PAGE_SHIFT);
    let physical = this.#pages.get(page);
    if (physical === undefined) {
      physical = this.#walk(address & ~(PAGE_BYTES - 1n));
      if (this.#pages.size >= MAX_PAGES) this.#pages.clear();
      this.#pages.set(page, physical);
    }
    return physical < 0 ? undefined : physical + Number(address & (PAGE_BYTES - 1n));
  }

  /** A copy of bytes, which may lie on several pages; undefined if any of them is not RAM. */
  read(va: bigint, length: number): Uint8Array<ArrayBuffer> | undefined {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const address = BigInt.asUintN(64, va + BigInt(at));
      const left = Number(PAGE_BYTES - (address % PAGE_BYTES));
      const part = Math.min(left, length - at);
      const physical = this.translate(address);
      const view = physical === undefined ? undefined : this.#memory.view(physical, part);
      if (view === undefined) return undefined;
      bytes.set(view, at);
      at += part;
    }
    return bytes;
  }

  /** As many of the bytes as there are before the first that is not RAM. */
  readUpTo(va: bigint, length: number): Uint8Array<ArrayBuffer> {
    const address = BigInt.asUintN(64, va);
    for (let end = length; end > 0; end -= this.#lastPart(address, end)) {
      const bytes = this.read(address, end);
      if (bytes !== undefined) return bytes;
    }
    return new Uint8Array(0);
  }

  /** Writes RAM, read-only pages too; false, and nothing is written, if any of it is none. */
  write(va: bigint, bytes: Uint8Array): boolean {
    if (this.read(va, bytes.length) === undefined) return false;
    for (let end = bytes.length; end > 0; ) {
      const part = this.#lastPart(va, end);
      const physical = this.translate(va + BigInt(end - part));
      if (physical !== undefined) this.#memory.write(physical, bytes.subarray(end - part, end));
      end -= part;
    }
    return true;
  }

  /** How many of `length` bytes from `va` on are on the last page. */
  #lastPart(va: bigint, length: number): number {
    const last = BigInt.asUintN(64, va + BigInt(length) - 1n);
    return Math.min(length, Number(last % PAGE_BYTES) + 1);
  }

  /** A little-endian halfword. */
  readU16(va: bigint): number | undefined {
    return this.#data(va, 2)?.getUint16(0, true);
  }

  /** A little-endian doubleword. */
  readU64(va: bigint): bigint | undefined {
    return this.#data(va, 8)?.getBigUint64(0, true);
  }

  /** A few bytes, in place if they lie on one page. */
  #data(va: bigint, length: number): DataView | undefined {
    const isCrossing = (va & (PAGE_BYTES - 1n)) > PAGE_BYTES - BigInt(length);
    const physical = isCrossing ? undefined : this.translate(va);
    const bytes = isCrossing
      ? this.read(va, length)
      : physical === undefined
        ? undefined
        : this.#memory.view(physical, length);
    return bytes && new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  #walk(page: bigint): number {
    // M-mode has physical addresses, whatever satp says.
    const state = this.#state.mode === "M" ? { ...this.#state, satp: 0n } : this.#state;
    const physical = walkPage(this.#memory, state, page).page?.physical ?? -1n;
    return physical > BigInt(Number.MAX_SAFE_INTEGER) ? -1 : Number(physical);
  }
}
