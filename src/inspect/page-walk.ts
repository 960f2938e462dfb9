/**
 * Page tables looked at without a trace: every level's entry of the way from a virtual address to a
 * physical one (Privileged Architecture, chapter 12). PMP is not part of it.
 */
import type { PrivilegeMode } from "../cpu/hart-port.ts";
import { Menvcfg, Mstatus } from "../cpu/state.ts";
import { NAPOT, PPN_MASK, Pte, SatpMode } from "../cpu/walk.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { hex } from "./hex.ts";

export type Scheme = "Bare" | "Sv39" | "Sv48" | "Sv57";

/** What of the hart's state decides over a translation: CSRs of these names, and the mode. */
export interface TranslationState {
  readonly mode: PrivilegeMode;
  readonly satp: bigint;
  readonly mstatus: bigint;
  readonly menvcfg: bigint;
}

export interface PageTableEntry {
  /** The root has the highest; the entry of a level covers 4 KiB << (9 * level). */
  readonly level: number;
  /** Physical address of the table, and of the entry in it. */
  readonly table: bigint;
  readonly index: number;
  readonly address: bigint;
  /** Undefined if there is no memory at that address. */
  readonly value: bigint | undefined;
  /** Names of the bits that are set, in the specification's order. */
  readonly flags: readonly string[];
  /** Where it points to: the next table, or the page. */
  readonly target: bigint;
  readonly kind: "table" | "page" | "fault";
}

interface MappedPage {
  /** Physical address of the address that was asked for. */
  readonly physical: bigint;
  /** First physical address of the page, and its size in bytes: 64 KiB with Svnapot. */
  readonly base: bigint;
  readonly bytes: bigint;
  /** The entry. */
  readonly pte: bigint;
}

export interface PageWalk {
  readonly scheme: Scheme;
  readonly address: bigint;
  /** From the root on; empty without translation. */
  readonly entries: readonly PageTableEntry[];
  /** Absent if the walk ends in a fault, and `fault` says why. */
  readonly page?: MappedPage;
  readonly fault?: string;
}

const SCHEMES: readonly {
  readonly mode: number;
  readonly name: Scheme;
  readonly levels: number;
}[] = [
  { mode: SatpMode.bare, name: "Bare", levels: 0 },
  { mode: SatpMode.sv39, name: "Sv39", levels: 3 },
  { mode: SatpMode.sv48, name: "Sv48", levels: 4 },
  { mode: SatpMode.sv57, name: "Sv57", levels: 5 },
];

const FLAG_NAMES = Object.keys(Pte) as (keyof typeof Pte)[];
/** Memory types by PBMT (Svpbmt). */
const PBMT_NAMES = ["", "NC", "IO", "PBMT=3"];
const PBMT_SHIFT = 61n;
const N_BIT = 1n << 63n;
const RESERVED = 0x7fn << 54n;
const NOT_IN_POINTERS = BigInt(Pte.D | Pte.A | Pte.U) | (3n << PBMT_SHIFT) | N_BIT;

const has = (value: bigint, bits: number | bigint): boolean => (value & BigInt(bits)) !== 0n;

export const schemeOf = (satp: bigint): Scheme =>
  SCHEMES.find(({ mode }) => BigInt(mode) === satp >> 60n)?.name ?? "Bare";

/** Follows `satp`'s page tables, whatever mode the hart is in. */
export function walkPage(memory: GuestMemory, state: TranslationState, va: bigint): PageWalk {
  const address = BigInt.asUintN(64, va);
  const scheme = schemeOf(state.satp);
  const { levels } = SCHEMES.find(({ name }) => name === scheme) ?? SCHEMES[0];
  const entries: PageTableEntry[] = [];
  const fault = (reason: string): PageWalk => ({ scheme, address, entries, fault: reason });
  if (levels === 0) {
    if (address >> 56n !== 0n) return fault("physical addresses have 56 bits");
    return {
      scheme,
      address,
      entries,
      page: { physical: address, base: 0n, bytes: 1n << 56n, pte: 0n },
    };
  }
  const bits = 12 + 9 * levels;
  if (BigInt.asIntN(bits, address) !== BigInt.asIntN(64, address)) {
    return fault(`the bits from ${bits} on are not all the same as bit ${bits - 1}`);
  }
  let table = (state.satp & PPN_MASK) << 12n;
  for (let level = levels - 1; level >= 0; level--) {
    const { entry, problem } = lookUp(memory, state, table, address, level);
    entries.push(entry);
    if (problem !== undefined) return fault(problem);
    if (entry.kind === "page") return { scheme, address, entries, page: pageOf(entry, address) };
    table = entry.target;
  }
  return fault("the last level has no page");
}

function lookUp(
  memory: GuestMemory,
  state: TranslationState,
  table: bigint,
  va: bigint,
  level: number,
): { readonly entry: PageTableEntry; readonly problem?: string } {
  const index = Number((va >> BigInt(12 + 9 * level)) & 0x1ffn);
  const address = table + BigInt(index * 8);
  const value = readEntry(memory, address);
  const problem =
    value === undefined
      ? `there is no memory at the entry's address, ${hex(address)}`
      : problemOf(value, level, has(state.menvcfg, Menvcfg.PBMTE));
  const bits = value ?? 0n;
  const entry: PageTableEntry = {
    ...{ level, table, index, address, value },
    // Only a person wants their names; a profiler walks thousands of times a second.
    get flags() {
      return flagsOf(bits);
    },
    target: ((bits >> 10n) & PPN_MASK) << 12n,
    kind: problem !== undefined ? "fault" : has(bits, Pte.R | Pte.X) ? "page" : "table",
  };
  return problem === undefined ? { entry } : { entry, problem };
}

function readEntry(memory: GuestMemory, address: bigint): bigint | undefined {
  const view = memory.view(Number(address), 8);
  return view && new DataView(view.buffer, view.byteOffset).getBigUint64(0, true);
}

function flagsOf(value: bigint): string[] {
  const flags: string[] = FLAG_NAMES.filter((name) => has(value, Pte[name]));
  const rsw = Number((value >> 8n) & 3n);
  if (rsw !== 0) flags.push(`RSW=${rsw}`);
  const memoryType = PBMT_NAMES[Number((value >> PBMT_SHIFT) & 3n)];
  if (memoryType !== "") flags.push(memoryType);
  if (has(value, N_BIT)) flags.push("N");
  return flags;
}

/** Why an entry ends every walk in a page fault. */
function problemOf(value: bigint, level: number, hasPbmt: boolean): string | undefined {
  if (!has(value, Pte.V)) return "the entry is not valid (V is 0)";
  if (has(value, Pte.W) && !has(value, Pte.R)) return "W without R is reserved";
  if (has(value, RESERVED)) return "reserved bits are set (54 to 60)";
  if (!has(value, Pte.R | Pte.X)) {
    if (has(value, NOT_IN_POINTERS)) return "D, A, U, PBMT and N are reserved in a pointer";
    return level === 0 ? "the last level has a pointer, not a page" : undefined;
  }
  const memoryType = (value >> PBMT_SHIFT) & 3n;
  if (memoryType === 3n) return "PBMT=3 is reserved";
  if (memoryType !== 0n && !hasPbmt) return "PBMT is set, but menvcfg.PBMTE is not";
  const ppn = (value >> 10n) & PPN_MASK;
  if (has(value, N_BIT)) {
    if (level !== 0) return "N is reserved but at the last level";
    const isDefined = (ppn & BigInt(NAPOT.ppnBits)) === BigInt(NAPOT.pattern);
    return isDefined ? undefined : "N is only defined for 64 KiB";
  }
  const low = (1n << BigInt(9 * level)) - 1n;
  return (ppn & low) === 0n ? undefined : "the superpage is not aligned";
}

function pageOf({ value = 0n, level, target }: PageTableEntry, va: bigint): MappedPage {
  const shift = BigInt(has(value, N_BIT) ? NAPOT.shift : 12 + 9 * level);
  const bytes = 1n << shift;
  const base = target & ~(bytes - 1n);
  return { physical: base | (va & (bytes - 1n)), base, bytes, pte: value };
}

export type AccessKind = "read" | "write" | "execute";
const NEEDED: Record<AccessKind, number> = { read: Pte.R, write: Pte.W, execute: Pte.X };

/** Why an access in the state's mode faults at a mapped page; undefined if it does not. */
export function refusalOf(
  { scheme, page }: PageWalk,
  access: AccessKind,
  { mode, mstatus, menvcfg }: TranslationState,
): string | undefined {
  if (page === undefined) return "not mapped";
  if (scheme === "Bare" || mode === "M") return undefined;
  const { pte } = page;
  if (!has(pte, Pte.U) && mode === "U") return "not a page of user mode";
  if (has(pte, Pte.U) && mode === "S") {
    if (access === "execute") return "supervisor mode never executes pages of user mode";
    if (!has(mstatus, Mstatus.SUM)) return "a page of user mode, and SUM is 0";
  }
  const readable = has(mstatus, Mstatus.MXR) ? Pte.R | Pte.X : Pte.R;
  const needed = access === "read" ? readable : NEEDED[access];
  if (!has(pte, needed)) return `not a page to ${access}`;
  const isNoted = has(pte, Pte.A) && (access !== "write" || has(pte, Pte.D));
  // Svadu: the hart sets A and D itself if menvcfg says so.
  return isNoted || has(menvcfg, Menvcfg.ADUE) ? undefined : "A or D is 0, and menvcfg.ADUE too";
}
