/** Addresses and other numbers as text of a width that holds still. */

export const hex = (value: bigint | number, digits = 1): string =>
  `0x${value.toString(16).padStart(digits, "0")}`;

/** A byte without a prefix, as in a hex view. */
export const hexByte = (byte: number): string => byte.toString(16).padStart(2, "0");

/** Of a register or a virtual address: all 16 digits. */
export const hex64 = (value: bigint): string => value.toString(16).padStart(16, "0");

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** The size of a page or an area, which is a whole number of some unit. */
export function sizeText(bytes: bigint | number): string {
  let rest = BigInt(bytes);
  let unit = 0;
  while (rest % 1024n === 0n && rest > 0n && unit < UNITS.length - 1) {
    rest /= 1024n;
    unit++;
  }
  return `${rest} ${UNITS[unit]}`;
}

export const countText = (value: number): string => Math.round(value).toLocaleString("en");

export const percentText = (share: number): string => `${(share * 100).toFixed(1)}%`;
