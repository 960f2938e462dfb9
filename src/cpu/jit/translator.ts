/**
 * Decides what is translated, and has it compiled.
 *
 * The machine stops the hart every 75 µs or so to look at the clock, always at the target of a jump:
 * where it stops is a sample of where time is spent, and costs the interpreter nothing.
 */
import { TIMEBASE_HZ } from "../../irq/timebase.ts";
import type { DebugPoints } from "../debug-points.ts";
import { SpecialOp } from "../handlers.ts";
import {
  CALL_LOG,
  ENTRY,
  FIELD,
  JUMP_LOG,
  REGION_RECORD,
  SLOT,
  TLB,
  TRANSLATION,
} from "../layout.ts";
import { type MemoryShape, RETREATS_NOTED } from "./compile.ts";
import { type CompiledRegion, compileHere, type RegionCompiler } from "./compiler.ts";
import { discover, type Region } from "./discover.ts";
import { packRegion } from "./packed-region.ts";
import { type Placed, RegionStore, type RegionStoreOptions } from "./region-store.ts";
import { ExitInfo, linkOf, recordOf } from "./runtime.ts";
import type { TranslatorStats } from "./translator-stats.ts";

/**
 * Samples at a place before it is translated: it has then cost about 0.3 ms in the interpreter, as much
 * as translating it does.
 */
const HOT_SAMPLES = 4;

/** Each time that code from the same place on is translated again it needs twice the samples. */
const MAX_DOUBLINGS = 8;

/**
 * Regions that another thread compiles at one time. Few, so that what is hot now need not wait for what
 * was; enough that the thread does not run dry before it is given more.
 */
const MAX_AWAITED = 8;

/** Code whose samples count together: 256 bytes, as decoded entries. */
const SAMPLED_ENTRY_BYTES = 128 * ENTRY.bytes;

/** Places that are counted; beyond it counting starts anew. A compiler at work has some ten thousand. */
const MAX_COUNTED = 0x8000;

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
 * Retreats of a region before something is done about them: at some 1.2 µs each, with what the
 * interpreter then has to do, they have cost as much as translating it anew.
 */
const MAX_RETREATS = 8192;

/** If they came in less than this time, retreats were what the region did for the most part. */
const BUSY_RETREATING_TICKS = (TIMEBASE_HZ * 20) / 1000;

/** A window is to blame if it has this share of the retreats. */
const BLAMED_SHARE = 1 / 8;

/** Places that were found to do better without retreats; beyond it all get another chance. */
const MAX_CAREFUL = 4096;

/** "eager" translates whatever is met, at any cost: for tests. */
export type TranslationPolicy = "hot" | "eager";

export interface TranslatorOptions extends RegionStoreOptions {
  readonly policy: TranslationPolicy;
  readonly shape: MemoryShape;
  /** Compiles on another thread; without it regions are compiled here, at once. */
  readonly compiler: RegionCompiler | undefined;
  /** Ticks of `TIMEBASE_HZ`. */
  readonly now: () => number;
  /** Places that must be left to the interpreter. */
  readonly points: DebugPoints;
}

export class Translator {
  readonly #options: TranslatorOptions;
  readonly #data: DataView;
  readonly #samples = new Map<number, number>();
  readonly #store: RegionStore;
  /** How often the code from an origin on has been translated, up to `MAX_DOUBLINGS`. */
  readonly #times = new Map<number, number>();
  /** Where regions retreated, one of `RETREATS_NOTED`, and since when that is noted. */
  readonly #retreats = new WeakMap<Placed, { readonly since: number; readonly places: number[] }>();
  /** By origin, the places at which windows often do not fit into a page. */
  readonly #narrow = new Map<number, readonly number[]>();
  /** Regions that are to be translated anew, for windows that do not fit. */
  readonly #toRenew = new Set<Placed>();
  /** By origin of a function, how often code of it was met that its region has not. */
  readonly #patches = new Map<number, number>();
  /** Origins of functions that are larger than a region may be. */
  readonly #full = new Set<number>();
  /** Origins of regions that retreated much of the time: they ask the MMU now. */
  readonly #careful = new Set<number>();
  #credit = FIRST_CREDIT;
  /** When the last sample was taken. */
  #sampledAt = 0;
  #compiled = 0;
  #instructions = 0;
  #wasmBytes = 0;
  #hartTicks = 0;
  #threadMs = 0;
  /** Origins of the regions that are being compiled elsewhere. */
  readonly #awaited = new Set<number>();

  constructor(options: TranslatorOptions) {
    this.#options = options;
    this.#data = new DataView(options.memory.buffer);
    this.#store = new RegionStore(options);
  }

  get stats(): TranslatorStats {
    const { size: live, dropped } = this.#store;
    return {
      live,
      awaited: this.#awaited.size,
      compiled: this.#compiled,
      instructions: this.#instructions,
      wasmBytes: this.#wasmBytes,
      dropped: { ...dropped },
      hartMs: (this.#hartTicks * 1000) / TIMEBASE_HZ,
      threadMs: this.#threadMs,
    };
  }

  /** Takes note of where the hart has stopped, and translates there if it is worth it. */
  sample(): void {
    const now = this.#options.now();
    const earned = (now - this.#sampledAt) * TRANSLATION_SHARE;
    this.#credit = Math.min(MAX_CREDIT, this.#credit + earned);
    this.#sampledAt = now;
    this.#store.collectGarbage();
    this.#renew();
    this.#translateWhatIsHot();
    this.#sampledAt = this.#options.now();
    this.#credit -= this.#sampledAt - now;
    this.#hartTicks += this.#sampledAt - now;
  }

  #translateWhatIsHot(): void {
    const entry = this.#entryAtPc();
    if (entry === 0) return;
    const op = this.#data.getUint16(entry + ENTRY.op, true);
    if (op >= TRANSLATION.firstOp || op === SpecialOp.straddle) return;
    if (this.#options.policy === "eager") {
      this.#translateHere(Number.POSITIVE_INFINITY);
      return;
    }
    const place = Math.floor(entry / SAMPLED_ENTRY_BYTES);
    const count = (this.#samples.get(place) ?? 0) + 1;
    if (this.#samples.size >= MAX_COUNTED) this.#samples.clear();
    this.#samples.set(place, count);
    // Looked at when the count has doubled: what is translated again and again has to wait longer.
    if (count < HOT_SAMPLES || (count & (count - 1)) !== 0) return;
    if (this.#isBusy()) {
      this.#samples.set(place, count - 1);
      return;
    }
    if (this.#translateHere(count / HOT_SAMPLES)) this.#samples.delete(place);
  }

  /** Translates one region again that is mapped now; the old one is entered until that is done. */
  #renew(): void {
    for (const placed of this.#toRenew) {
      if (this.#isBusy()) return;
      const record = recordOf(placed.index);
      const base = this.#data.getBigUint64(record + REGION_RECORD.pageBase, true);
      const dataTlb = this.#data.getUint32(record + REGION_RECORD.dataTlb, true);
      const isThere = this.#store.has(placed);
      if (isThere && this.#slotAt(base) !== placed.slots[0]) continue;
      // The new one refuses as the old one does whenever data is looked up by another table.
      if (isThere && this.#data.getUint32(FIELD.dataTlb, true) !== dataTlb) continue;
      this.#toRenew.delete(placed);
      if (!isThere) continue;
      const start = base + BigInt(placed.origin & (PAGE_BYTES - 1));
      this.#translate(start, start, false);
      return;
    }
  }

  /** Whether what is hot has to wait: it is looked at again when it is met the next time. */
  #isBusy(): boolean {
    if (this.#awaited.size >= MAX_AWAITED) return true;
    return this.#options.policy === "hot" && this.#credit < 0;
  }

  /** The page with this code slot has changed, or lost its decoded code. */
  dropSlot(slot: number): void {
    this.#store.dropSlot(slot);
  }

  /** Drops the region with this record if it has a breakpoint where its first page is at `pageBase`. */
  dropsAt(record: number, pageBase: bigint): boolean {
    const placed = this.#store.at((record - REGION_RECORD.base) / REGION_RECORD.bytes);
    if (placed === undefined) return true;
    if (!this.#options.points.isWithin(placed.ranges, pageBase)) return false;
    this.#store.drop(placed, "breakpoint");
    return true;
  }

  /** Notes a retreat of the region with this record. Regions that retreat often are made better. */
  retreated(record: number): void {
    this.#data.setUint32(record + REGION_RECORD.retreats, 0, true);
    const placed = this.#store.at((record - REGION_RECORD.base) / REGION_RECORD.bytes);
    if (placed === undefined) return;
    const now = this.#options.now();
    const notes = this.#retreats.get(placed) ?? { since: now, places: [] };
    this.#retreats.set(placed, notes);
    notes.places.push(ExitInfo.placeIn(this.#data.getInt32(FIELD.regionExit, true)));
    if (notes.places.length < MAX_RETREATS / RETREATS_NOTED) return;
    this.#retreats.delete(placed);
    const { origin } = placed;
    if (now - notes.since < BUSY_RETREATING_TICKS) {
      if (this.#careful.size >= MAX_CAREFUL) this.#careful.clear();
      this.#careful.add(origin);
      this.#store.drop(placed, "retreating");
      return;
    }
    const blamed = placesToBlame(notes.places);
    const known = this.#narrow.get(origin) ?? [];
    const found = blamed.filter((place) => !known.includes(place));
    if (found.length === 0) return;
    if (this.#narrow.size >= MAX_CAREFUL) this.#narrow.clear();
    this.#narrow.set(origin, [...known, ...found]);
    this.#toRenew.add(placed);
  }

  /** Forgets everything, as at power-on. */
  clear(): void {
    this.#store.dropAll();
    this.#careful.clear();
    this.#narrow.clear();
    this.#toRenew.clear();
    this.#times.clear();
    this.#patches.clear();
    this.#full.clear();
    this.#samples.clear();
    this.#credit = FIRST_CREDIT;
  }

  /**
   * Translates the function around the hart's pc, or failing that the code from there on. `heat` is how
   * often as many samples were met as the first translation needs; false if that is not yet enough.
   */
  #translateHere(heat: number): boolean {
    const pc = this.#data.getBigUint64(FIELD.pc, true);
    if (this.#options.policy === "eager") return this.#translate(pc, pc, false) === "done";
    const start = this.#functionAround(pc);
    if (start !== undefined && this.#translateFunction(start, pc)) return true;
    const times = this.#times.get(this.#originOf(pc)) ?? 0;
    return 2 ** times <= heat && this.#translate(pc, pc, true) === "done";
  }

  /**
   * Translates a function if it has not been, or if much of it turned out to be missing since: what is
   * met outside of its region gets regions of its own at first.
   */
  #translateFunction(start: bigint, pc: bigint): boolean {
    const origin = this.#originOf(start);
    if (this.#full.has(origin)) return false;
    const times = this.#times.get(origin) ?? 0;
    const patches = this.#patches.get(origin) ?? 0;
    if (times > 0 && patches < 2 ** times) {
      this.#patches.set(origin, patches + 1);
      return false;
    }
    this.#patches.delete(origin);
    const outcome = this.#translate(start, pc, false);
    if (outcome === "elsewhere") this.#countTime(origin);
    return outcome === "done";
  }

  #countTime(origin: number): void {
    if (this.#times.size >= MAX_COUNTED) {
      this.#times.clear();
      this.#patches.clear();
      this.#full.clear();
    }
    this.#times.set(origin, Math.min((this.#times.get(origin) ?? 0) + 1, MAX_DOUBLINGS));
  }

  /** Host address of the code at a guest address; 0 if its page is not known. */
  #originOf(address: bigint): number {
    const slot = this.#slotAt(address & ~0xfffn);
    return slot === 0 ? 0 : this.#data.getUint32(slot + SLOT.host, true) + Number(address & 0xfffn);
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

  /** Translates from `start` on, if that leads to `pc`; as a patch only what no region has yet. */
  #translate(start: bigint, pc: bigint, isPatch: boolean): "done" | "later" | "elsewhere" {
    const base = start & ~0xfffn;
    const slot = this.#slotAt(base);
    if (slot === 0) return "elsewhere";
    const origin = this.#originOf(start);
    if (this.#awaited.has(origin)) return "later";
    const slots = new Map<number, number>([[0, slot]]);
    const { points } = this.#options;
    const isBroken = (place: number): boolean =>
      points.breakpoints.length > 0 && points.hasBreakpoint(base + BigInt(place));
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
        isWanted: (distance, place) => {
          if (isBroken(distance * PAGE_BYTES + place)) return false;
          const page = slots.get(distance) ?? 0;
          const op = this.#data.getUint16(page + (place / 2) * ENTRY.bytes, true);
          // Entries are decoded when they are first executed.
          return eager || (op !== SpecialOp.decode && !(isPatch && op >= TRANSLATION.firstOp));
        },
        jumpTargets: (at) => this.#jumpTargets(base, at),
      },
      Number(start - base),
      offset,
    );
    if (!region.entries.some((block) => region.blocks[block].at === offset)) return "elsewhere";
    this.#countTime(origin);
    if (region.isFull) this.#full.add(origin);
    this.#compile(region, slots, origin);
    return "done";
  }

  #compile(region: Region, slots: ReadonlyMap<number, number>, origin: number): void {
    const placed = this.#store.place(
      region,
      region.pages.map((page) => slots.get(page) ?? 0),
      origin,
    );
    const place = {
      record: recordOf(placed.index),
      dataTlb: this.#data.getUint32(FIELD.dataTlb, true),
      links: placed.links.map(linkOf),
      lean: !this.#careful.has(origin),
      narrow: this.#narrow.get(origin) ?? [],
    };
    const { compiler, shape: memory, now } = this.#options;
    const instructions = region.blocks.reduce((sum, block) => sum + block.instructions.length, 0);
    if (compiler === undefined) {
      this.#install(placed, compileHere(region, place, memory), instructions);
      return;
    }
    this.#awaited.add(origin);
    compiler.compile({ region: packRegion(region), place, memory }, (compiled) => {
      const start = now();
      this.#awaited.delete(origin);
      this.#threadMs += compiled.threadMs;
      // What is compiled costs more than that time: the engine's own work on it, and caches.
      this.#credit -= (compiled.threadMs * TIMEBASE_HZ) / 1000;
      // What it was made from may have changed meanwhile.
      if (this.#store.has(placed)) this.#install(placed, compiled, instructions);
      this.#hartTicks += now() - start;
    });
  }

  #install(placed: Placed, { module, bytes }: CompiledRegion, instructions: number): void {
    this.#store.install(placed, module);
    this.#compiled++;
    this.#wasmBytes += bytes;
    this.#instructions += instructions;
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

/** The places that stand out among those of retreats. */
function placesToBlame(places: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1);
  return [...counts].flatMap(([place, n]) => (n >= places.length * BLAMED_SHARE ? [place] : []));
}
