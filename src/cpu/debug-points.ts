/**
 * Where a hart is to stop: breakpoints and watchpoints by virtual address, in whatever address space.
 * The guest's memory is not touched.
 *
 * A breakpoint is a mark in decoded code: when a page that has one is looked up to be executed its code
 * slot is noted, and entries of it that are decoded at a breakpoint's place in the page get an op that
 * asks `stopsAt`. A page with a watched byte never gets into the TLB for data, so that each access to it
 * takes a slow path, which asks `stopsAccess`. Without any, what is left of this is a look at a word
 * where a TLB entry is filled.
 */
import { unfuseBefore } from "./fusion.ts";
import { SpecialOp } from "./handlers.ts";
import { BREAKPOINT_FILTER, ENTRY, FIELD, SLOT, WATCH_FILTER } from "./layout.ts";
import { Access } from "./pmp.ts";

const PAGE_BYTES = 4096;

/** As many as a person sets, and a script: each look-up of a mapping costs a search among them. */
export const MAX_BREAKPOINTS = 1024;

/** Every access to a watched page is compared with all of them. */
export const MAX_WATCHPOINTS = 64;

/** Larger ranges would put so many pages on the slow path that the guest crawls. */
export const MAX_WATCHED_BYTES = 0x1_0000;

export type WatchKind = "read" | "write" | "access";

export interface Watchpoint {
  readonly address: bigint;
  /** Bytes. */
  readonly length: number;
  readonly kind: WatchKind;
}

/** What the hart has met: a watchpoint with the address of the first byte of its range that was used. */
export type DebugHit =
  | { readonly kind: "breakpoint"; readonly address: bigint }
  | { readonly kind: "watchpoint"; readonly watchpoint: Watchpoint; readonly address: bigint };

/** Whether a breakpoint that is met is to stop the hart; it may read registers and memory. */
export type Condition = () => boolean;

const ACCESS_BITS: Readonly<Record<WatchKind, number>> = {
  read: Access.read,
  write: Access.write,
  access: Access.read | Access.write,
};

/** Bytes of the largest atomic access; what is longer is a cache block. */
const MAX_ATOMIC_BYTES = 8;

export class DebugPoints {
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #flush: () => void;
  readonly #conditions = new Map<bigint, Condition>();
  /** Of the breakpoints, lowest first. */
  #addresses: readonly bigint[] = [];
  readonly #watchpoints = new Set<Watchpoint>();
  #hit: DebugHit | undefined;
  /** While an instruction is stepped nothing stops it. */
  isPassing = false;

  /** @param flush forgets all translations of addresses, so that pages are looked up again. */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer, flush: () => void) {
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
    this.#flush = flush;
  }

  /** Addresses, lowest first. */
  get breakpoints(): readonly bigint[] {
    return this.#addresses;
  }

  hasBreakpoint(address: bigint): boolean {
    return this.#conditions.has(BigInt.asUintN(64, address));
  }

  /**
   * Stops the hart before it executes the instruction at `address`, if `condition` holds then. One that
   * is there gets the new condition.
   * @throws RangeError at an address that no instruction can have, or if there are too many.
   */
  setBreakpoint(address: bigint, condition: Condition = () => true): void {
    const va = BigInt.asUintN(64, address);
    if ((va & 1n) !== 0n) throw new RangeError("an instruction's address is even");
    const isNew = !this.#conditions.has(va);
    if (isNew && this.#conditions.size >= MAX_BREAKPOINTS) {
      throw new RangeError(`there are ${MAX_BREAKPOINTS} breakpoints already`);
    }
    this.#conditions.set(va, condition);
    if (isNew) this.#breakpointsChanged();
  }

  /** False if there is none. */
  removeBreakpoint(address: bigint): boolean {
    if (!this.#conditions.delete(BigInt.asUintN(64, address))) return false;
    this.#breakpointsChanged();
    this.#unmark();
    return true;
  }

  /**
   * Stops the hart at accesses of its loads, stores and atomic instructions to these bytes; not of
   * devices, nor of page walks. An SC counts as a read too, as AMOs do.
   * @throws RangeError for an impossible range, or if there are too many.
   */
  addWatchpoint(watchpoint: Watchpoint): void {
    const { address, length } = watchpoint;
    if (!(length >= 1 && length <= MAX_WATCHED_BYTES && Number.isInteger(length))) {
      throw new RangeError(`from 1 to ${MAX_WATCHED_BYTES} bytes can be watched`);
    }
    if (address < 0n || address + BigInt(length) > 1n << 64n) {
      throw new RangeError("there are no such addresses");
    }
    if (this.#watchpoints.size >= MAX_WATCHPOINTS) {
      throw new RangeError(`there are ${MAX_WATCHPOINTS} watchpoints already`);
    }
    this.#watchpoints.add(watchpoint);
    this.#watchpointsChanged();
  }

  /** False if it is not there. */
  removeWatchpoint(watchpoint: Watchpoint): boolean {
    if (!this.#watchpoints.delete(watchpoint)) return false;
    this.#watchpointsChanged();
    return true;
  }

  /** Enters everything into the hart's state again, after that was cleared. */
  restore(): void {
    this.#breakpointsChanged();
    this.#watchpointsChanged();
  }

  /** What the hart has met since this was asked last. */
  takeHit(): DebugHit | undefined {
    const hit = this.#hit;
    this.#hit = undefined;
    return hit;
  }

  /** Whether the hart stops before the instruction at `pc`. */
  stopsAt(pc: bigint): boolean {
    if (this.isPassing) return false;
    const address = BigInt.asUintN(64, pc);
    if (this.#conditions.get(address)?.() !== true) return false;
    this.#hit = { kind: "breakpoint", address };
    return true;
  }

  /** Whether the hart stops before an access; `access` as in `Access`. */
  stopsAccess(va: bigint, size: number, access: number): boolean {
    if (this.isPassing) return false;
    const first = BigInt.asUintN(64, va);
    const end = first + BigInt(size);
    for (const watchpoint of this.#watchpoints) {
      const { address, length, kind } = watchpoint;
      if ((ACCESS_BITS[kind] & access) === 0) continue;
      if (first >= address + BigInt(length) || end <= address) continue;
      this.#hit = { kind: "watchpoint", watchpoint, address: first > address ? first : address };
      return true;
    }
    return false;
  }

  /** The same for an atomic access, or that of a CBO instruction, of which only CBO.ZERO counts. */
  stopsAtomic(va: bigint, size: number, access: number): boolean {
    if (size > MAX_ATOMIC_BYTES) {
      return access === Access.write && this.stopsAccess(va, size, access);
    }
    const bits = access === Access.write ? Access.read | Access.write : access;
    return this.stopsAccess(va, size, bits);
  }

  /** The page at `pageBase` is going to be executed from this code slot. */
  mark(slot: number, pageBase: bigint): void {
    const base = BigInt.asUintN(64, pageBase);
    for (const address of this.#between(base, base + BigInt(PAGE_BYTES))) {
      this.#data.setUint32(slot + SLOT.breakpoints, 1, true);
      unfuseBefore(this.#data, slot, halfOf(address));
      const op = slot + entryAt(address) + ENTRY.op;
      // To be decoded anew, and marked then.
      if (this.#data.getUint16(op, true) !== SpecialOp.breakpoint)
        this.#data.setUint16(op, 0, true);
    }
  }

  /** Whether a breakpoint is in ranges of places (first, end, …, ascending) relative to `pageBase`. */
  isWithin(ranges: Int32Array, pageBase: bigint): boolean {
    if (ranges.length === 0) return false;
    const base = BigInt.asUintN(64, pageBase);
    const [low, high] = [ranges[0], ranges[ranges.length - 1]];
    for (const address of this.#between(base + BigInt(low), base + BigInt(high))) {
      const place = Number(address - base);
      for (let k = 0; k < ranges.length; k += 2) {
        if (place >= ranges[k] && place < ranges[k + 1]) return true;
      }
    }
    return false;
  }

  *#between(low: bigint, end: bigint): Generator<bigint> {
    const addresses = this.#addresses;
    let [from, to] = [0, addresses.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (addresses[middle] < low) from = middle + 1;
      else to = middle;
    }
    for (let k = from; k < addresses.length && addresses[k] < end; k++) yield addresses[k];
  }

  #breakpointsChanged(): void {
    this.#addresses = [...this.#conditions.keys()].sort((a, b) => (a < b ? -1 : 1));
    const { base, bytes } = BREAKPOINT_FILTER;
    this.#bytes.fill(0, base, base + bytes);
    for (const address of this.#addresses) this.#bytes[base + halfOf(address)] = 1;
    this.#data.setUint32(FIELD.breakpoints, this.#addresses.length, true);
    this.#flush();
  }

  /** Takes back the marks at places that no breakpoint has any more. */
  #unmark(): void {
    const data = this.#data;
    for (let k = 0; k < SLOT.count; k++) {
      const slot = SLOT.base + k * SLOT.bytes;
      if (data.getUint32(slot + SLOT.breakpoints, true) === 0) continue;
      for (let half = 0; half < SLOT.entries; half++) {
        const entry = slot + half * ENTRY.bytes;
        if (data.getUint16(entry + ENTRY.op, true) !== SpecialOp.breakpoint) continue;
        if (this.#bytes[BREAKPOINT_FILTER.base + half] !== 0) continue;
        data.setUint16(entry + ENTRY.op, data.getUint16(entry + ENTRY.replaced, true), true);
      }
      if (this.#addresses.length === 0) data.setUint32(slot + SLOT.breakpoints, 0, true);
    }
  }

  #watchpointsChanged(): void {
    const { base, bytes } = WATCH_FILTER;
    this.#bytes.fill(0, base, base + bytes);
    for (const { address, length } of this.#watchpoints) {
      const last = (address + BigInt(length) - 1n) >> 12n;
      for (let page = address >> 12n; page <= last; page++) {
        this.#bytes[base + Number(page & BigInt(bytes - 1))] = 1;
      }
    }
    this.#flush();
  }
}

/** The half-word of its page that an address is. */
const halfOf = (address: bigint): number => Number((address & 0xfffn) >> 1n);

const entryAt = (address: bigint): number => halfOf(address) * ENTRY.bytes;
