/** One hart: its state in linear memory, and the generated code that runs it. */
import type { AccessSize, Bus } from "../bus/bus.ts";
import type { GuestMemory, RamRegion } from "../memory/guest-memory.ts";
import { CodeCache } from "./code-cache.ts";
import { DebugPoints } from "./debug-points.ts";
import {
  type EcallHandler,
  type HartDebug,
  type HartPort,
  type HartStart,
  Interrupt,
  type PrivilegeMode,
  type RunExit,
} from "./hart-port.ts";
import { type HartState, loadHart, saveHart } from "./hart-state.ts";
import { buildInterpreter, ExitCode } from "./interpreter.ts";
import type { RegionCompiler } from "./jit/compiler.ts";
import type { CodeSpace } from "./jit/region-store.ts";
import { type TranslationPolicy, Translator } from "./jit/translator.ts";
import type { TranslatorStats } from "./jit/translator-stats.ts";
import {
  CSR_MAP_BASE,
  F_BASE,
  FIELD,
  HART_MEMORY_BYTES,
  MAX_REGIONS,
  type NarrowField,
  PMP_ENTRIES,
  TLB_LOG,
  WASM_PAGE,
  WINDOW_MAP,
  type WideField,
  WRITTEN_MAP,
  X_BASE,
} from "./layout.ts";
import { PmpRegisters } from "./pmp.ts";
import { Menvcfg, Mode, Mstatus, modeOf } from "./state.ts";
import { type TlbStats, tlbStats } from "./tlb-stats.ts";

export { HART_MEMORY_BYTES };

const TWO_32 = 0x1_0000_0000;
const STIP = 1 << 5;
/** The budget between two runs: counters are read before an instruction that has been counted. */
const IDLE_BUDGET = -1;
/** pmpcfg of an entry that grants everything: NAPOT, RWX. */
const PMP_ALL = 0x1fn;
/** S-mode may use all CBO instructions; CBO.INVAL flushes, which reveals no old data. */
const CACHE_BLOCKS = BigInt((1 << 4) | Menvcfg.CBCFE | Menvcfg.CBZE);

export interface HartOptions {
  readonly id: number;
  /** `HART_MEMORY_BYTES` for the hart at its start, and the RAM right behind them. */
  readonly memory: WebAssembly.Memory;
  readonly ram: RamRegion;
  /** What `buildInterpreter` makes for this kind of memory, if somebody has compiled it already. */
  readonly interpreter?: WebAssembly.Module;
  readonly guestMemory: GuestMemory;
  readonly bus: Bus;
  /** Ticks of `TIMEBASE_HZ`. */
  readonly time: () => number;
  /**
   * Translated code has used up the budget of `run`: how many more instructions it may run before it
   * asks again; 0 (the default) ends the run.
   */
  readonly poll?: () => number;
  /** Answers ECALL from S-mode when the hart was started in S-mode. */
  readonly ecall?: EcallHandler;
  /** Whether hot code (the default), all code or none is translated to WebAssembly. */
  readonly translate?: TranslationPolicy | "never";
  /** Compiles what is translated on another thread; without it the hart does so itself. */
  readonly compiler?: RegionCompiler;
}

interface Exports {
  run(budget: number): number;
  flush_all(): void;
  csr_peek(row: number): void;
  csr_poke(row: number, value: bigint): void;
  fill_csr_map(): void;
  decode(entry: number): void;
  update_contexts_now(): void;
}

const EXITS: Record<number, RunExit> = {
  [ExitCode.budget]: "budget",
  [ExitCode.wfi]: "wfi",
  [ExitCode.stop]: "stop",
  [ExitCode.debug]: "debug",
};

export class Hart implements HartPort {
  readonly id: number;
  readonly debug: HartDebug;
  readonly #options: HartOptions;
  readonly #data: DataView;
  readonly #code: CodeCache;
  readonly #pmp: PmpRegisters;
  readonly #points: DebugPoints;
  #core: WebAssembly.Module | undefined;
  #exports: Exports;
  #table = newTable();
  readonly #translator: Translator | undefined;
  #exact: Exports | undefined;
  #executed = 0;
  /** Instructions granted by `poll` since the last run began. */
  #granted = 0;

  /** @throws RangeError if the memory does not hold the hart's part and the RAM behind it. */
  constructor(options: HartOptions) {
    const { memory, ram } = options;
    if (ram.offset !== HART_MEMORY_BYTES || memory.buffer.byteLength < ram.offset + ram.size) {
      throw new RangeError("the memory does not hold the hart's state and the RAM");
    }
    this.id = options.id;
    this.#options = options;
    this.#data = new DataView(memory.buffer);
    this.#code = new CodeCache(memory.buffer, ram);
    this.#pmp = new PmpRegisters(this.#data, FIELD.pmpActive);
    this.#points = new DebugPoints(memory.buffer, () => this.flushTlb());
    this.debug = {
      points: this.#points,
      step: () => this.#stepOver(),
      setPc: (value) => this.#goTo(value),
      setMode: (mode) => this.#setMode(mode),
      pokeCsr: (csr, value) => this.#pokeCsr(csr, value),
    };
    options.guestMemory.observeWrites((gpa, length) => {
      const host = options.guestMemory.offsetOf(gpa, length);
      if (host >= 0) this.#code.written(host, length);
    });
    options.guestMemory.observeWindows((...blocks) => this.#mapWindow(...blocks));
    options.guestMemory.shareWritten(
      new Uint8Array(memory.buffer, WRITTEN_MAP.base, WRITTEN_MAP.bytes),
      () => this.flushTlb(),
    );
    this.#core = options.interpreter;
    this.#exports = this.#instantiate(false);
    this.#exports.fill_csr_map();
    const { translate = "hot" } = options;
    if (translate !== "never") this.#translator = this.#createTranslator(translate);
    this.#code.onDrop = (slot) => this.#translator?.dropSlot(slot);
  }

  reset(start: HartStart): void {
    this.#translator?.clear();
    new Uint8Array(this.#data.buffer, 0, HART_MEMORY_BYTES).fill(0, X_BASE, CSR_MAP_BASE);
    this.#code.clear();
    const { ram } = this.#options;
    this.#setBig("ramBase", BigInt(ram.base));
    this.#setBig("ramBytes", BigInt(ram.size));
    this.#setBig("mhartid", BigInt(this.id));
    this.#setBig("mstatus", Mstatus.XL);
    this.#setBig("stimecmp", -1n);
    this.#set("mode", start.mode === "S" ? Mode.S : Mode.M);
    this.setX(10, BigInt(start.a0));
    this.setX(11, BigInt(start.a1));
    this.setPc(BigInt(start.pc));
    if (start.mode === "S") this.#grantSupervisor();
    this.#renew();
    this.#executed = 0;
  }

  save(): HartState {
    return saveHart(this.#data, this.#executed);
  }

  load(state: HartState): void {
    this.reset({ pc: 0, mode: "M", a0: 0, a1: 0 });
    loadHart(this.#data, state);
    this.#renew();
    this.#executed = state.executed;
  }

  /** Makes anew what is derived from the state. */
  #renew(): void {
    this.#pmp.update();
    // The log of fills is gone: the flush touches all entries.
    this.#setBig("tlbFills", BigInt(TLB_LOG.count));
    this.#set("budget", IDLE_BUDGET);
    this.#exports.flush_all();
    this.#setBig("tlbFilled", 0n);
    this.#exports.update_contexts_now();
    this.#points.restore();
  }

  run(maxInstructions: number): RunExit {
    const exit = this.#run(this.#exports, maxInstructions);
    if (exit === "budget") this.#translator?.sample();
    return exit;
  }

  /** Runs exactly this many instructions, or fewer if something ends the run; traps count as one. */
  step(instructions: number): RunExit {
    this.#exact ??= this.#instantiate(true);
    return this.#run(this.#exact, instructions);
  }

  requestStop(): void {
    this.#set("stopRequested", 1);
    this.#set("attention", 1);
  }

  setInterrupt(cause: Interrupt, high: boolean): void {
    // SSIP has no wire: an IPI sets the bit of mip that software itself clears.
    const field = cause === Interrupt.supervisorSoftware ? "mipSoft" : "mipLines";
    const pending = this.#get(field);
    const bit = 1 << cause;
    this.#set(field, high ? pending | bit : pending & ~bit);
    this.#set("attention", 1);
  }

  nextTimerTick(): number {
    if (!this.#sstc()) return Number.POSITIVE_INFINITY;
    const at = FIELD.stimecmp;
    return this.#data.getUint32(at + 4, true) * TWO_32 + this.#data.getUint32(at, true);
  }

  updateTimer(): void {
    const lines = this.#get("mipLines");
    const due = this.#sstc() && this.#options.time() >= this.nextTimerTick();
    const next = due ? lines | STIP : lines & ~STIP;
    if (next === lines) return;
    this.#set("mipLines", next);
    this.#set("attention", 1);
  }

  instructionCount(): number {
    return this.#executed;
  }

  get translation(): TranslatorStats | undefined {
    return this.#translator?.stats;
  }

  tlb(): TlbStats {
    return tlbStats(this.#data);
  }

  mode(): PrivilegeMode {
    return modeOf(this.#get("mode"));
  }

  pc(): bigint {
    return this.#data.getBigUint64(FIELD.pc, true);
  }

  setPc(value: bigint): void {
    this.#setBig("pc", value);
  }

  getX(index: number): bigint {
    return index === 0 ? 0n : this.#data.getBigUint64(X_BASE + index * 8, true);
  }

  setX(index: number, value: bigint): void {
    if (index !== 0) this.#data.setBigUint64(X_BASE + index * 8, BigInt.asUintN(64, value), true);
  }

  getF(index: number): bigint {
    return this.#data.getBigUint64(F_BASE + index * 8, true);
  }

  setF(index: number, value: bigint): void {
    this.#data.setBigUint64(F_BASE + index * 8, BigInt.asUintN(64, value), true);
  }

  peekCsr(csr: number): bigint | undefined {
    const row = this.#data.getUint8(CSR_MAP_BASE + (csr & 0xfff));
    if (row === 0) return undefined;
    const scratch = this.#data.getBigUint64(FIELD.scratch, true);
    this.#exports.csr_peek(row);
    const value = this.#data.getBigUint64(FIELD.scratch, true);
    this.#setBig("scratch", scratch);
    return value;
  }

  setTimer(tick: bigint): void {
    this.#setBig("stimecmp", tick);
    this.updateTimer();
  }

  flushTlb(): void {
    // Translated code that is being executed must not go on with what it has looked up.
    this.#set("attention", 1);
    this.#exports.flush_all();
  }

  flushCode(): void {
    this.#translator?.clear();
    this.#code.clear();
  }

  #stepOver(): RunExit {
    // WFI may end at any time, and a request to stop is for longer runs.
    this.#set("waiting", 0);
    this.#set("stopRequested", 0);
    this.#set("interruptsHeld", 1);
    this.#points.isPassing = true;
    try {
      return this.step(1);
    } finally {
      this.#points.isPassing = false;
      this.#set("interruptsHeld", 0);
    }
  }

  #goTo(pc: bigint): void {
    this.setPc(pc);
    // A hart that waits does so at the instruction behind its WFI.
    this.#set("waiting", 0);
  }

  #setMode(mode: PrivilegeMode): void {
    this.#set("mode", Mode[mode]);
    this.#set("attention", 1);
    this.#exports.update_contexts_now();
  }

  #pokeCsr(csr: number, value: bigint): boolean {
    const row = this.#data.getUint8(CSR_MAP_BASE + (csr & 0xfff));
    // The two highest bits of a number say that it is read-only (Privileged Architecture, 2.1).
    if (row === 0 || csr >> 10 === 3) return false;
    // Writes to counters make up for what is left of the budget: between runs nothing is.
    this.#set("budget", 0);
    this.#exports.csr_poke(row, BigInt.asIntN(64, value));
    this.#set("budget", IDLE_BUDGET);
    return true;
  }

  /** Blocks of a window have appeared at `host`, or are gone if that is 0. */
  #mapWindow(gpa: number, length: number, host: number): void {
    const { base, blockBytes } = WINDOW_MAP;
    const first = (gpa - this.#options.ram.base) / blockBytes;
    for (let k = 0; k < length / blockBytes; k++) {
      const block = host === 0 ? 0 : host + k * blockBytes;
      this.#data.setUint32(base + (first + k) * 4, block, true);
    }
    this.flushTlb();
  }

  #run(code: Exports, maxInstructions: number): RunExit {
    this.#set("attention", 1);
    this.#set("trapCount", 0);
    this.#granted = 0;
    const exit = EXITS[code.run(maxInstructions)];
    this.#executed += maxInstructions + this.#granted - this.#data.getInt32(FIELD.budget, true);
    this.#executed -= this.#get("trapCount");
    this.#set("budget", IDLE_BUDGET);
    if (exit === "stop") this.#set("stopRequested", 0);
    return exit;
  }

  /** What firmware would have set up before entering S-mode. */
  #grantSupervisor(): void {
    this.#pmp.writeAddr(0, -1n);
    this.#pmp.writeCfg(0, PMP_ALL);
    this.#setBig("medeleg", 0xb1ffn);
    this.#setBig("mideleg", 0x222n);
    this.#setBig("menvcfg", Menvcfg.STCE | Menvcfg.ADUE | Menvcfg.PBMTE | CACHE_BLOCKS);
    // cycle, time and instret for S and U: the vDSO reads time directly.
    this.#set("mcounteren", 7);
    this.#set("scounteren", 7);
    this.#set("ecallHandled", this.#options.ecall === undefined ? 0 : 1);
  }

  #createTranslator(policy: TranslationPolicy): Translator {
    const { memory } = this.#options;
    return new Translator({
      policy,
      memory,
      compiler: this.#options.compiler,
      shape: { pages: memory.buffer.byteLength / WASM_PAGE, shared: isShared(memory) },
      ...this.#codeSpace(),
      renew: () => this.#renewCodeSpace(),
      now: this.#options.time,
      points: this.#points,
      decode: (entry) => this.#exports.decode(entry),
    });
  }

  #codeSpace(): CodeSpace {
    return { table: this.#table, core: this.#exports as unknown as CodeSpace["core"] };
  }

  /** Another instance of the same code, with an empty table. */
  #renewCodeSpace(): CodeSpace {
    this.#table = newTable();
    this.#exports = this.#instantiate(false);
    this.#exact = undefined;
    return this.#codeSpace();
  }

  #instantiate(exact: boolean): Exports {
    const module = (exact ? undefined : this.#core) ?? this.#build(exact);
    if (!exact) this.#core = module;
    const instance = new WebAssembly.Instance(module, {
      host: {
        memory: this.#options.memory,
        table: this.#table,
        ...this.#hostFunctions(),
        ...this.#debugFunctions(),
      },
    });
    return instance.exports as unknown as Exports;
  }

  #build(exact: boolean): WebAssembly.Module {
    const shared = isShared(this.#options.memory);
    return new WebAssembly.Module(buildInterpreter({ shared, exact }));
  }

  #hostFunctions(): Record<string, (...args: number[]) => unknown> {
    const { time, ecall, poll } = this.#options;
    return {
      poll: () => {
        const more = poll?.() ?? 0;
        this.#granted += more;
        return more;
      },
      // Wasm hands over addresses as signed numbers, and RAM may reach beyond 2^31.
      allocateSlot: (host) => this.#code.allocateSlot(host >>> 0),
      releaseSlot: (slot) => this.#code.releaseSlot(slot),
      dropTranslations: (slot) => this.#translator?.dropSlot(slot),
      retreated: (record) => this.#translator?.retreated(record),
      mmioRead: (gpa, size) => this.#mmioRead(gpa, size),
      mmioWrite: (gpa, size) => this.#mmioWrite(gpa, size),
      time,
      timerChanged: () => this.updateTimer(),
      pmpWrite: (register) => this.#pmpWrite(register),
      ecall: () => ecall?.ecall(this),
      rawBits: (entry) => this.#code.rawBits(entry),
    };
  }

  #debugFunctions(): Record<string, (...args: never[]) => unknown> {
    const points = this.#points;
    return {
      markBreakpoints: (slot: number, page: bigint) => points.mark(slot >>> 0, page),
      stopsAt: (pc: bigint) => points.stopsAt(pc),
      stopsAccess: (...access: [bigint, number, number]) => points.stopsAccess(...access),
      stopsAtomic: (...access: [bigint, number, number]) => points.stopsAtomic(...access),
      dropsRegion: (record: number, page: bigint) => this.#translator?.dropsAt(record, page),
    };
  }

  #mmioRead(gpa: number, size: number): number {
    const region = this.#options.bus.find(gpa, size);
    if (region === undefined) return 0;
    const offset = gpa - region.base;
    const width = Math.min(size, 4) as AccessSize;
    this.#data.setUint32(FIELD.scratch, region.handler.read(offset, width), true);
    if (size === 8) {
      this.#data.setUint32(FIELD.scratch + 4, region.handler.read(offset + 4, 4), true);
    }
    return 1;
  }

  #mmioWrite(gpa: number, size: number): number {
    const region = this.#options.bus.find(gpa, size);
    if (region === undefined) return 0;
    const offset = gpa - region.base;
    // Taken before the handler runs, which may use the scratch field itself.
    const low = this.#data.getUint32(FIELD.scratch, true);
    const high = this.#data.getUint32(FIELD.scratch + 4, true);
    const width = Math.min(size, 4) as AccessSize;
    region.handler.write(offset, width, size < 4 ? low & (2 ** (size * 8) - 1) : low);
    if (size === 8) region.handler.write(offset + 4, 4, high);
    return 1;
  }

  #pmpWrite(register: number): void {
    const value = this.#data.getBigUint64(FIELD.scratch, true);
    if (register < PMP_ENTRIES) this.#pmp.writeCfg(register, value);
    else this.#pmp.writeAddr(register - PMP_ENTRIES, value);
    this.#exports.flush_all();
  }

  #sstc(): boolean {
    return this.#data.getInt32(FIELD.menvcfg + 4, true) < 0;
  }

  #get(field: NarrowField): number {
    return this.#data.getUint32(FIELD[field], true);
  }

  #set(field: NarrowField, value: number): void {
    this.#data.setUint32(FIELD[field], value, true);
  }

  #setBig(field: WideField, value: bigint): void {
    this.#data.setBigUint64(FIELD[field], BigInt.asUintN(64, value), true);
  }
}

const newTable = (): WebAssembly.Table =>
  new WebAssembly.Table({ element: "anyfunc", initial: MAX_REGIONS, maximum: MAX_REGIONS });

const isShared = (memory: WebAssembly.Memory): boolean => !(memory.buffer instanceof ArrayBuffer);
