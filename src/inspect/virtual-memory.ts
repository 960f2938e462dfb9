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
