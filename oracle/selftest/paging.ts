/** Page tables for self-tests: code mapped for S and for U, and a window of pages to test with. */
import { type Script, TABLES } from "./script.ts";

export const Pte = {
  V: 1n,
  R: 2n,
  W: 4n,
  X: 8n,
  U: 16n,
  G: 32n,
  A: 64n,
  D: 128n,
} as const;

/** A readable, writable, executable page of S-mode whose accesses set no bits. */
export const PTE_ALL = Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D;

const ROOT = TABLES;
const MIDDLE = TABLES + 0x1000;
const LAST = TABLES + 0x2000;

/** U-mode sees RAM here, with the U bit; S-mode sees it at its physical address. */
const USER_RAM = 0xc000_0000;
const USER_OFFSET = USER_RAM - 0x8000_0000;

/** Virtual addresses to test with: small pages, two large ones and one huge one. */
export const WINDOW = 0x4000_0000;
export const WINDOW_2M = WINDOW + 0x20_0000;
export const WINDOW_1G = 0x1_0000_0000;

export const pteOf = (address: number, flags: bigint): bigint =>
  (BigInt(address >>> 12) << 10n) | flags;

/** Where the entry for a page of the window is in its table. */
export const smallEntry = (page: number): number => LAST + 8 * page;
export const largeEntry = (page: number): number => MIDDLE + 8 * (page + 1);
export const hugeEntry = ROOT + 8 * 4;
/** Covers the virtual addresses from 5 GiB on. */
export const spareRootEntry = ROOT + 8 * 5;
export const SPARE = 0x1_4000_0000;

export function storeEntry(s: Script, entry: number, pte: bigint): void {
  s.emit(`li t0, ${entry}\n li t1, ${pte}\n sd t1, 0(t0)\n sfence`);
}

/** From here on S- and U-mode run with Sv39. */
export function enablePaging(s: Script): void {
  const pointer = (table: number): bigint => pteOf(table, Pte.V);
  for (const [entry, pte] of [
    [ROOT + 8 * 2, pteOf(0x8000_0000, PTE_ALL)],
    [ROOT + 8 * 3, pteOf(0x8000_0000, PTE_ALL | Pte.U)],
    [ROOT + 8 * 1, pointer(MIDDLE)],
    [MIDDLE, pointer(LAST)],
  ] as const) {
    storeEntry(s, entry, pte);
  }
  s.emit(`li t0, ${(8n << 60n) | BigInt(ROOT >>> 12)}\n csrw satp, t0\n sfence`);
  s.userOffset = USER_OFFSET;
}
