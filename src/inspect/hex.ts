/** Numbers and bytes in base 16, as everything about a machine is written. */

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** Two digits. */
export const hexByte = (byte: number): string => byte.toString(16).padStart(2, "0");

export const hexBytes = (bytes: ArrayLike<number>, between = " "): string =>
  Array.from(bytes, hexByte).join(between);
