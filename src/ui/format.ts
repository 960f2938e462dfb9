/** Numbers as people read them. */

/** Bytes with a decimal unit, such as `3.2 MB`; three digits at most, so that columns hold still. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  // 999.5 would be shown as 1000.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Millions of instructions per second without a unit. */
export function formatMips(mips: number): string {
  return mips >= 9.95 ? mips.toFixed(0) : mips.toFixed(1);
}
