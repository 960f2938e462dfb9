/** Svnapot, Svpbmt, Sv48 and Sv57, Svinval, and CBO instructions on pages. */
import {
  enablePaging,
  largeEntry,
  PTE_ALL,
  Pte,
  pteOf,
  SPARE,
  smallEntry,
  spareRootEntry,
  storeEntry,
  WINDOW,
  WINDOW_2M,
} from "./paging.ts";
import { Cause, PAGES, RAM, Script, type Selftest, TABLES } from "./script.ts";

const N = 1n << 63n;
const PBMT = { nonCacheable: 1n << 61n, io: 2n << 61n, reserved: 3n << 61n } as const;
const PBMTE = 1n << 62n;
/** The first page of the window's second 64 KiB. */
const GROUP = 16;
const GROUP_BYTES = 0x1_0000;

const load = (at: number | bigint): string =>
  `li t0, ${BigInt.asUintN(64, BigInt(at))}\n @: ld a0, 0(t0)`;

function faults(s: Script, at: number | bigint, what: string): void {
  const tval = BigInt.asUintN(64, BigInt(at));
  s.attempt("S", load(at), { cause: Cause.loadPage, tval }, what);
}

function loads(s: Script, at: number | bigint, value: number | bigint, what: string): void {
  s.attempt("S", load(at), {}, what);
  s.equal("a0", value, what);
}

/** Numbers in memory, a page apart, to tell pages by. */
function markPages(s: Script, count: number): void {
  for (let page = 0; page < count; page++) {
    s.emit(`li t0, ${PAGES + page * 0x1000}\n li t1, ${0x700 + page}\n sd t1, 0(t0)`);
  }
}

/** One entry, sixteen times in its table, maps 64 KiB: the page's own place in them counts. */
function napot(s: Script): void {
  markPages(s, 32);
  const group = (address: number): bigint => pteOf(address + 0x8000, PTE_ALL) | N;
  const map = (address: number): void => {
    for (let page = 0; page < 16; page++) {
      s.emit(`li t0, ${smallEntry(GROUP + page)}\n li t1, ${group(address)}\n sd t1, 0(t0)`);
    }
  };
  map(PAGES);
  s.emit("sfence");
  const base = WINDOW + GROUP * 0x1000;
  for (const page of [0, 1, 7, 8, 9, 15]) {
    loads(s, base + page * 0x1000, 0x700 + page, `page ${page} of a group`);
  }
  s.attempt("S", `li t0, ${base + 0x5000}\n li t1, 99\n sd t1, 8(t0)`, {}, "store into a group");
  s.emit(`li t0, ${PAGES + 0x5008}\n ld a0, 0(t0)`);
  s.equal("a0", 99, "what was stored into a group");
  // A fence for one address of the group is one for all of it.
  map(PAGES + GROUP_BYTES);
  s.attempt(
    "S",
    `li t0, ${base + 0x3000}\n sfence.vma t0, zero`,
    {},
    "fence for a page of a group",
  );
  loads(s, base + 0x3000, 0x713, "that page after the fence");
  for (let low = 0; low < 16; low++) {
    if (low === 8) continue;
    storeEntry(s, smallEntry(0), pteOf(PAGES + low * 0x1000, PTE_ALL) | N);
    faults(s, WINDOW, `a group of reserved size ${low}`);
  }
  storeEntry(s, largeEntry(0), pteOf(RAM, PTE_ALL) | N);
  faults(s, WINDOW_2M, "N in a 2 MiB page");
  storeEntry(s, spareRootEntry, pteOf(TABLES + 0x2000, Pte.V) | N);
  faults(s, SPARE, "N in a pointer");
}

function memoryTypes(s: Script): void {
  markPages(s, 1);
  s.emit(`li t0, ${PBMTE}\n csrc menvcfg, t0\n sfence`);
  const types = Object.entries(PBMT);
  const small = (type: bigint) => storeEntry(s, smallEntry(0), pteOf(PAGES, PTE_ALL) | type);
  for (const [name, type] of types) {
    small(type);
    faults(s, WINDOW, `${name} without PBMTE`);
  }
  s.emit(`li t0, ${PBMTE}\n csrs menvcfg, t0\n sfence`);
  for (const [name, type] of types) {
    small(type);
    if (type === PBMT.reserved) faults(s, WINDOW, `${name} type`);
    else loads(s, WINDOW, 0x700, `${name} memory`);
  }
  storeEntry(s, spareRootEntry, pteOf(TABLES + 0x2000, Pte.V) | PBMT.io);
  faults(s, SPARE, "a memory type in a pointer");
}

/** More levels above the table that Sv39 begins with. */
function moreLevels(s: Script, mode: 9n | 10n): void {
  markPages(s, 1);
  const [sv39Root, sv48Root, sv57Root] = [TABLES, TABLES + 0x4000, TABLES + 0x5000];
  const root = mode === 9n ? sv48Root : sv57Root;
  const pointer = (table: number): bigint => pteOf(table, Pte.V);
  storeEntry(s, smallEntry(0), pteOf(PAGES, PTE_ALL));
  storeEntry(s, sv48Root, pointer(sv39Root));
  storeEntry(s, sv57Root, pointer(sv48Root));
  // A page of 512 GiB, and with five levels one of 256 TiB, at the second entry; the last entries
  // are for the highest addresses.
  storeEntry(s, sv48Root + 8, pteOf(0, PTE_ALL));
  storeEntry(s, sv57Root + 8, pteOf(0, PTE_ALL));
  storeEntry(s, sv48Root + 511 * 8, pointer(sv39Root));
  storeEntry(s, sv57Root + 511 * 8, pointer(sv48Root));
  s.emit(`li t0, ${(mode << 60n) | BigInt(root >>> 12)}\n csrw satp, t0\n sfence\n csrr a0, satp`);
  s.equal("a0", (mode << 60n) | BigInt(root >>> 12), "satp");
  loads(s, WINDOW, 0x700, "4 KiB page");
  loads(s, 0x80_0000_0000n + BigInt(PAGES), 0x700, "512 GiB page");
  const bits = mode === 9n ? 48n : 57n;
  const highest = -(1n << 39n) + BigInt(WINDOW);
  loads(s, highest, 0x700, "negative address");
  faults(s, 1n << (bits - 1n), "the first address above the lower half");
  faults(s, (1n << bits) + BigInt(WINDOW), "address with a bit beyond the sign");
  faults(s, -(1n << bits) + BigInt(WINDOW), "the last address below the upper half");
  if (mode === 10n) loads(s, (1n << 48n) + BigInt(PAGES), 0x700, "256 TiB page");
  storeEntry(s, sv48Root + 8, pteOf(0x4000_0000, PTE_ALL));
  faults(s, 0x80_0000_0000n + BigInt(PAGES), "misaligned 512 GiB page");
  // Reserved modes leave satp as it is.
  s.emit("csrr a1, satp");
  for (const reserved of [1n, 7n, 11n, 15n]) {
    s.emit(`li t0, ${(reserved << 60n) | BigInt(root >>> 12)}\n csrw satp, t0\n csrr a0, satp`);
    s.emit("sub a0, a0, a1");
    s.equal("a0", 0, `satp after a write with mode ${reserved}`);
  }
}

function cacheBlocks(s: Script): void {
  s.emit("li t0, 0xd0\n csrs menvcfg, t0\n csrs senvcfg, t0");
  markPages(s, 1);
  const at = WINDOW + 0x7c;
  const cbo = (name: string): string => `li t0, ${at}\n @: cbo.${name} (t0)`;
  const map = (flags: bigint) => storeEntry(s, smallEntry(0), pteOf(PAGES, flags));
  const fault = { cause: Cause.storePage, tval: at };
  map(PTE_ALL & ~Pte.W);
  s.attempt("S", cbo("zero"), fault, "cbo.zero on a page that is only read");
  for (const name of ["clean", "flush", "inval"]) {
    s.attempt("S", cbo(name), {}, `cbo.${name} on a page that is only read`);
  }
  map(0n);
  for (const name of ["zero", "clean", "flush", "inval"]) {
    s.attempt("S", cbo(name), fault, `cbo.${name} on a missing page`);
  }
  map(PTE_ALL);
  s.emit(`li t0, ${PAGES}\n li t1, -1`);
  for (let at = 0x38; at <= 0x80; at += 8) s.emit(`sd t1, ${at}(t0)`);
  s.attempt("S", cbo("zero"), {}, "cbo.zero");
  for (let at = 0x38; at <= 0x80; at += 8) {
    s.emit(`li t0, ${PAGES}\n ld a0, ${at}(t0)`);
    s.equal("a0", at >= 0x40 && at < 0x80 ? 0 : -1, `the bytes at ${at} after cbo.zero`);
  }
}

function invalidations(s: Script): void {
  const load = `li t0, ${WINDOW}\n ld a0, 0(t0)`;
  markPages(s, 2);
  storeEntry(s, smallEntry(0), pteOf(PAGES, PTE_ALL));
  const change = `li t1, ${smallEntry(0)}\n li t2, ${pteOf(PAGES + 0x1000, PTE_ALL)}\n sd t2, 0(t1)`;
  const fence = "sfence.w.inval\n sinval.vma t0, zero\n sfence.inval.ir";
  s.attempt("S", `${load}\n mv a1, a0\n ${change}\n ${fence}\n ${load}`, {}, "sinval.vma");
  s.equal("a1", 0x700, "before sinval.vma");
  s.equal("a0", 0x701, "after sinval.vma");
}

function test(name: string, part: (s: Script) => void, notOnQemu?: string): Selftest {
  const s = new Script(name);
  enablePaging(s);
  part(s);
  return { ...s.done(notOnQemu), needsNewerQemu: true };
}

export function pagingExtensionTests(): Selftest[] {
  return [
    test("Svnapot", napot),
    test("Svpbmt", memoryTypes),
    test("Sv48", (s) => moreLevels(s, 9n)),
    test("Sv57", (s) => moreLevels(s, 10n)),
    test(
      "cache blocks on pages",
      cacheBlocks,
      "it reports the start of the block as the trap value of a fault",
    ),
    test("Svinval", invalidations),
  ];
}
