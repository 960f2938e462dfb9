/**
 * The real-time clock of Android's "goldfish" board: nanoseconds since 1970, and one alarm.
 *
 * Registers are 32 bits wide. Reading the low half of the time latches the high half, so that a
 * driver that reads low first never sees a torn value.
 */
import type { AccessSize, MmioHandler } from "../bus/bus.ts";
import type { IrqLine } from "../irq/irq-line.ts";
import type { DeviceNode } from "./device-node.ts";

const Register = {
  timeLow: 0x00,
  timeHigh: 0x04,
  alarmLow: 0x08,
  alarmHigh: 0x0c,
  irqEnabled: 0x10,
  clearAlarm: 0x14,
  alarmStatus: 0x18,
  clearInterrupt: 0x1c,
} as const;

const NS_PER_MS = 1_000_000n;
const LOW_32 = 0xffff_ffffn;

export interface RtcOptions {
  readonly irq: IrqLine;
  /** Milliseconds since 1970. */
  readonly wallClockMs: () => number;
}

/** Structured-clonable state, version 1. Times are in nanoseconds. */
export interface GoldfishRtcState {
  readonly version: 1;
  /** What the guest has added to the host's clock. */
  readonly offset: bigint;
  readonly latchedHigh: number;
  readonly writtenHigh: number;
  readonly alarmHigh: number;
  readonly alarm: bigint;
  readonly alarmArmed: boolean;
  readonly irqEnabled: boolean;
  readonly pending: boolean;
}

export class GoldfishRtc implements MmioHandler {
  readonly name = "rtc";
  readonly node: DeviceNode = {
    name: "rtc",
    properties: { compatible: "google,goldfish-rtc" },
  };

  readonly #irq: IrqLine;
  readonly #wallClockMs: () => number;
  /** What the guest added to the host's clock by setting the time, in nanoseconds. */
  #offset = 0n;
  #latchedHigh = 0;
  #writtenHigh = 0;
  #alarmHigh = 0;
  #alarm = 0n;
  #alarmArmed = false;
  #irqEnabled = false;
  #pending = false;

  constructor(options: RtcOptions) {
    this.#irq = options.irq;
    this.#wallClockMs = options.wallClockMs;
  }

  /** Power-on state: the host's time, no alarm. */
  reset(): void {
    this.#offset = 0n;
    this.#latchedHigh = 0;
    this.#writtenHigh = 0;
    this.#alarmHigh = 0;
    this.#alarm = 0n;
    this.#alarmArmed = false;
    this.#irqEnabled = false;
    this.#pending = false;
    this.#updateIrq();
  }

  save(): GoldfishRtcState {
    return {
      version: 1,
      offset: this.#offset,
      latchedHigh: this.#latchedHigh,
      writtenHigh: this.#writtenHigh,
      alarmHigh: this.#alarmHigh,
      alarm: this.#alarm,
      alarmArmed: this.#alarmArmed,
      irqEnabled: this.#irqEnabled,
      pending: this.#pending,
    };
  }

  /** The clock is the host's as before: it shows the time that has passed since. */
  load(state: GoldfishRtcState): void {
    this.#offset = state.offset;
    this.#latchedHigh = state.latchedHigh;
    this.#writtenHigh = state.writtenHigh;
    this.#alarmHigh = state.alarmHigh;
    this.#alarm = state.alarm;
    this.#alarmArmed = state.alarmArmed;
    this.#irqEnabled = state.irqEnabled;
    this.#pending = state.pending;
    this.#updateIrq();
  }

  /** Fires an alarm that is due; the machine calls it between slices. */
  update(): void {
    if (!this.#alarmArmed || this.#now() < this.#alarm) return;
    this.#alarmArmed = false;
    this.#pending = true;
    this.#updateIrq();
  }

  /** Milliseconds until the alarm that has to wake the machine, or Infinity. */
  msUntilAlarm(): number {
    if (!this.#alarmArmed || !this.#irqEnabled) return Infinity;
    const left = this.#alarm - this.#now();
    return left <= 0n ? 0 : Number((left + NS_PER_MS - 1n) / NS_PER_MS);
  }

  read(offset: number, size: AccessSize): number {
    if (size !== 4) return 0;
    if (offset === Register.timeLow) {
      const now = this.#now();
      this.#latchedHigh = Number(now >> 32n);
      return Number(now & LOW_32);
    }
    return this.peek(offset);
  }

  peek(offset: number): number {
    switch (offset) {
      case Register.timeLow:
        return Number(this.#now() & LOW_32);
      case Register.timeHigh:
        return this.#latchedHigh;
      case Register.alarmLow:
        return Number(this.#alarm & LOW_32);
      case Register.alarmHigh:
        return Number(this.#alarm >> 32n);
      case Register.irqEnabled:
        return this.#irqEnabled ? 1 : 0;
      case Register.alarmStatus:
        return this.#alarmArmed ? 1 : 0;
      default:
        return 0;
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 4) return;
    switch (offset) {
      case Register.timeHigh:
        this.#writtenHigh = value;
        break;
      case Register.timeLow:
        // The low half commits, as for the alarm: drivers write the high half first.
        this.#offset += join(this.#writtenHigh, value) - this.#now();
        break;
      case Register.alarmHigh:
        this.#alarmHigh = value;
        break;
      case Register.alarmLow:
        this.#alarm = join(this.#alarmHigh, value);
        this.#alarmArmed = true;
        this.update();
        break;
      case Register.irqEnabled:
        this.#irqEnabled = (value & 1) !== 0;
        this.#updateIrq();
        break;
      case Register.clearAlarm:
        this.#alarmArmed = false;
        break;
      case Register.clearInterrupt:
        this.#pending = false;
        this.#updateIrq();
        break;
    }
  }

  /** Nanoseconds since 1970 as the guest sees them, modulo 2^64. */
  #now(): bigint {
    return BigInt.asUintN(64, BigInt(Math.floor(this.#wallClockMs())) * NS_PER_MS + this.#offset);
  }

  #updateIrq(): void {
    this.#irq.setLevel(this.#pending && this.#irqEnabled);
  }
}

function join(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}
