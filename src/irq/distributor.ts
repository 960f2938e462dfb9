/**
 * The interrupt distributor: which shared peripheral interrupts are pending, active and enabled,
 * and which target's wire is high. The PLIC and the APLIC are register faces over this one core.
 *
 * Source s of a face is INTID 32 + s; source 0 does not exist. Bit s of a word array is source s.
 */
import type { IrqLine } from "./irq-line.ts";
import type { IrqObserver } from "./observer.ts";

/** INTID of source 0, as a GIC numbers its shared peripheral interrupts. */
export const SPI_BASE = 32;

/** Sources 1 to 95: `riscv,ndev` and `riscv,num-sources` of the device tree. */
export const SPI_COUNT = 95;

/** Words of 32 sources each, source 0 included. */
const SPI_WORDS = (SPI_COUNT + 1) / 32;

/** How an input becomes pending; a detached source only by software. */
export type Trigger = "edge" | "level" | "detached";

/**
 * When an interrupt may be delivered again. `complete`: claimed sources are active until they are
 * completed, and a level that fell stays requested (PLIC 1.0.0). `claim`: there is no active state,
 * and the pending bit of a level source is its wire (AIA 1.0, 4.7).
 */
export type Handshake = "complete" | "claim";

export interface DistributorOptions {
  /** Number of wires to harts. */
  readonly targets: number;
  readonly handshake: Handshake;
  /** Called whenever the wire of a target changes. */
  readonly onWire: (target: number, high: boolean) => void;
}

/** One source as the inspector shows it. */
export interface SpiSnapshot {
  readonly intid: number;
  readonly trigger: Trigger;
  readonly level: boolean;
  readonly pending: boolean;
  readonly active: boolean;
  /** The target that claimed it, or -1. */
  readonly activeTarget: number;
  readonly priority: number;
  readonly enabledTargets: readonly number[];
  readonly pulses: number;
  readonly claims: number;
}

/** Structured-clonable state, version 1. */
export interface DistributorState {
  readonly version: 1;
  readonly words: { readonly [name in WordName]: readonly number[] };
  readonly priority: readonly number[];
  readonly activeTarget: readonly number[];
  readonly threshold: readonly number[];
  readonly delivery: readonly number[];
  readonly forced: readonly number[];
}

type WordName = "pending" | "active" | "level" | "edgeMode" | "levelMode" | "inverted" | "enabled";

const NO_TARGET = -1;

export class Distributor {
  readonly targets: number;
  readonly handshake: Handshake;
  /** Told of what happens, in their order. */
  observers: readonly IrqObserver[] = [];
  readonly #onWire: (target: number, high: boolean) => void;
  readonly #pending = new Uint32Array(SPI_WORDS);
  readonly #active = new Uint32Array(SPI_WORDS);
  readonly #level = new Uint32Array(SPI_WORDS);
  readonly #edgeMode = new Uint32Array(SPI_WORDS).fill(0xffff_ffff);
  readonly #levelMode = new Uint32Array(SPI_WORDS);
  readonly #inverted = new Uint32Array(SPI_WORDS);
  /** `SPI_WORDS` words per target. */
  readonly #enabled: Uint32Array;
  /** 0 = never delivered; otherwise the greater is the more urgent. */
  readonly #priority = new Uint16Array(SPI_COUNT + 1);
  readonly #activeTarget = new Int16Array(SPI_COUNT + 1).fill(NO_TARGET);
  readonly #threshold: Uint16Array;
  readonly #delivery: Uint8Array;
  readonly #forced: Uint8Array;
  readonly #wire: Uint8Array;
  readonly #pulses = new Uint32Array(SPI_COUNT + 1);
  readonly #claims = new Uint32Array(SPI_COUNT + 1);

  constructor(options: DistributorOptions) {
    this.targets = options.targets;
    this.handshake = options.handshake;
    this.#onWire = options.onWire;
    this.#enabled = new Uint32Array(options.targets * SPI_WORDS);
    this.#threshold = new Uint16Array(options.targets);
    this.#delivery = new Uint8Array(options.targets).fill(1);
    this.#forced = new Uint8Array(options.targets);
    this.#wire = new Uint8Array(options.targets);
  }

  /** The wire of one device. @throws RangeError if `intid` is no SPI of this distributor. */
  line(intid: number): IrqLine {
    this.#source(intid);
    return {
      pulse: () => this.pulseSpi(intid),
      setLevel: (high) => this.setSpiLevel(intid, high),
    };
  }

  /** A rising and a falling edge. While the source is active the edge stays latched. */
  pulseSpi(intid: number): void {
    const source = this.#source(intid);
    this.#pulses[source]++;
    this.#tellPulsed(intid);
    this.#drive(source, true);
    this.#drive(source, false);
    this.#refresh();
  }

  setSpiLevel(intid: number, high: boolean): void {
    const source = this.#source(intid);
    if (has(this.#level, source) === high) return;
    if (high) {
      this.#pulses[source]++;
      this.#tellPulsed(intid);
    }
    this.#drive(source, high);
    this.#refresh();
  }

  /**
   * Takes the most urgent interrupt for `target`; 0 if there is none. With the `complete` handshake
   * the threshold has no part in the choice (PLIC 1.0.0, chapter 9), with `claim` it has.
   */
  claim(target: number): number {
    const source = this.#best(target, this.handshake === "claim");
    if (source === 0) return 0;
    this.#claims[source]++;
    for (const observer of this.observers) observer.claimed?.(target, SPI_BASE + source);
    if (this.handshake === "complete") {
      put(this.#pending, source, false);
      put(this.#active, source, true);
      this.#activeTarget[source] = target;
    } else if (!has(this.#levelMode, source)) {
      put(this.#pending, source, false);
    }
    this.#refresh();
    return SPI_BASE + source;
  }

  /** Ends the service of `intid`. Ignored unless it is active and enabled for `target`. */
  complete(target: number, intid: number): void {
    const source = intid - SPI_BASE;
    if (!isSource(source) || !has(this.#active, source)) return;
    if (!has(this.#enabled, source, target * SPI_WORDS)) return;
    for (const observer of this.observers) observer.completed?.(target, intid);
    put(this.#active, source, false);
    this.#activeTarget[source] = NO_TARGET;
    if (has(this.#levelMode, source) && this.#input(source)) put(this.#pending, source, true);
    this.#refresh();
  }

  /** What `claim` would take, and changes nothing. */
  top(target: number): number {
    const source = this.#best(target, this.handshake === "claim");
    return source === 0 ? 0 : SPI_BASE + source;
  }

  /** An inverted source is triggered by a falling edge or a low level. */
  configure(intid: number, trigger: Trigger, inverted = false): void {
    const source = this.#source(intid);
    const before = this.#input(source);
    put(this.#edgeMode, source, trigger === "edge");
    put(this.#levelMode, source, trigger === "level");
    put(this.#inverted, source, inverted);
    this.#sense(source, before);
    this.#refresh();
  }

  priority(intid: number): number {
    return this.#priority[intid - SPI_BASE] ?? 0;
  }

  setPriority(intid: number, priority: number): void {
    this.#priority[this.#source(intid)] = priority;
    this.#refresh();
  }

  threshold(target: number): number {
    return this.#threshold[target];
  }

  /** Only greater priorities raise the wire. */
  setThreshold(target: number, threshold: number): void {
    this.#threshold[target] = threshold;
    this.#refresh();
  }

  /** Word `word` has the sources 32 * word and up. */
  pendingWord(word: number): number {
    return this.#pending[word] ?? 0;
  }

  /** The inputs after inversion. */
  inputWord(word: number): number {
    return ((this.#level[word] ^ this.#inverted[word]) & existing(word)) >>> 0;
  }

  /** Pending by software. With the `claim` handshake a level source follows its wire alone. */
  setPending(intid: number, pending: boolean): void {
    const source = this.#source(intid);
    if (this.handshake === "claim" && has(this.#levelMode, source)) return;
    put(this.#pending, source, pending);
    this.#refresh();
  }

  enabledWord(target: number, word: number): number {
    return word < SPI_WORDS ? this.#enabled[target * SPI_WORDS + word] : 0;
  }

  setEnabledWord(target: number, word: number, bits: number): void {
    if (word >= SPI_WORDS) return;
    this.#enabled[target * SPI_WORDS + word] = bits & existing(word);
    this.#refresh();
  }

  setEnabled(target: number, intid: number, enabled: boolean): void {
    put(this.#enabled, this.#source(intid), enabled, target * SPI_WORDS);
    this.#refresh();
  }

  /** Whether the wire of `target` may rise at all. Initially it may. */
  setDelivery(target: number, on: boolean): void {
    this.#delivery[target] = on ? 1 : 0;
    this.#refresh();
  }

  /** Holds the wire of `target` high without any source, as the APLIC's `iforce` does. */
  setForced(target: number, on: boolean): void {
    this.#forced[target] = on ? 1 : 0;
    this.#refresh();
  }

  wire(target: number): boolean {
    return this.#wire[target] !== 0;
  }

  /** Every source that has a priority, is enabled, or has ever been pulsed; no side effects. */
  inspect(): readonly SpiSnapshot[] {
    const shown: SpiSnapshot[] = [];
    for (let source = 1; source <= SPI_COUNT; source++) {
      const enabledTargets: number[] = [];
      for (let target = 0; target < this.targets; target++) {
        if (has(this.#enabled, source, target * SPI_WORDS)) enabledTargets.push(target);
      }
      const pulses = this.#pulses[source];
      if (this.#priority[source] === 0 && pulses === 0 && enabledTargets.length === 0) continue;
      shown.push({
        intid: SPI_BASE + source,
        trigger: this.#triggerOf(source),
        level: has(this.#level, source),
        pending: has(this.#pending, source),
        active: has(this.#active, source),
        activeTarget: this.#activeTarget[source],
        priority: this.#priority[source],
        enabledTargets,
        pulses,
        claims: this.#claims[source],
      });
    }
    return shown;
  }

  /** Power-on state; the levels of the lines and the trigger modes belong to the devices and stay. */
  reset(): void {
    for (const words of [this.#pending, this.#active, this.#enabled]) words.fill(0);
    this.#priority.fill(0);
    this.#activeTarget.fill(NO_TARGET);
    this.#threshold.fill(0);
    this.#delivery.fill(1);
    this.#forced.fill(0);
    for (let source = 1; source <= SPI_COUNT; source++) this.#sense(source, this.#input(source));
    this.#refresh();
  }

  save(): DistributorState {
    return {
      version: 1,
      words: {
        pending: [...this.#pending],
        active: [...this.#active],
        level: [...this.#level],
        edgeMode: [...this.#edgeMode],
        levelMode: [...this.#levelMode],
        inverted: [...this.#inverted],
        enabled: [...this.#enabled],
      },
      priority: [...this.#priority],
      activeTarget: [...this.#activeTarget],
      threshold: [...this.#threshold],
      delivery: [...this.#delivery],
      forced: [...this.#forced],
    };
  }

  /** Takes a saved state over and drives every wire anew. @throws RangeError for other sizes. */
  load(state: DistributorState): void {
    this.#pending.set(state.words.pending);
    this.#active.set(state.words.active);
    this.#level.set(state.words.level);
    this.#edgeMode.set(state.words.edgeMode);
    this.#levelMode.set(state.words.levelMode);
    this.#inverted.set(state.words.inverted);
    this.#enabled.set(state.words.enabled);
    this.#priority.set(state.priority);
    this.#activeTarget.set(state.activeTarget);
    this.#threshold.set(state.threshold);
    this.#delivery.set(state.delivery);
    this.#forced.set(state.forced);
    this.#refresh();
  }

  #source(intid: number): number {
    const source = intid - SPI_BASE;
    if (!isSource(source)) throw new RangeError(`INTID ${intid} is no shared peripheral interrupt`);
    return source;
  }

  #triggerOf(source: number): Trigger {
    if (has(this.#edgeMode, source)) return "edge";
    return has(this.#levelMode, source) ? "level" : "detached";
  }

  #tellPulsed(intid: number): void {
    for (const observer of this.observers) observer.pulsed?.(intid);
  }

  /** The input after inversion. */
  #input(source: number): boolean {
    return has(this.#level, source) !== has(this.#inverted, source);
  }

  #drive(source: number, high: boolean): void {
    const before = this.#input(source);
    put(this.#level, source, high);
    this.#sense(source, before);
  }

  /** Applies the trigger rule to the present input. */
  #sense(source: number, before: boolean): void {
    const now = this.#input(source);
    if (has(this.#edgeMode, source)) {
      if (now && !before) put(this.#pending, source, true);
    } else if (has(this.#levelMode, source)) {
      if (this.handshake === "claim") put(this.#pending, source, now);
      else if (now && !has(this.#active, source)) put(this.#pending, source, true);
    }
  }

  /** The most urgent deliverable source, ties to the lowest number, or 0. */
  #best(target: number, withThreshold: boolean): number {
    let best = 0;
    let bestPriority = withThreshold ? this.#threshold[target] : 0;
    for (let word = 0; word < SPI_WORDS; word++) {
      let bits =
        this.#pending[word] & ~this.#active[word] & this.#enabled[target * SPI_WORDS + word];
      while (bits !== 0) {
        const source = 32 * word + 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        if (this.#priority[source] > bestPriority) {
          best = source;
          bestPriority = this.#priority[source];
        }
      }
    }
    return best;
  }

  #refresh(): void {
    for (let target = 0; target < this.targets; target++) {
      const asserted = this.#forced[target] !== 0 || this.#best(target, true) !== 0;
      const wire = asserted && this.#delivery[target] !== 0 ? 1 : 0;
      if (wire === this.#wire[target]) continue;
      this.#wire[target] = wire;
      this.#onWire(target, wire !== 0);
    }
  }
}

function isSource(source: number): boolean {
  return Number.isInteger(source) && source >= 1 && source <= SPI_COUNT;
}

/** All sources of a word but source 0. */
function existing(word: number): number {
  return word === 0 ? 0xffff_fffe : 0xffff_ffff;
}

function has(words: Uint32Array, source: number, firstWord = 0): boolean {
  return ((words[firstWord + (source >>> 5)] >>> (source & 31)) & 1) !== 0;
}

function put(words: Uint32Array, source: number, value: boolean, firstWord = 0): void {
  const bit = 1 << (source & 31);
  const word = firstWord + (source >>> 5);
  words[word] = value ? words[word] | bit : words[word] & ~bit;
}
