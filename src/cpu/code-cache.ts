/**
 * Decoded instructions, by physical page. Generated code fills the entries in and executes them; this
 * gives pages their slots.
 *
 * An entry is decoded when it is first executed. Stores by the hart clear the entries that they
 * overwrite (see `invalidate_code`), other writers clear the page's: nothing decoded is ever stale.
 */
import { instructionLength } from "../isa/decoder.ts";
import type { RamRegion } from "../memory/guest-memory.ts";
import { SpecialOp } from "./handlers.ts";
import { CODE_MAP_BASE, ENTRY, FIELD, SCRATCH, SLOT, TLB, TLB_LOG } from "./layout.ts";

const PAGE_BYTES = 4096;
const SCRATCH_END = SCRATCH.base + SCRATCH.count * SCRATCH.bytes;

/**
 * Stores to a page with decoded code before the code is forgotten. Each time doubles the number, since
 * a page that holds code and data for good would otherwise be decoded again and again.
 */
const FIRST_STORES = 64;
const MAX_PATIENCE = 16;

export class CodeCache {
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #ram: RamRegion;
  #nextSlot = 0;
  /** Slots that have been handed out at least once. */
  #used = 0;
  /** Slots that were given back. */
  readonly #free: number[] = [];
  /** How often each page of RAM has given its slot back, up to `MAX_PATIENCE`. */
  readonly #released: Uint8Array;

  /** Told of a slot whose contents go away, before they do. */
  onDrop: (slot: number) => void = () => {};

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, ram: RamRegion) {
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
    this.#ram = ram;
    this.#released = new Uint8Array(Math.ceil((buffer.byteLength - ram.offset) / PAGE_BYTES));
  }

  /** Forgets everything. */
  clear(): void {
    this.#bytes.fill(0, CODE_MAP_BASE, SLOT.base);
    this.#bytes.fill(0, SCRATCH.base, SCRATCH_END);
    // No bits are an illegal instruction, which the cleared slots claim to hold.
    for (let slot = SCRATCH.base; slot < SCRATCH_END; slot += SCRATCH.bytes) {
      this.#data.setUint16(slot + ENTRY.op, SpecialOp.illegal, true);
    }
    this.#nextSlot = 0;
    this.#free.length = 0;
    this.#released.fill(0);
    this.#flushExecute();
  }

  /** Gives the page whose bytes are at `host` a slot, taking the oldest one if none is free. */
  allocateSlot(host: number): number {
    const data = this.#data;
    const isFresh = this.#free.length === 0 && this.#nextSlot === this.#used;
    const slot = this.#free.pop() ?? this.#takeOldest();
    // A slot that was never used is clear; clearing it would make the host commit all of it.
    if (!isFresh) this.#bytes.fill(0, slot, slot + SLOT.end);
    data.setUint16(slot + SLOT.end + ENTRY.op, SpecialOp.pageEnd, true);
    data.setUint32(slot + SLOT.host, host, true);
    data.setUint32(slot + SLOT.storesLeft, FIRST_STORES << this.#released[this.#page(host)], true);
    data.setUint32(slot + SLOT.breakpoints, 0, true);
    data.setUint32(this.#mapWord(host), slot, true);
    this.#evictWrites(host);
    return slot;
  }

  #takeOldest(): number {
    const index = this.#nextSlot;
    this.#nextSlot = (index + 1) % SLOT.count;
    const slot = SLOT.base + index * SLOT.bytes;
    if (index < this.#used) this.#drop(slot);
    else this.#used = index + 1;
    return slot;
  }

  /**
   * Ends the decoding of a page, so that stores to it are fast again: its memory is now used for data.
   * A hart that executes it notices at its next transfer of control or FENCE.I.
   */
  releaseSlot(slot: number): void {
    const page = this.#page(this.#data.getUint32(slot + SLOT.host, true));
    this.#released[page] = Math.min(this.#released[page] + 1, MAX_PATIENCE);
    this.#drop(slot);
    this.#free.push(slot);
  }

  /** Takes a slot from its page. */
  #drop(slot: number): void {
    this.onDrop(slot);
    const owner = this.#mapWord(this.#data.getUint32(slot + SLOT.host, true));
    if (this.#data.getUint32(owner, true) === slot) this.#data.setUint32(owner, 0, true);
    this.#flushExecute();
  }

  /** Drops the decoded code of every page that a range of the linear memory touches. */
  written(host: number, length: number): void {
    const first = Math.floor(this.#page(host));
    const last = Math.floor(this.#page(host + Math.max(length, 1) - 1));
    for (let page = first; page <= last; page++) {
      const slot = this.#data.getUint32(CODE_MAP_BASE + page * 4, true);
      if (slot === 0) continue;
      this.onDrop(slot);
      this.#bytes.fill(0, slot, slot + SLOT.end);
    }
  }

  /** The instruction's bits, 16 or 32 of them, for the entry at `address`. */
  rawBits(address: number): number {
    if (address < SCRATCH_END) {
      const slot = address - ((address - SCRATCH.base) % SCRATCH.bytes);
      return this.#data.getUint32(slot + SCRATCH.bits, true);
    }
    const { host, offset } = this.#locate(address);
    const low = this.#data.getUint16(host + offset, true);
    return instructionLength(low) === 2 ? low : this.#data.getUint32(host + offset, true);
  }

  #locate(address: number): { host: number; offset: number } {
    const index = Math.floor((address - SLOT.base) / SLOT.bytes);
    const slot = SLOT.base + index * SLOT.bytes;
    const host = this.#data.getUint32(slot + SLOT.host, true);
    return { host, offset: ((address - slot) / ENTRY.bytes) * 2 };
  }

  #page(host: number): number {
    return (host - this.#ram.offset) / PAGE_BYTES;
  }

  #mapWord(host: number): number {
    return CODE_MAP_BASE + this.#page(host) * 4;
  }

  #flushExecute(): void {
    for (let context = 0; context < TLB.contexts; context++) {
      const table = TLB.base + context * TLB.contextBytes + TLB.execute;
      this.#bytes.fill(0xff, table, table + TLB.tableBytes);
    }
  }

  /** From now on stores to this page must take the slow path, which keeps the slot true. */
  #evictWrites(host: number): void {
    const fills = Number(this.#data.getBigUint64(FIELD.tlbFills, true));
    if (fills < TLB_LOG.count) {
      for (let k = 0; k < fills; k++) {
        this.#evictWrite(this.#data.getUint32(TLB_LOG.base + k * 4, true), host);
      }
      return;
    }
    for (let context = 0; context < TLB.contexts; context++) {
      const table = TLB.base + context * TLB.contextBytes + TLB.write;
      for (let at = table; at < table + TLB.tableBytes; at += TLB.entryBytes) {
        this.#evictWrite(at, host);
      }
    }
  }

  /** An entry of another table is merely filled again. */
  #evictWrite(entry: number, host: number): void {
    const tag = this.#data.getUint32(entry, true);
    const addend = this.#data.getUint32(entry + 8, true);
    if ((tag + addend) >>> 0 === host) this.#data.setBigInt64(entry, -1n, true);
  }
}
