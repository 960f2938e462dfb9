/** What the parts of the Control panel share. */
import type { Remote } from "../../inspect/calls.ts";
import { hex } from "./address-text.ts";

/** Does something, and says why if it cannot be done. */
export type Act = (what: (machine: Remote) => Promise<unknown>) => Promise<void>;

/** An address, and its symbol if that is known. */
export const placeText = (address: bigint, symbol: string | undefined): string =>
  symbol === undefined ? hex(address) : `${symbol} (${hex(address)})`;
