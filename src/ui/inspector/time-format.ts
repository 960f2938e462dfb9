/** Times as people read them, in columns that hold still. */

/** A duration in µs with a unit and three digits, such as `142 µs` or `1.20 ms`. */
export function formatDuration(us: number): string {
  if (us < 1000) return `${threeDigits(us)} µs`;
  return us < 1_000_000 ? `${threeDigits(us / 1000)} ms` : `${threeDigits(us / 1_000_000)} s`;
}

/** A moment in µs as seconds, to the microsecond. */
export function formatMoment(us: number): string {
  return (us / 1_000_000).toFixed(6);
}

/** In µs: where a bar of a `HistogramView` ends, and the next begins. */
const barEnd = (bar: number): number => 2 ** bar;

/** The durations that a bar of a `HistogramView` counts. */
export function formatBar(bar: number): string {
  return `${formatDuration(bar === 0 ? 0 : barEnd(bar - 1))} to ${formatDuration(barEnd(bar))}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
