/** The clock behind `time`, `mtime` and the RTC, injected so that a run can be replayed. */

/** Frequency of `mtime` in Hz; the device tree's `timebase-frequency`. QEMU's `virt` has the same. */
export const TIMEBASE_HZ = 10_000_000;

export interface Timebase {
  /** Ticks of `TIMEBASE_HZ` since power-on: an integer below 2^53 that never decreases. */
  ticks(): number;
  /** Milliseconds since 1970 for the real-time clock. */
  wallClockMs(): number;
}
