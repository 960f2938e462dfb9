/** What the TLB holds and has done, counted without a trace. */
import { FIELD, TLB, TlbContext } from "./layout.ts";

interface TlbContextStats {
  readonly name: keyof typeof TlbContext;
  /** Entries in use of each of its tables. */
  readonly read: number;
  readonly write: number;
  readonly execute: number;
}

export interface TlbStats {
  /** Entries of a table. */
  readonly entries: number;
  readonly contexts: readonly TlbContextStats[];
  /** Since reset: misses that filled an entry, flushes of everything, and flushes of one page. */
  readonly fills: number;
  readonly flushes: number;
  readonly pageFlushes: number;
}

/** Counts in the hart's part of the linear memory. */
export function tlbStats(data: DataView): TlbStats {
  const counter = (field: "tlbFills" | "tlbFilled" | "tlbFlushes" | "tlbPageFlushes"): number =>
    Number(data.getBigUint64(FIELD[field], true));
  const names = Object.keys(TlbContext) as (keyof typeof TlbContext)[];
  return {
    entries: TLB.entries,
    contexts: names.map((name) => {
      const base = TLB.base + TlbContext[name] * TLB.contextBytes;
      return {
        name,
        read: inUse(data, base + TLB.read),
        write: inUse(data, base + TLB.write),
        execute: inUse(data, base + TLB.execute),
      };
    }),
    fills: counter("tlbFills") + counter("tlbFilled"),
    flushes: counter("tlbFlushes"),
    pageFlushes: counter("tlbPageFlushes"),
  };
}

function inUse(data: DataView, table: number): number {
  let used = 0;
  // A tag is the address of a page, whose low bits are zero, or -1.
  for (let k = 0; k < TLB.entries; k++) used += ~data.getUint32(table + k * TLB.entryBytes) & 1;
  return used;
}
