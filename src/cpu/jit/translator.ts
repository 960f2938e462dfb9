/**
 * Decides what is translated, keeps the translations, and drops those that no longer hold.
 *
 * The machine stops the hart every 75 µs or so to look at the clock, always at the target of a jump:
 * where it stops is a sample of where time is spent, and costs the interpreter nothing. A region
 * starts at an address that was met more than once.
 */
import { TIMEBASE_HZ } from "../../irq/timebase.ts";
import { SpecialOp } from "../handlers.ts";
import {
  CALL_LOG,
  ENTRY,
  FIELD,
  JUMP_LOG,
  LINK,
  MAX_REGIONS,
  REGION_RECORD,
  SLOT,
  TLB,
  TRANSLATION,
} from "../layout.ts";
import { compileRegion, type MemoryShape } from "./compile.ts";
import { discover, type Region } from "./discover.ts";
import { linkOf, recordOf } from "./runtime.ts";

/**
 * Samples at an address before it is translated: it has then cost about 0.3 ms in the interpreter, as
 * much as translating it does.
 */
const HOT_SAMPLES = 4;
/**
 * Each time that a function is translated again, for the code of it that has been executed meanwhile,
 * it needs twice the samples: the engine optimises a new module from scratch.
 */
const MAX_DOUBLINGS = 8;
/** Addresses whose samples are counted; beyond it counting starts anew. */
const MAX_COUNTED = 4096;

/**
 * The share of the time that may go into translation, and how much may be saved up for a burst, in
 * ticks of the clock. The engine's own compilers add about as much again, later and elsewhere.
 */
const TRANSLATION_SHARE = 0.3;
const MAX_CREDIT = TIMEBASE_HZ / 50;

/**
 * Credit at power-on: nothing is translated for the first second of running. A boot executes most of
 * its code a few times only, and the engine is still busy with the interpreter.
 */
const FIRST_CREDIT = -TIMEBASE_HZ * TRANSLATION_SHARE;

/**
 * From the start of a function to the place in it that is hot: the loop of a bytecode interpreter is
 * some ten thousand instructions long.
 */
const MAX_FUNCTION_BYTES = 0x1_0000n;

const PAGE_BYTES = 4096;

/**
 * A region that has retreated `RETREATS_NOTED` times in less than 3 ms is translated anew without: a
 * retreat costs some 0.4 µs, so that it has lost a tenth of the time of all.
 */
const MIN_RETREAT_TICKS = (TIMEBASE_HZ * 3) / 1000;

/** Places that were found to do better without retreats; beyond it all get another chance. */
const MAX_CAREFUL = 4096;

/**
 * Regions dropped before all of them get a new table. Some engines keep every instance that has ever
 * imported a table for as long as the table lives; each takes up to 100 KiB.
 */
const MAX_GARBAGE = 1024;

interface Translated {
  /** Index in the function table. */
  readonly index: number;
  /** Rows of the translation table, each the way in at a decoded entry. */
  readonly ways: readonly { readonly row: number; readonly entry: number }[];
  /** Code slots of the pages it was made from, and of those that it calls. */
  readonly slots: readonly number[];
  /** Numbers of the links of its calls. */
  readonly links: readonly number[];
  /** Host address of the code that it begins with. */
  readonly origin: number;
  /** When its retreats were looked at last. */
  lookedAt: number;
}

/** "eager" translates whatever is met, at any cost: for tests. */
export type TranslationPolicy = "hot" | "eager";

/** Where regions live: they import both, and are called through the table. */
export interface CodeSpace {
  readonly table: WebAssembly.Table;
  /** Exports of the core module. */
  readonly core: Record<string, CallableFunction>;
}

export interface TranslatorOptions extends CodeSpace {
  readonly policy: TranslationPolicy;
  readonly memory: WebAssembly.Memory;
  readonly shape: MemoryShape;
  /** A fresh code space; nothing may be left in the old one. */
  readonly renew: () => CodeSpace;
  /** Ticks of `TIMEBASE_HZ`. */
  readonly now: () => number;
  /** Decodes the entry at an address, which nothing has executed yet. */
  readonly decode: (entry: number) => void;
}

export interface TranslatorStats {
  readonly live: number;
  readonly compiled: number;
  readonly dropped: number;
}

export class Translator {
  readonly #options: TranslatorOptions;
  readonly #data: DataView;
  readonly #samples = new Map<number, number>();
  readonly #bySlot = new Map<number, Set<Translated>>();
  readonly #freeIndices: number[] = [];
  readonly #freeRows: number[] = [];
  readonly #freeLinks: number[] = [];
  readonly #live = new Set<Translated>();
  /** How often the code from an origin on has been translated, up to `MAX_DOUBLINGS`. */
  readonly #times = new Map<number, number>();
  /** Origins of regions that retreated much of the time: they ask the MMU now. */
  readonly #careful = new Set<number>();
  #credit = FIRST_CREDIT;
  /** When the last sample was taken. */
  #sampledAt = 0;
  #compiled = 0;
  #dropped = 0;
  #space: CodeSpace;
  /** Regions dropped in this code space. */
  #garbage = 0;

  constructor(options: TranslatorOptions) {
    this.#options = options;
    this.#data = new DataView(options.memory.buffer);
    this.#space = options;
    // Function 0 and link 0 stand for "not known yet".
    this.#space.table.set(0, this.#space.core.unlinked);
    for (let index = MAX_REGIONS - 1; index > 0; index--) this.#freeIndices.push(index);
    for (let link = LINK.count - 1; link > 0; link--) this.#freeLinks.push(link);
    for (let row = TRANSLATION.rows - 1; row >= 0; row--) this.#freeRows.push(row);
  }

  get stats(): TranslatorStats {
    return { live: this.#live.size, compiled: this.#compiled, dropped: this.#dropped };
  }

  /** Takes note of where the hart has stopped, and translates there if it is worth it. */
  sample(): void {
    const now = this.#options.now();
    const earned = (now - this.#sampledAt) * TRANSLATION_SHARE;
    this.#credit = Math.min(MAX_CREDIT, this.#credit + earned);
    this.#sampledAt = now;
    if (this.#garbage >= MAX_GARBAGE) this.#renewSpace();
    const entry = this.#entryAtPc();
    if (entry === 0) return;
    const op = this.#data.getUint16(entry + ENTRY.op, true);
    if (op >= TRANSLATION.firstOp || op === SpecialOp.straddle) return;
    if (this.#options.policy === "eager") {
      this.#translateHere(Number.POSITIVE_INFINITY);
      return;
    }
    const count = (this.#samples.get(entry) ?? 0) + 1;
    if (this.#samples.size >= MAX_COUNTED) this.#samples.clear();
    this.#samples.set(entry, count);
    // Looked at when the count has doubled: what is translated again and again has to wait longer.
    if (count < HOT_SAMPLES || (count & (count - 1)) !== 0 || this.#credit < 0) return;
    if (this.#translateHere(count / HOT_SAMPLES)) this.#samples.delete(entry);
    this.#sampledAt = this.#options.now();
    this.#credit -= this.#sampledAt - now;
  }

  /** Drops every region that was made from the page with this code slot. */
  dropSlot(slot: number): void {
    const regions = this.#bySlot.get(slot);
    if (regions === undefined) return;
    for (const region of [...regions]) this.#drop(region);
    // A region may be running: it has to be left before its next instruction.
    this.#data.setUint32(FIELD.attention, 1, true);
  }

  /** Drops the region with this record if it retreats much of the time. */
  retreated(record: number): void {
    const index = (record - REGION_RECORD.base) / REGION_RECORD.bytes;
    const region = [...this.#live].find((live) => live.index === index);
    if (region === undefined) return;
    const now = this.#options.now();
    if (now - region.lookedAt > MIN_RETREAT_TICKS) {
      region.lookedAt = now;
      this.#data.setUint32(record + REGION_RECORD.retreats, 0, true);
      return;
    }
    if (this.#careful.size >= MAX_CAREFUL) this.#careful.clear();
    this.#careful.add(region.origin);
    this.#drop(region);
  }

  /** Forgets everything, as at power-on. */
  clear(): void {
    this.#dropAll();
    this.#careful.clear();
    this.#times.clear();
    this.#samples.clear();
    this.#credit = FIRST_CREDIT;
  }

  #renewSpace(): void {
    this.#dropAll();
    this.#garbage = 0;
    this.#space = this.#options.renew();
    this.#space.table.set(0, this.#space.core.unlinked);
  }

  /** All links go at once: to look for those that lead to each region would take the square of time. */
  #dropAll(): void {
    const { buffer } = this.#data;
    new Uint8Array(buffer, LINK.base, LINK.count * LINK.bytes).fill(0);
    for (const region of [...this.#live]) {
      this.#freeLinks.push(...region.links);
      this.#release(region);
    }
  }

  /**
   * Translates the function around the hart's pc, or failing that the code from there on. `heat` is how
   * often as many samples were met as the first translation needs; false if that is not yet enough.
   */
  #translateHere(heat: number): boolean {
    const pc = this.#data.getBigUint64(FIELD.pc, true);
    const start = this.#options.policy === "eager" ? undefined : this.#functionAround(pc);
    if (start !== undefined) {
      const outcome = this.#translate(start, pc, heat);
      if (outcome !== "elsewhere") return outcome === "done";
    }
    return this.#translate(pc, pc, heat) !== "later";
  }

  /** The nearest place before `pc` that was called. */
  #functionAround(pc: bigint): bigint | undefined {
    const data = this.#data;
    let nearest: bigint | undefined;
    for (let k = 0; k < CALL_LOG.count; k++) {
      const target = data.getBigUint64(CALL_LOG.base + k * CALL_LOG.bytes, true);
      if (target > pc || pc - target > MAX_FUNCTION_BYTES) continue;
      if (nearest === undefined || target > nearest) nearest = target;
    }
    return nearest;
  }

  /** Translates from `start` on, if that leads to `pc` and is not done too often. */
  #translate(start: bigint, pc: bigint, heat: number): "done" | "later" | "elsewhere" {
    const base = start & ~0xfffn;
    const slot = this.#slotAt(base);
    if (slot === 0) return "elsewhere";
    const origin = this.#data.getUint32(slot + SLOT.host, true) + Number(start - base);
    const times = this.#times.get(origin) ?? 0;
    if (2 ** times > heat) return "later";
    const slots = new Map<number, number>([[0, slot]]);
    const eager = this.#options.policy === "eager";
    const offset = Number(pc - base);
    const region = discover(
      {
        memory: this.#data,
        findPage: (distance) => {
          const found = distance === 0 ? slot : this.#slotAt(base + BigInt(distance * PAGE_BYTES));
          slots.set(distance, found);
          return found === 0 ? 0 : this.#data.getUint32(found + SLOT.host, true);
        },
        // Entries are decoded when they are first executed.
        isExecuted: (distance, place) =>
          eager ||
          this.#data.getUint16((slots.get(distance) ?? 0) + (place / 2) * ENTRY.bytes, true) !==
            SpecialOp.decode,
        jumpTargets: (at) => this.#jumpTargets(base, at),
      },
      Number(start - base),
      offset,
    );
    if (!region.entries.some((block) => region.blocks[block].at === offset)) return "elsewhere";
    this.#replace(slot, Number(start - base));
    if (this.#times.size >= MAX_COUNTED) this.#times.clear();
    this.#times.set(origin, Math.min(times + 1, MAX_DOUBLINGS));
    this.#compile(region, slots, origin);
    return "done";
  }

  /** Drops the region that begins at a place: a larger one comes, which has more of its code. */
  #replace(slot: number, offset: number): void {
    const op = this.#data.getUint16(slot + (offset / 2) * ENTRY.bytes, true);
    if (op < TRANSLATION.firstOp) return;
    const row = op - TRANSLATION.firstOp;
    for (const region of this.#bySlot.get(slot) ?? []) {
      if (region.ways[0]?.row === row) {
        this.#drop(region);
        return;
      }
    }
  }

  #compile(region: Region, slots: ReadonlyMap<number, number>, origin: number): void {
    if (this.#freeIndices.length === 0 || this.#freeRows.length < region.entries.length) {
      this.#dropAll();
    }
    const index = this.#freeIndices.pop() ?? 0;
    const links: number[] = [];
    const dataTlb = this.#data.getUint32(FIELD.dataTlb, true);
    const bytes = compileRegion(
      region,
      {
        record: recordOf(index),
        dataTlb,
        link: () => this.#link(links),
        lean: !this.#careful.has(origin),
      },
      this.#options.shape,
    );
    const { memory } = this.#options;
    const { core, table } = this.#space;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      host: { memory, table },
      core,
    });
    const pages = region.pages.map((distance) => ({ distance, slot: slots.get(distance) ?? 0 }));
    this.#writeRecord(index, dataTlb, pages);
    table.set(index, instance.exports.region);
    const lookedAt = this.#options.now();
    const made = { index, links, slots: pages.map((page) => page.slot), origin, lookedAt };
    this.#install(made, region, slots);
  }

  /** Where the log of computed jumps says that the one at an offset has led, as offsets. */
  #jumpTargets(base: bigint, at: number): number[] {
    const data = this.#data;
    const from = BigInt.asUintN(64, base + BigInt(at));
    const low = Number(from & 0xffff_ffffn);
    const targets = new Set<number>();
    for (let k = 0; k < JUMP_LOG.count; k++) {
      const entry = JUMP_LOG.base + k * JUMP_LOG.bytes;
      if (data.getUint32(entry, true) !== low) continue;
      if (data.getBigUint64(entry, true) !== from) continue;
      targets.add(Number(BigInt.asIntN(64, data.getBigUint64(entry + 8, true) - base)));
    }
    return [...targets];
  }

  /** A new link that leads nowhere yet; 0 if there is none left. */
  #link(links: number[]): number {
    const link = this.#freeLinks.pop();
    if (link === undefined) return 0;
    links.push(link);
    return linkOf(link);
  }

  #writeRecord(
    index: number,
    dataTlb: number,
    pages: readonly { distance: number; slot: number }[],
  ): void {
    const data = this.#data;
    const record = recordOf(index);
    data.setBigInt64(record + REGION_RECORD.generation, -1n, true);
    data.setUint32(record + REGION_RECORD.dataTlb, dataTlb, true);
    data.setUint32(record + REGION_RECORD.pageCount, pages.length, true);
    data.setUint32(record + REGION_RECORD.retreats, 0, true);
    for (const [k, { distance, slot }] of pages.entries()) {
      const at = record + REGION_RECORD.pages + k * REGION_RECORD.pageBytes;
      data.setInt32(at, distance, true);
      data.setUint32(at + 4, slot, true);
    }
  }

  #install(
    made: Omit<Translated, "ways">,
    { blocks, entries }: Region,
    slots: ReadonlyMap<number, number>,
  ): void {
    const ways = entries.flatMap((block, number) => {
      const { at } = blocks[block];
      const page = Math.floor(at / PAGE_BYTES);
      const home = slots.get(page) ?? 0;
      if (home === 0) return [];
      const entry = home + ((at - page * PAGE_BYTES) / 2) * ENTRY.bytes;
      const row = this.#enterHere(entry, made.index, number, page);
      return row === undefined ? [] : [{ row, entry }];
    });
    const region: Translated = { ...made, ways };
    this.#live.add(region);
    this.#compiled++;
    for (const slot of region.slots) {
      const users = this.#bySlot.get(slot) ?? new Set();
      users.add(region);
      this.#bySlot.set(slot, users);
      this.#data.setUint32(slot + SLOT.translated, 1, true);
    }
  }

  /** Makes a decoded entry a way into translated code; undefined where it cannot be one. */
  #enterHere(entry: number, index: number, number: number, page: number): number | undefined {
    const data = this.#data;
    if (data.getUint16(entry + ENTRY.op, true) === SpecialOp.decode) this.#options.decode(entry);
    const op = data.getUint16(entry + ENTRY.op, true);
    // An older region keeps its way in; page ends and straddling instructions cannot be one.
    if (op >= TRANSLATION.firstOp || op <= SpecialOp.illegal) return undefined;
    const row = this.#freeRows.pop();
    if (row === undefined) return undefined;
    const at = TRANSLATION.base + row * TRANSLATION.rowBytes;
    data.setUint16(at, index, true);
    data.setUint16(at + 2, number, true);
    data.setInt32(at + 4, page * PAGE_BYTES, true);
    data.setUint16(entry + ENTRY.replaced, op, true);
    data.setUint16(entry + ENTRY.op, TRANSLATION.firstOp + row, true);
    return row;
  }

  #drop(region: Translated): void {
    this.#release(region);
    this.#unlink(region);
  }

  /** Takes a region out of everything but the links. */
  #release(region: Translated): void {
    const data = this.#data;
    for (const { row, entry } of region.ways) {
      // The entry may have been cleared or decoded anew since.
      if (data.getUint16(entry + ENTRY.op, true) === TRANSLATION.firstOp + row) {
        data.setUint16(entry + ENTRY.op, data.getUint16(entry + ENTRY.replaced, true), true);
      }
      this.#freeRows.push(row);
    }
    this.#space.table.set(region.index, null);
    this.#freeIndices.push(region.index);
    for (const slot of region.slots) {
      const users = this.#bySlot.get(slot);
      users?.delete(region);
      if (users?.size === 0) {
        this.#bySlot.delete(slot);
        data.setUint32(slot + SLOT.translated, 0, true);
      }
    }
    this.#live.delete(region);
    this.#dropped++;
    this.#garbage++;
  }

  /** Frees the links of a region, and those of others that lead to it. */
  #unlink({ index, links }: Translated): void {
    const clear = (at: number): void => {
      this.#data.setBigUint64(at, 0n, true);
      this.#data.setBigUint64(at + LINK.target, 0n, true);
    };
    for (const link of links) clear(linkOf(link));
    this.#freeLinks.push(...links);
    for (const region of this.#live) {
      for (const link of region.links) {
        if (this.#data.getUint16(linkOf(link), true) === index) clear(linkOf(link));
      }
    }
  }

  /** The decoded entry of the hart's pc, or 0 if its page is not in the execute table. */
  #entryAtPc(): number {
    const data = this.#data;
    const low = data.getUint32(FIELD.pc, true);
    const at = this.#fetchEntry(low);
    const isPage =
      data.getUint32(at, true) === (low & ~0xfff) >>> 0 &&
      data.getUint32(at + 4, true) === data.getUint32(FIELD.pc + 4, true);
    if (!isPage) return 0;
    return data.getUint32(at + 8, true) + ((low & 0xffe) / 2) * ENTRY.bytes;
  }

  /** The code slot of the page at a guest address, or 0. */
  #slotAt(address: bigint): number {
    const at = this.#fetchEntry(Number(address & 0xffff_ffffn));
    const isPage = this.#data.getBigUint64(at, true) === BigInt.asUintN(64, address);
    return isPage ? this.#data.getUint32(at + 8, true) : 0;
  }

  #fetchEntry(low: number): number {
    const table = this.#data.getUint32(FIELD.fetchTlb, true);
    return table + ((low >>> 8) & ((TLB.entries - 1) * TLB.entryBytes));
  }
}
