/**
 * Software interrupts and the machine timer: RISC-V ACLINT 1.0 in the layout of the SiFive CLINT.
 * Registers are 32 bits wide; a 64-bit one is two of them, low half first, and never a BigInt.
 */
import type { AccessSize, MmioHandler } from "../bus/bus.ts";
import type { AdjustableTimebase } from "./adjustable-timebase.ts";

/** Bytes of the register window. */
export const ACLINT_SIZE = 0x1_0000;

const MSIP = 0;
const MTIMECMP = 0x4000;
const MTIME = 0xbff8;

/** Four bytes of `msip` per hart up to `MTIMECMP` would allow 4095; `mtimecmp` allows this many. */
const HARTS_MAX = (MTIME - MTIMECMP) / 8;

/** The clock counts 53 bits (28,000 years), so the high half of `mtime` keeps 21 of its bits. */
const MTIME_HIGH_MASK = 0x1f_ffff;

const TWO_32 = 0x1_0000_0000;

export interface AclintOptions {
  readonly harts: number;
  readonly timebase: AdjustableTimebase;
  /** The machine software interrupt wire of a hart changed. */
  readonly onSoftware: (hart: number, high: boolean) => void;
  /** The machine timer interrupt wire of a hart changed. */
  readonly onTimer: (hart: number, high: boolean) => void;
}

/** Structured-clonable state, version 1; the clock itself belongs to the machine. */
export interface AclintState {
  readonly version: 1;
  readonly msip: readonly number[];
  readonly mtimecmp: readonly number[];
}

export class Aclint implements MmioHandler {
  readonly name = "aclint";
  readonly harts: number;
  readonly #options: AclintOptions;
  readonly #msip: Uint8Array;
  /** Low and high half per hart. All ones, which the clock never reaches, after reset. */
  readonly #mtimecmp: Uint32Array;
  readonly #mtip: Uint8Array;

  /** @throws RangeError for more harts than the layout has registers. */
  constructor(options: AclintOptions) {
    if (options.harts > HARTS_MAX)
      throw new RangeError(`the ACLINT has ${HARTS_MAX} harts at most`);
    this.harts = options.harts;
    this.#options = options;
    this.#msip = new Uint8Array(options.harts);
    this.#mtimecmp = new Uint32Array(2 * options.harts).fill(0xffff_ffff);
    this.#mtip = new Uint8Array(options.harts);
  }

  read(offset: number, size: AccessSize): number {
    return this.peek(offset, size);
  }

  /** No register has a side effect on reading. */
  peek(offset: number, size: AccessSize): number {
    if (size !== 4 || offset % 4 !== 0) return 0;
    if (offset < MTIMECMP) return this.#msip[(offset - MSIP) / 4] ?? 0;
    if (offset < MTIME) return this.#mtimecmp[(offset - MTIMECMP) / 4] ?? 0;
    const ticks = this.#options.timebase.ticks();
    if (offset === MTIME) return ticks % TWO_32;
    return offset === MTIME + 4 ? Math.floor(ticks / TWO_32) : 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 4 || offset % 4 !== 0) return;
    if (offset < MTIMECMP) {
      const hart = (offset - MSIP) / 4;
      if (hart < this.harts) this.#setSoftware(hart, value & 1);
    } else if (offset < MTIME) {
      const half = (offset - MTIMECMP) / 4;
      if (half >= this.#mtimecmp.length) return;
      this.#mtimecmp[half] = value;
      this.#updateHart(half >> 1, this.#options.timebase.ticks());
    } else {
      this.#writeTime(offset, value);
    }
  }

  /** The tick at which the timer of `hart` fires or has fired; Infinity when never. */
  nextTimerTick(hart: number): number {
    const tick = this.#mtimecmp[2 * hart + 1] * TWO_32 + this.#mtimecmp[2 * hart];
    return tick > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : tick;
  }

  /** Re-evaluates every timer wire against the clock; cheap when nothing changes. */
  update(): void {
    const now = this.#options.timebase.ticks();
    for (let hart = 0; hart < this.harts; hart++) this.#updateHart(hart, now);
  }

  /** Power-on state: no software interrupt, no timer set. */
  reset(): void {
    this.#mtimecmp.fill(0xffff_ffff);
    for (let hart = 0; hart < this.harts; hart++) this.#setSoftware(hart, 0);
    this.update();
  }

  save(): AclintState {
    return { version: 1, msip: [...this.#msip], mtimecmp: [...this.#mtimecmp] };
  }

  /** Takes a saved state over and drives the wires that differ. @throws RangeError for more harts. */
  load(state: AclintState): void {
    this.#mtimecmp.set(state.mtimecmp);
    for (const [hart, value] of state.msip.entries()) this.#setSoftware(hart, value);
    this.update();
  }

  #setSoftware(hart: number, value: number): void {
    if (this.#msip[hart] === value) return;
    this.#msip[hart] = value;
    this.#options.onSoftware(hart, value !== 0);
  }

  #writeTime(offset: number, value: number): void {
    const { timebase } = this.#options;
    const ticks = timebase.ticks();
    if (offset === MTIME) {
      timebase.setTicks(Math.floor(ticks / TWO_32) * TWO_32 + value);
    } else if (offset === MTIME + 4) {
      timebase.setTicks((value & MTIME_HIGH_MASK) * TWO_32 + (ticks % TWO_32));
    }
    this.update();
  }

  #updateHart(hart: number, now: number): void {
    const high = now >= this.nextTimerTick(hart) ? 1 : 0;
    if (this.#mtip[hart] === high) return;
    this.#mtip[hart] = high;
    this.#options.onTimer(hart, high !== 0);
  }
}
