/**
 * From virtual to physical addresses by the guest's page tables, without leaving a trace: no A or D
 * bit is set, and no TLB is filled (Privileged Architecture 10.3.2, 10.4, 10.5; Svnapot, Svpbmt).
 *
 * Permissions are told and not enforced: who debugs may look at what the guest may not.
 */
import type { PrivilegeMode } from "../cpu/hart-port.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";

/** What decides how an address is translated. */
export interface AddressSpace {
  /** That loads and stores are made with: M-mode is not translated. */
  readonly mode: PrivilegeMode;
  readonly satp: bigint;
}

export const SCHEMES = ["Bare", "Sv39", "Sv48", "Sv57"] as const;
export type Scheme = (typeof SCHEMES)[number];

/** A leaf entry's bits (10.3.1), by their letters; `PBMT` is the memory type and `N` NAPOT. */
export interface PageFlags {
  readonly r: boolean;
  readonly w: boolean;
  readonly x: boolean;
  readonly u: boolean;
  readonly g: boolean;
  readonly a: boolean;
  readonly d: boolean;
  readonly pbmt: "PMA" | "NC" | "IO" | "reserved";
  readonly n: boolean;
}

/** One entry of a page table that the walk looks at. */
export interface WalkStep {
  /** From the root (2, 3 or 4) down to 0. */
  readonly level: number;
  /** VPN[level]: the entry's place in its table. */
  readonly index: number;
  /** Physical address of the entry. */
  readonly address: number;
  /** Undefined if there is no memory. */
  readonly pte: bigint | undefined;
}

export interface Translation {
  readonly scheme: Scheme;
  readonly steps: readonly WalkStep[];
  /** Absent if the address is not mapped, for the reason in `fault`. */
  readonly physical?: number;
  readonly fault?: string;
  /** Bytes from `va` for which the translation holds: to the end of the page. */
  readonly bytesLeft?: number;
  readonly pageBytes?: number;
  /** Absent where nothing is translated. */
  readonly flags?: PageFlags;
}

const PAGE_BYTES = 4096;
const PTE_BYTES = 8;
const VPN_BITS = 9;
const PPN_MASK = (1n << 44n) - 1n;
/** Physical addresses have 56 bits; in M-mode and with Bare an address is one (10.3.2). */
const PHYSICAL_BITS = 56n;
const PTE = { v: 1n, r: 2n, w: 4n, x: 8n, u: 16n, g: 32n, a: 64n, d: 128n } as const;
const PTE_N = 1n << 63n;
const PTE_RESERVED = 0x7fn << 54n;
const PBMT = ["PMA", "NC", "IO", "reserved"] as const;
/** Pages of a NAPOT group, and how its entries mark it (Svnapot). */
const NAPOT = { pages: 16n, pattern: 8n } as const;
/** satp.MODE of Sv39; Sv48 and Sv57 follow (10.1.11). */
const SV39 = 8;

/** Levels of the tables that satp selects: 0 for Bare; undefined if the mode is reserved. */
function levelsOf(satp: bigint): number | undefined {
  const mode = Number(BigInt.asUintN(64, satp) >> 60n);
  if (mode === 0) return 0;
  return mode >= SV39 && mode < SV39 + 3 ? mode - SV39 + 3 : undefined;
}

export function translate(
  memory: GuestMemory,
  address: bigint,
  { mode, satp }: AddressSpace,
): Translation {
  const va = BigInt.asUintN(64, address);
  const levels = mode === "M" ? 0 : levelsOf(satp);
  if (levels === undefined) return { scheme: "Bare", steps: [], fault: "satp.MODE is reserved" };
  if (levels === 0) return untranslated(va);
  const scheme = SCHEMES[levels - 2];
  const vaBits = 12 + levels * VPN_BITS;
  if (BigInt.asUintN(64, BigInt.asIntN(vaBits, va)) !== va) {
    return { scheme, steps: [], fault: `bits 63 to ${vaBits} do not equal bit ${vaBits - 1}` };
  }
  return walk(memory, va, scheme, levels, satp);
}

function untranslated(va: bigint): Translation {
  if (va >> PHYSICAL_BITS !== 0n) {
    return { scheme: "Bare", steps: [], fault: "beyond the physical addresses" };
  }
  const bytesLeft = PAGE_BYTES - Number(va & BigInt(PAGE_BYTES - 1));
  return { scheme: "Bare", steps: [], physical: Number(va), bytesLeft };
}

function walk(
  memory: GuestMemory,
  va: bigint,
  scheme: Scheme,
  levels: number,
  satp: bigint,
): Translation {
  const steps: WalkStep[] = [];
  let table = (satp & PPN_MASK) << 12n;
  for (let level = levels - 1; level >= 0; level--) {
    const index = Number((va >> BigInt(12 + level * VPN_BITS)) & 0x1ffn);
    const address = Number(table) + index * PTE_BYTES;
    const pte = readPte(memory, address);
    steps.push({ level, index, address, pte });
    if (pte === undefined) return { scheme, steps, fault: "the page table is not in memory" };
    const fault = faultOf(pte, level);
    if (fault !== undefined) return { scheme, steps, fault };
    const ppn = (pte >> 10n) & PPN_MASK;
    if ((pte & (PTE.r | PTE.x)) !== 0n) return { scheme, steps, ...leaf(va, pte, ppn, level) };
    table = ppn << 12n;
  }
  return { scheme, steps, fault: "the last level points to another table" };
}

/** Why an entry ends the walk without a page. */
function faultOf(pte: bigint, level: number): string | undefined {
  if ((pte & PTE.v) === 0n) return `not mapped: V is 0 at level ${level}`;
  if ((pte & (PTE.r | PTE.w)) === PTE.w) return "W without R is reserved";
  if ((pte & PTE_RESERVED) !== 0n) return "reserved bits are set";
  return undefined;
}

function leaf(va: bigint, pte: bigint, ppn: bigint, level: number): Partial<Translation> {
  const flags = flagsOf(pte);
  let pages = 1n << BigInt(level * VPN_BITS);
  let first = ppn;
  if (flags.n) {
    const isGroup = level === 0 && (ppn & (NAPOT.pages - 1n)) === NAPOT.pattern;
    if (!isGroup) return { flags, fault: "N is set, and the page is in no NAPOT group" };
    pages = NAPOT.pages;
    first = ppn - NAPOT.pattern;
  }
  if ((first & (pages - 1n)) !== 0n) return { flags, fault: "the superpage is misaligned" };
  const pageBytes = Number(pages) * PAGE_BYTES;
  const offset = Number(va & BigInt(pageBytes - 1));
  return {
    flags,
    pageBytes,
    physical: Number(first << 12n) + offset,
    bytesLeft: pageBytes - offset,
  };
}

const flagsOf = (pte: bigint): PageFlags => ({
  r: (pte & PTE.r) !== 0n,
  w: (pte & PTE.w) !== 0n,
  x: (pte & PTE.x) !== 0n,
  u: (pte & PTE.u) !== 0n,
  g: (pte & PTE.g) !== 0n,
  a: (pte & PTE.a) !== 0n,
  d: (pte & PTE.d) !== 0n,
  pbmt: PBMT[Number((pte >> 61n) & 3n)],
  n: (pte & PTE_N) !== 0n,
});

function readPte(memory: GuestMemory, address: number): bigint | undefined {
  const view = memory.view(address, PTE_BYTES);
  return view && new DataView(view.buffer, view.byteOffset, PTE_BYTES).getBigUint64(0, true);
}

/** A run of bytes of guest memory: a view, good until the guest runs. */
interface Piece {
  readonly physical: number;
  readonly bytes: Uint8Array;
}

/** The pieces of memory at `length` bytes from `va` on, up to the first byte that is not there. */
function pieces(
  memory: GuestMemory,
  space: AddressSpace,
  va: bigint,
  length: number,
): readonly Piece[] {
  const found: Piece[] = [];
  let done = 0;
  while (done < length) {
    const at = BigInt.asUintN(64, va + BigInt(done));
    const { physical, bytesLeft = 0 } = translate(memory, at, space);
    if (physical === undefined) break;
    // A page of its own each time: memory may end within a superpage.
    const size = Math.min(bytesLeft, length - done, PAGE_BYTES - (physical % PAGE_BYTES));
    const bytes = memory.view(physical, size);
    if (bytes === undefined) break;
    found.push({ physical, bytes });
    done += size;
  }
  return found;
}

/** The most that is read or written at one time: what an editor or a debugger shows at once. */
export const MAX_TRANSFER_BYTES = 1 << 20;

/** A copy of memory from a virtual address on: shorter than asked for where memory ends. */
export function readVirtual(
  memory: GuestMemory,
  space: AddressSpace,
  va: bigint,
  length: number,
): Uint8Array<ArrayBuffer> {
  const found = pieces(memory, space, va, Math.min(length, MAX_TRANSFER_BYTES));
  const copy = new Uint8Array(found.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of found) {
    copy.set(bytes, at);
    at += bytes.length;
  }
  return copy;
}

/** Writes memory, read-only pages too; false, and nothing is written, if any of it is not there. */
export function writeVirtual(
  memory: GuestMemory,
  space: AddressSpace,
  va: bigint,
  data: Uint8Array,
): boolean {
  if (data.length > MAX_TRANSFER_BYTES) return false;
  const found = pieces(memory, space, va, data.length);
  if (found.reduce((sum, { bytes }) => sum + bytes.length, 0) < data.length) return false;
  let at = 0;
  for (const { physical, bytes } of found) {
    memory.write(physical, data.subarray(at, at + bytes.length));
    at += bytes.length;
  }
  return true;
}
