/**
 * Keeps the regions that are there: their places in the tables of `layout.ts`, the ways into them, and
 * what they were made from. It drops those that no longer hold, and the oldest to make room.
 */
import { unfuseBefore, unfusedOp } from "../fusion.ts";
import { SpecialOp } from "../handlers.ts";
import { ENTRY, FIELD, LINK, MAX_REGIONS, REGION_RECORD, SLOT, TRANSLATION } from "../layout.ts";
import type { Region } from "./discover.ts";
import { isCall } from "./liveness.ts";
import { NumberPool } from "./number-pool.ts";
import { linkOf, recordOf } from "./runtime.ts";
import { DROP_REASONS, type DropReason } from "./translator-stats.ts";

const PAGE_BYTES = 4096;

/**
 * Regions dropped before all of them get a new table. Some engines keep every instance that has ever
 * imported a table for as long as the table lives; each takes up to 100 KiB.
 */
const MAX_GARBAGE = 1024;

/** Where regions live: they import both, and are called through the table. */
export interface CodeSpace {
  readonly table: WebAssembly.Table;
  /** Exports of the core module. */
  readonly core: Record<string, CallableFunction>;
}

export interface RegionStoreOptions extends CodeSpace {
  readonly memory: WebAssembly.Memory;
  /** A fresh code space; nothing may be left in the old one. */
  readonly renew: () => CodeSpace;
  /** Decodes the entry at an address, which nothing has executed yet. */
  readonly decode: (entry: number) => void;
}

/** A region with its place in the tables. */
export interface Placed {
  /** Index in the function table. */
  readonly index: number;
  /** Offsets of its ways in from the page that it was found from. */
  readonly entries: readonly number[];
  /** Distances of its pages from that page, and their code slots. */
  readonly pages: readonly number[];
  readonly slots: readonly number[];
  /** Numbers of the links of its calls. */
  readonly links: readonly number[];
  /** Host address of the code that it begins with. */
  readonly origin: number;
  /** Where its code is, relative to that page: first place and end of each run, ascending. */
  readonly ranges: Int32Array;
  /** The last generation when it was placed. */
  readonly placedAt: bigint;
}

/** Rows of the translation table, each the way in at a decoded entry. */
type Ways = readonly { readonly row: number; readonly entry: number }[];

export class RegionStore {
  readonly #options: RegionStoreOptions;
  readonly #data: DataView;
  /** All that have a place, with their ways in; none while they are compiled. */
  readonly #placed = new Map<Placed, Ways>();
  readonly #byIndex = new Map<number, Placed>();
  readonly #bySlot = new Map<number, Set<Placed>>();
  // Number 0 of these two stands for "not known yet".
  readonly #freeIndices = new NumberPool(1, MAX_REGIONS);
  readonly #freeLinks = new NumberPool(1, LINK.count);
  readonly #freeRows = new NumberPool(0, TRANSLATION.rows);
  /** Indices of dropped regions, to which links may still lead. */
  readonly #stale: number[] = [];
  #space: CodeSpace;
  /** Regions dropped in this code space. */
  #garbage = 0;
  /** Regions dropped since power-on, by reason. */
  readonly dropped = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >;

  constructor(options: RegionStoreOptions) {
    this.#options = options;
    this.#data = new DataView(options.memory.buffer);
    this.#space = options;
    this.#space.table.set(0, this.#space.core.unlinked);
  }

  /** Regions that have a place. */
  get size(): number {
    return this.#placed.size;
  }

  has(placed: Placed): boolean {
    return this.#placed.has(placed);
  }

  /** The region with an index in the function table. */
  at(index: number): Placed | undefined {
    return this.#byIndex.get(index);
  }

  /** Gives a region its place; it is dropped from now on when a page that it is made from changes. */
  place(region: Region, slots: readonly number[], origin: number): Placed {
    const hasRoom = this.#freeRows.size >= region.entries.length;
    if (!hasRoom || this.#placed.size === MAX_REGIONS - 1) this.#makeRoom();
    if (this.#freeIndices.size === 0) this.#sweep();
    const index = this.#freeIndices.take() ?? 0;
    const links = region.blocks.filter(isCall).flatMap(() => this.#freeLinks.take() ?? []);
    const placedAt = this.#data.getBigInt64(FIELD.lastGeneration, true);
    const entries = region.entries.map((block) => region.blocks[block].at);
    const ranges = rangesOf(region);
    const placed = { index, entries, pages: region.pages, slots, links, origin, ranges, placedAt };
    this.#writeRecord(placed);
    this.#placed.set(placed, []);
    this.#byIndex.set(index, placed);
    for (const slot of slots) {
      const users = this.#bySlot.get(slot) ?? new Set();
      users.add(placed);
      this.#bySlot.set(slot, users);
      this.#data.setUint32(slot + SLOT.translated, 1, true);
    }
    return placed;
  }

  /** From now on the region is entered, instead of an older one that begins at the same place. */
  install(placed: Placed, module: WebAssembly.Module): void {
    const { index, pages, slots } = placed;
    const entries = placed.entries.map((at, number) => {
      const page = Math.floor(at / PAGE_BYTES);
      const slot = slots[pages.indexOf(page)];
      const half = (at - page * PAGE_BYTES) / 2;
      return { entry: slot + half * ENTRY.bytes, slot, half, number, page };
    });
    this.#replace(entries[0].entry);
    const { memory } = this.#options;
    const { core, table } = this.#space;
    const instance = new WebAssembly.Instance(module, { host: { memory, table }, core });
    table.set(index, instance.exports.region);
    const ways = entries.flatMap(({ entry, slot, half, number, page }) => {
      const row = this.#enterHere(entry, index, number, page);
      if (row === undefined) return [];
      unfuseBefore(this.#data, slot, half);
      return [{ row, entry }];
    });
    this.#placed.set(placed, ways);
  }

  /** Takes a region out of everything but the links that lead to it: they find that it refuses. */
  drop(placed: Placed, reason: DropReason): void {
    const data = this.#data;
    for (const { row, entry } of this.#placed.get(placed) ?? []) {
      // The entry may have been cleared or decoded anew since.
      if (data.getUint16(entry + ENTRY.op, true) === TRANSLATION.firstOp + row) {
        data.setUint16(entry + ENTRY.op, data.getUint16(entry + ENTRY.replaced, true), true);
      }
      this.#freeRows.giveBack([row]);
    }
    this.#space.table.set(placed.index, this.#space.core.unlinked);
    this.#stale.push(placed.index);
    for (const link of placed.links) this.#clearLink(link);
    this.#freeLinks.giveBack(placed.links);
    for (const slot of placed.slots) {
      const users = this.#bySlot.get(slot);
      users?.delete(placed);
      if (users?.size === 0) {
        this.#bySlot.delete(slot);
        data.setUint32(slot + SLOT.translated, 0, true);
      }
    }
    this.#placed.delete(placed);
    this.#byIndex.delete(placed.index);
    this.dropped[reason]++;
    this.#garbage++;
  }

  /** Drops every region that was made from the page with this code slot. */
  dropSlot(slot: number): void {
    const users = this.#bySlot.get(slot);
    if (users === undefined) return;
    for (const placed of [...users]) this.drop(placed, "written");
    // A region may be running: it has to be left before its next instruction.
    this.#data.setUint32(FIELD.attention, 1, true);
  }

  dropAll(): void {
    for (const placed of [...this.#placed.keys()]) this.drop(placed, "cleared");
    this.#sweep();
  }

  /** To be called between two runs of the hart: starts anew where the engine would run out of memory. */
  collectGarbage(): void {
    if (this.#garbage < MAX_GARBAGE) return;
    this.dropAll();
    this.#garbage = 0;
    this.#space = this.#options.renew();
    this.#space.table.set(0, this.#space.core.unlinked);
  }

  /** Drops the region that begins at a decoded entry: a larger one comes, which has more of its code. */
  #replace(entry: number): void {
    const row = this.#data.getUint16(entry + ENTRY.op, true) - TRANSLATION.firstOp;
    if (row < 0) return;
    for (const [placed, ways] of this.#placed) {
      if (ways[0]?.row === row) {
        this.drop(placed, "replaced");
        return;
      }
    }
  }

  /** Makes a decoded entry a way into translated code; undefined where it cannot be one. */
  #enterHere(entry: number, index: number, number: number, page: number): number | undefined {
    const data = this.#data;
    if (data.getUint16(entry + ENTRY.op, true) === SpecialOp.decode) this.#options.decode(entry);
    const op = unfusedOp(data, entry);
    // An older region keeps its way in; page ends, straddling instructions and marks cannot be one.
    if (op >= TRANSLATION.firstOp || op <= SpecialOp.breakpoint) return undefined;
    const row = this.#freeRows.take();
    if (row === undefined) return undefined;
    const at = TRANSLATION.base + row * TRANSLATION.rowBytes;
    data.setUint16(at, index, true);
    data.setUint16(at + 2, number, true);
    data.setInt32(at + 4, page * PAGE_BYTES, true);
    data.setUint16(entry + ENTRY.replaced, op, true);
    data.setUint16(entry + ENTRY.op, TRANSLATION.firstOp + row, true);
    return row;
  }

  #writeRecord({ index, pages, slots }: Placed): void {
    const data = this.#data;
    const record = recordOf(index);
    data.setBigInt64(record + REGION_RECORD.generation, -1n, true);
    data.setUint32(record + REGION_RECORD.dataTlb, data.getUint32(FIELD.dataTlb, true), true);
    data.setUint32(record + REGION_RECORD.pageCount, slots.length, true);
    data.setUint32(record + REGION_RECORD.retreats, 0, true);
    for (const [k, slot] of slots.entries()) {
      const at = record + REGION_RECORD.pages + k * REGION_RECORD.pageBytes;
      data.setInt32(at, pages[k], true);
      data.setUint32(at + 4, slot, true);
    }
  }

  /** Drops the quarter of the regions that was entered the longest ago. */
  #makeRoom(): void {
    const lastUse = ({ index, placedAt }: Placed): bigint => {
      const checked = this.#data.getBigInt64(recordOf(index) + REGION_RECORD.generation, true);
      return checked > placedAt ? checked : placedAt;
    };
    const oldest = [...this.#placed.keys()]
      .map((placed) => ({ placed, use: lastUse(placed) }))
      .sort((a, b) => Number(a.use - b.use))
      .slice(0, Math.ceil(this.#placed.size / 4));
    for (const { placed } of oldest) this.drop(placed, "evicted");
  }

  /** Clears the links that lead to what was dropped, whose indices can then be used again. */
  #sweep(): void {
    const stale = new Set(this.#stale);
    for (const { links } of this.#placed.keys()) {
      for (const link of links) {
        if (stale.has(this.#data.getUint16(linkOf(link), true))) this.#clearLink(link);
      }
    }
    this.#freeIndices.giveBack(this.#stale.splice(0));
  }

  #clearLink(link: number): void {
    const at = linkOf(link);
    this.#data.setBigUint64(at, 0n, true);
    this.#data.setBigUint64(at + LINK.target, 0n, true);
  }
}

/** The places of a region's instructions, with what touches made one. */
function rangesOf({ blocks }: Region): Int32Array {
  const runs = blocks
    .flatMap(({ at, instructions }) => {
      const last = instructions.at(-1);
      return last === undefined ? [] : [[at, last.at + last.decoded.length]];
    })
    .sort(([a], [b]) => a - b);
  const ranges: number[] = [];
  for (const [first, end] of runs) {
    const previous = ranges.at(-1);
    if (previous === undefined || first > previous) ranges.push(first, end);
    else ranges[ranges.length - 1] = Math.max(previous, end);
  }
  return Int32Array.from(ranges);
}
