/**
 * The advanced platform-level interrupt controller (AIA 1.0, chapter 4, `riscv,aplic`) as a register
 * face over the distributor: one S-level domain in direct delivery mode, hart h being target h.
 *
 * A smaller priority number is the more urgent here, and the greater in the distributor.
 */
import type { AccessSize, MmioHandler } from "../bus/bus.ts";
import { type Distributor, SPI_BASE, SPI_COUNT, type Trigger } from "./distributor.ts";

/** Bytes of the register window. */
export const APLIC_SIZE = 0x8000;

/** Register offsets (4.5). */
const DOMAINCFG = 0x0000;
const SOURCECFG = 0x0004;
const SETIP = 0x1c00;
const SETIPNUM = 0x1cdc;
const IN_CLRIP = 0x1d00;
const CLRIPNUM = 0x1ddc;
const SETIE = 0x1e00;
const SETIENUM = 0x1edc;
const CLRIE = 0x1f00;
const CLRIENUM = 0x1fdc;
const SETIPNUM_LE = 0x2000;
const SETIPNUM_BE = 0x2004;
const TARGET = 0x3004;
const IDC = 0x4000;

/** Registers of one hart's delivery control (4.8.1). */
const IDC_STRIDE = 32;
const IDELIVERY = 0x00;
const IFORCE = 0x04;
const ITHRESHOLD = 0x08;
const TOPI = 0x18;
const CLAIMI = 0x1c;

/** `domaincfg`: the top byte says that registers are little-endian (4.5.1). */
const DOMAINCFG_READ = 0x8000_0000;
const DOMAINCFG_IE = 0x100;

/** `sourcecfg`: no child domain, so delegation reads 0 (4.5.2). */
const SOURCECFG_DELEGATE = 0x400;
const INACTIVE = 0;
const MODES: Readonly<Record<number, readonly [trigger: Trigger, inverted: boolean]>> = {
  1: ["detached", false],
  4: ["edge", false],
  5: ["edge", true],
  6: ["level", false],
  7: ["level", true],
};

/** Eight bits of priority; 0 is taken for 1 (4.5.16). */
const PRIORITY_MAX = 0xff;
const HART_SHIFT = 18;

const WORD_REGISTERS = 0x80;

export interface AplicState {
  readonly version: 1;
  readonly enabled: boolean;
  readonly sourceMode: readonly number[];
  readonly target: readonly number[];
  readonly sourceEnabled: readonly number[];
  readonly delivery: readonly number[];
  readonly force: readonly number[];
  readonly threshold: readonly number[];
}

export class Aplic implements MmioHandler {
  readonly name = "aplic";
  readonly #distributor: Distributor;
  #enabled = false;
  readonly #sourceMode = new Uint8Array(SPI_COUNT + 1);
  /** As the register reads: hart index and priority. */
  readonly #target = new Uint32Array(SPI_COUNT + 1);
  readonly #sourceEnabled = new Uint8Array(SPI_COUNT + 1);
  readonly #delivery: Uint8Array;
  readonly #force: Uint8Array;
  readonly #threshold: Uint8Array;

  /** The distributor has the `claim` handshake and one target per hart. */
  constructor(distributor: Distributor) {
    this.#distributor = distributor;
    this.#delivery = new Uint8Array(distributor.targets);
    this.#force = new Uint8Array(distributor.targets);
    this.#threshold = new Uint8Array(distributor.targets);
    this.reset();
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= IDC && size === 4 && offset % IDC_STRIDE === CLAIMI) {
      return this.#claim(Math.floor((offset - IDC) / IDC_STRIDE));
    }
    return this.peek(offset, size);
  }

  /** `claimi` shows what a claim would return, without taking it. */
  peek(offset: number, size: AccessSize): number {
    if (size !== 4 || offset % 4 !== 0) return 0;
    if (offset === DOMAINCFG) return (DOMAINCFG_READ | (this.#enabled ? DOMAINCFG_IE : 0)) >>> 0;
    if (offset >= IDC) return this.#peekIdc(offset);
    const source = sourceAt(offset, SOURCECFG);
    if (source > 0) return this.#sourceMode[source];
    const targeted = sourceAt(offset, TARGET);
    if (targeted > 0) return this.#target[targeted];
    const word = (offset % WORD_REGISTERS) / 4;
    switch (offset - (offset % WORD_REGISTERS)) {
      case SETIP:
        return this.#distributor.pendingWord(word);
      case IN_CLRIP:
        return this.#inputWord(word);
      case SETIE:
        return wordOf(this.#sourceEnabled, word);
      default:
        return 0;
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || offset % 4 !== 0) return;
    if (offset === DOMAINCFG) this.#setEnabled((value & DOMAINCFG_IE) !== 0);
    else if (offset >= IDC) this.#writeIdc(offset, value);
    else if (sourceAt(offset, SOURCECFG) > 0) this.#configure(sourceAt(offset, SOURCECFG), value);
    else if (sourceAt(offset, TARGET) > 0) this.#retarget(sourceAt(offset, TARGET), value);
    else if (offset >= SETIP && offset <= SETIPNUM_BE) this.#writeBits(offset, value);
  }

  /** Power-on state: the domain off, every source inactive, nothing delivered. */
  reset(): void {
    this.#enabled = false;
    this.#delivery.fill(0);
    this.#force.fill(0);
    this.#threshold.fill(0);
    for (let source = 1; source <= SPI_COUNT; source++) this.#configure(source, INACTIVE);
    for (let hart = 0; hart < this.#distributor.targets; hart++) this.#applyIdc(hart);
  }

  save(): AplicState {
    return {
      version: 1,
      enabled: this.#enabled,
      sourceMode: [...this.#sourceMode],
      target: [...this.#target],
      sourceEnabled: [...this.#sourceEnabled],
      delivery: [...this.#delivery],
      force: [...this.#force],
      threshold: [...this.#threshold],
    };
  }

  /** Takes the face's own registers over; the distributor has a state of its own. */
  load(state: AplicState): void {
    this.#enabled = state.enabled;
    this.#sourceMode.set(state.sourceMode);
    this.#target.set(state.target);
    this.#sourceEnabled.set(state.sourceEnabled);
    this.#delivery.set(state.delivery);
    this.#force.set(state.force);
    this.#threshold.set(state.threshold);
  }

  #claim(hart: number): number {
    const top = this.#top(hart);
    if (top !== 0) this.#distributor.claim(hart);
    else if (hart < this.#distributor.targets) {
      // A claim of nothing ends a forced interrupt (4.8.1.5).
      this.#force[hart] = 0;
      this.#applyIdc(hart);
    }
    return top;
  }

  /** Source and priority of the most urgent interrupt beyond the threshold, or 0. */
  #top(hart: number): number {
    if (hart >= this.#distributor.targets) return 0;
    const intid = this.#distributor.top(hart);
    if (intid === 0) return 0;
    const source = intid - SPI_BASE;
    return (source << 16) | (this.#target[source] & PRIORITY_MAX);
  }

  #peekIdc(offset: number): number {
    const hart = Math.floor((offset - IDC) / IDC_STRIDE);
    switch (offset % IDC_STRIDE) {
      case IDELIVERY:
        return this.#delivery[hart] ?? 0;
      case IFORCE:
        return this.#force[hart] ?? 0;
      case ITHRESHOLD:
        return this.#threshold[hart] ?? 0;
      case TOPI:
      case CLAIMI:
        return this.#top(hart);
      default:
        return 0;
    }
  }

  #writeIdc(offset: number, value: number): void {
    const hart = Math.floor((offset - IDC) / IDC_STRIDE);
    if (hart >= this.#distributor.targets) return;
    switch (offset % IDC_STRIDE) {
      case IDELIVERY:
        this.#delivery[hart] = value & 1;
        break;
      case IFORCE:
        this.#force[hart] = value & 1;
        break;
      case ITHRESHOLD:
        this.#threshold[hart] = value & PRIORITY_MAX;
        break;
    }
    this.#applyIdc(hart);
  }

  #applyIdc(hart: number): void {
    const threshold = this.#threshold[hart];
    this.#distributor.setThreshold(hart, threshold === 0 ? 0 : urgency(threshold));
    this.#distributor.setForced(hart, this.#force[hart] !== 0);
    this.#distributor.setDelivery(hart, this.#enabled && this.#delivery[hart] !== 0);
  }

  #setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    for (let hart = 0; hart < this.#distributor.targets; hart++) this.#applyIdc(hart);
  }

  /** A source that becomes inactive loses its bits and its target; unknown modes are inactive. */
  #configure(source: number, value: number): void {
    const mode = (value & SOURCECFG_DELEGATE) === 0 ? value & 7 : INACTIVE;
    const [trigger, inverted] = MODES[mode] ?? ["detached", false];
    const intid = SPI_BASE + source;
    const wasActive = this.#sourceMode[source] !== INACTIVE;
    const active = MODES[mode] !== undefined;
    this.#sourceMode[source] = active ? mode : INACTIVE;
    this.#distributor.configure(intid, trigger, inverted);
    if (active && wasActive) return;
    if (!active) this.#distributor.setPending(intid, false);
    this.#sourceEnabled[source] = 0;
    this.#target[source] = active ? 1 : 0;
    this.#applySource(source);
  }

  #retarget(source: number, value: number): void {
    if (this.#sourceMode[source] === INACTIVE) return;
    const hart = value >>> HART_SHIFT;
    const priority = value & PRIORITY_MAX || 1;
    // A hart that does not exist is not accepted; the source stays with the one it had.
    const kept = hart < this.#distributor.targets ? hart : this.#target[source] >>> HART_SHIFT;
    this.#target[source] = ((kept << HART_SHIFT) | priority) >>> 0;
    this.#applySource(source);
  }

  #applySource(source: number): void {
    const intid = SPI_BASE + source;
    const hart = this.#target[source] >>> HART_SHIFT;
    this.#distributor.setPriority(intid, urgency(this.#target[source] & PRIORITY_MAX));
    for (let target = 0; target < this.#distributor.targets; target++) {
      const enabled = target === hart && this.#sourceEnabled[source] !== 0;
      this.#distributor.setEnabled(target, intid, enabled);
    }
  }

  #writeBits(offset: number, value: number): void {
    switch (offset) {
      case SETIPNUM:
      case SETIPNUM_LE:
        this.#setPending(value, true);
        break;
      case SETIPNUM_BE:
        this.#setPending(byteSwapped(value), true);
        break;
      case CLRIPNUM:
        this.#setPending(value, false);
        break;
      case SETIENUM:
        this.#enable(value, true);
        break;
      case CLRIENUM:
        this.#enable(value, false);
        break;
      default:
        this.#writeWord(offset, value);
    }
  }

  #writeWord(offset: number, value: number): void {
    const first = 8 * (offset % WORD_REGISTERS);
    const base = offset - (offset % WORD_REGISTERS);
    for (let bits = value >>> 0; bits !== 0; bits = (bits & (bits - 1)) >>> 0) {
      const source = first + 31 - Math.clz32(bits & -bits);
      if (base === SETIP) this.#setPending(source, true);
      else if (base === IN_CLRIP) this.#setPending(source, false);
      else if (base === SETIE) this.#enable(source, true);
      else if (base === CLRIE) this.#enable(source, false);
    }
  }

  #setPending(source: number, pending: boolean): void {
    if (this.#isActive(source)) this.#distributor.setPending(SPI_BASE + source, pending);
  }

  #enable(source: number, enabled: boolean): void {
    if (!this.#isActive(source)) return;
    this.#sourceEnabled[source] = enabled ? 1 : 0;
    this.#applySource(source);
  }

  #isActive(source: number): boolean {
    return source >= 1 && source <= SPI_COUNT && this.#sourceMode[source] !== INACTIVE;
  }

  /** Only edge and level sources have an input (4.5.7). */
  #inputWord(word: number): number {
    const connected = wordOf(
      this.#sourceMode.map((mode) => (mode >= 4 ? 1 : 0)),
      word,
    );
    return (this.#distributor.inputWord(word) & connected) >>> 0;
  }
}

/** The distributor's priority for an APLIC priority number; 0 stays 0. */
function urgency(priority: number): number {
  return priority === 0 ? 0 : PRIORITY_MAX + 1 - priority;
}

/** The source whose register of the array starting at `first` is at `offset`, or 0. */
function sourceAt(offset: number, first: number): number {
  const source = (offset - first) / 4 + 1;
  return source >= 1 && source <= SPI_COUNT ? source : 0;
}

function wordOf(flags: Uint8Array, word: number): number {
  let bits = 0;
  for (let i = 0; i < 32; i++) if ((flags[32 * word + i] ?? 0) !== 0) bits |= 1 << i;
  return bits >>> 0;
}

function byteSwapped(value: number): number {
  return (
    ((value >>> 24) | ((value >>> 8) & 0xff00) | ((value & 0xff00) << 8) | (value << 24)) >>> 0
  );
}
