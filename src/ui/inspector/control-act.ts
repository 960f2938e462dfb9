/** What the parts of the Control panel share. */
import type { Remote } from "../../inspect/calls.ts";

/** Does something, and says why if it cannot be done. */
export type Act = (what: (machine: Remote) => Promise<unknown>) => Promise<void>;

export const hexOf = (value: bigint): string => `0x${value.toString(16)}`;

/** An address, and its symbol if that is known. */
export const placeText = (address: bigint, symbol: string | undefined): string =>
  symbol === undefined ? hexOf(address) : `${symbol} (${hexOf(address)})`;
