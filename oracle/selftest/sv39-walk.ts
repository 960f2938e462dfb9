/** The page-table walk: sizes, reserved encodings, A and D, SFENCE.VMA, accesses across pages. */
import {
  enablePaging,
  hugeEntry,
  largeEntry,
  PTE_ALL,
  Pte,
  pteOf,
  SPARE,
  smallEntry,
  spareRootEntry,
  storeEntry,
  WINDOW,
  WINDOW_1G,
  WINDOW_2M,
} from "./paging.ts";
import { Cause, PAGES, RAM, Script, type Selftest } from "./script.ts";

const NOWHERE = 0x9000_0000;
const ECALL = 0x73;

/** All three kinds of access at an address, each of which must fault. */
function allFault(s: Script, at: bigint | number, causes: readonly number[], what: string): void {
  const tval = BigInt.asUintN(64, BigInt(at));
  const [load, store, fetch] = causes;
  s.attempt("S", `li t0, ${tval}\n @: ld t1, 0(t0)`, { cause: load, tval }, `load, ${what}`);
  s.attempt("S", `li t0, ${tval}\n @: sd t1, 0(t0)`, { cause: store, tval }, `store, ${what}`);
  s.run("S", `li t0, ${tval}\n jr t0`);
  s.equal("s2", fetch, `fetch, ${what}: cause`);
  s.equal("s3", tval, `fetch, ${what}: tval`);
  s.equal("s4", tval, `fetch, ${what}: epc`);
}

const PAGE_FAULTS = [Cause.loadPage, Cause.storePage, Cause.fetchPage];
const ACCESS_FAULTS = [Cause.loadAccess, Cause.storeAccess, Cause.fetchAccess];

function reserved(s: Script): void {
  const small = (flags: bigint) => storeEntry(s, smallEntry(0), pteOf(PAGES, flags));
  small(PTE_ALL & ~Pte.V);
  allFault(s, WINDOW, PAGE_FAULTS, "V is 0");
  small(PTE_ALL & ~Pte.R);
  allFault(s, WINDOW, PAGE_FAULTS, "W without R");
  small(Pte.V);
  allFault(s, WINDOW, PAGE_FAULTS, "pointer in the last level");
  for (const bit of [54n, 57n, 60n, 61n, 62n, 63n]) {
    small(PTE_ALL | (1n << bit));
    allFault(s, WINDOW, PAGE_FAULTS, `reserved bit ${bit}`);
  }
  storeEntry(s, largeEntry(0), pteOf(RAM + 0x1000, PTE_ALL));
  allFault(s, WINDOW_2M, PAGE_FAULTS, "misaligned 2 MiB page");
  storeEntry(s, hugeEntry, pteOf(RAM + 0x20_0000, PTE_ALL));
  allFault(s, WINDOW_1G, PAGE_FAULTS, "misaligned 1 GiB page");
  for (const [name, bit] of [
    ["A", Pte.A],
    ["D", Pte.D],
    ["U", Pte.U],
  ] as const) {
    storeEntry(s, spareRootEntry, pteOf(PAGES, Pte.V | bit));
    allFault(s, SPARE, PAGE_FAULTS, `${name} in a pointer`);
  }
  storeEntry(s, spareRootEntry, 0n);
  allFault(s, SPARE, PAGE_FAULTS, "no table");
}

/** Bits 63 to 39 must equal bit 38. */
function canonical(s: Script): void {
  for (const address of [
    0x0000_0040_4000_0000n,
    0x0000_0080_4000_0000n,
    0x0000_0100_4000_0000n,
    0x8000_0000_4000_0000n,
    0xfffb_ff80_4000_0000n,
    0xffff_ffbf_ffff_f000n,
  ]) {
    allFault(s, address, PAGE_FAULTS, `address 0x${address.toString(16)}`);
  }
}

function pageOutside(s: Script): void {
  storeEntry(s, smallEntry(0), pteOf(NOWHERE, PTE_ALL));
  allFault(s, WINDOW, ACCESS_FAULTS, "page outside RAM");
}

/** A walk that leads outside RAM raises the access fault of the access that was made. */
function tableOutside(s: Script): void {
  storeEntry(s, spareRootEntry, pteOf(NOWHERE, Pte.V));
  allFault(s, SPARE, ACCESS_FAULTS, "table outside RAM");
}

/** The same memory through each size of page. */
function sizes(s: Script): void {
  s.emit(`li t0, ${PAGES}\n li t1, 0x1122334455667788\n sd t1, 0x7f8(t0)`);
  storeEntry(s, smallEntry(3), pteOf(PAGES, PTE_ALL));
  storeEntry(s, largeEntry(1), pteOf(RAM + 0x40_0000, PTE_ALL));
  storeEntry(s, hugeEntry, pteOf(RAM, PTE_ALL));
  const inLarge = PAGES - (RAM + 0x40_0000);
  for (const [what, address] of [
    ["4 KiB", WINDOW + 0x3000],
    ["2 MiB", WINDOW_2M + 0x20_0000 + inLarge],
    ["1 GiB", WINDOW_1G + (PAGES - RAM)],
  ] as const) {
    s.attempt("S", `li t0, ${address + 0x7f8}\n ld a0, 0(t0)`, {}, `${what} page`);
    s.equal("a0", 0x1122334455667788n, `load from a ${what} page`);
  }
  // Two addresses of one page: a store by the one is seen by the other.
  s.attempt(
    "S",
    `li t0, ${WINDOW + 0x3000}\n li t1, ${WINDOW_1G + (PAGES - RAM)}\n li a0, 77
     sw a0, 8(t0)\n lw a1, 8(t1)`,
    {},
    "aliases",
  );
  s.equal("a1", 77, "alias");
}

function fences(s: Script): void {
  s.emit(
    `li t0, ${PAGES}\n li t1, 1\n sd t1, 0(t0)
     li t0, ${PAGES + 0x1000}\n li t1, 2\n sd t1, 0(t0)`,
  );
  const load = `li t0, ${WINDOW}\n ld a0, 0(t0)`;
  for (const [what, fence, flags] of [
    ["all", "sfence.vma zero, zero", PTE_ALL],
    ["all, global page", "sfence.vma zero, zero", PTE_ALL | Pte.G],
    ["one address", "sfence.vma t0, zero", PTE_ALL],
    ["one address, global page", "sfence.vma t0, zero", PTE_ALL | Pte.G],
    ["one address space", "sfence.vma zero, t3", PTE_ALL],
    ["one address in one address space", "sfence.vma t0, t3", PTE_ALL],
  ] as const) {
    storeEntry(s, smallEntry(0), pteOf(PAGES, flags));
    const next = pteOf(PAGES + 0x1000, flags);
    const change = `li t1, ${smallEntry(0)}\n li t2, ${next}\n sd t2, 0(t1)`;
    s.attempt("S", `${load}\n mv a1, a0\n ${change}\n li t3, 0\n ${fence}\n ${load}`, {}, what);
    s.equal("a1", 1, `before sfence.vma, ${what}`);
    s.equal("a0", 2, `after sfence.vma, ${what}`);
  }
  // An entry that was not valid may be cached too.
  storeEntry(s, smallEntry(0), 0n);
  s.attempt(
    "S",
    `li t0, ${WINDOW}\n @: ld a0, 0(t0)`,
    { cause: Cause.loadPage, tval: WINDOW },
    "V",
  );
  storeEntry(s, smallEntry(0), pteOf(PAGES, PTE_ALL));
  s.attempt("S", load, {}, "made valid");
  // A change of satp takes effect with the fence; a bare S-mode sees physical addresses.
  s.emit("csrr s1, satp\n csrw satp, zero\n sfence");
  s.attempt("S", `li t0, ${PAGES}\n ld a0, 0(t0)`, {}, "bare");
  s.equal("a0", 1, "bare");
  s.emit("csrw satp, s1\n sfence");
}

function crossings(s: Script): void {
  // The pages of the window are in the other order in memory.
  const [first, second] = [PAGES + 0x1000, PAGES];
  const border = WINDOW + 0x1000;
  storeEntry(s, smallEntry(0), pteOf(first, PTE_ALL));
  storeEntry(s, smallEntry(1), pteOf(second, PTE_ALL));
  for (let before = 1; before < 8; before++) {
    const at = border - before;
    const value = 0x8877665544332211n;
    s.attempt("S", `li t0, ${at}\n li t1, ${value}\n sd t1, 0(t0)\n ld a0, 0(t0)`, {}, "crossing");
    s.equal("a0", value, `crossing ld at -${before}`);
    s.emit(`li t0, ${first + 0x1000 - before}\n lbu a0, 0(t0)\n li t0, ${second}\n lbu a1, 0(t0)`);
    s.equal("a0", 0x11, `first page, crossing at -${before}`);
    s.equal("a1", (value >> BigInt(8 * before)) & 255n, `second page, crossing at -${before}`);
  }
  storeEntry(s, smallEntry(1), 0n);
  for (const [name, cause] of [
    ["ld", Cause.loadPage],
    ["lw", Cause.loadPage],
    ["lhu", Cause.loadPage],
    ["sd", Cause.storePage],
    ["sw", Cause.storePage],
    ["sh", Cause.storePage],
  ] as const) {
    const body = `li t0, ${border - 1}\n li t1, 0\n @: ${name} t1, 0(t0)`;
    s.attempt("S", body, { cause, tval: border }, `${name} onto a missing page`);
  }
  s.emit(`li t0, ${first + 0xfff}\n lbu a0, 0(t0)`);
  s.equal("a0", 0x77, "the first page after a store onto a missing one");
  storeEntry(s, smallEntry(0), 0n);
  storeEntry(s, smallEntry(1), pteOf(second, PTE_ALL));
  const missing = { cause: Cause.loadPage, tval: border - 3 };
  s.attempt("S", `li t0, ${border - 3}\n @: ld t1, 0(t0)`, missing, "load from a missing page");
}

function crossingFetch(s: Script): void {
  const [first, second] = [PAGES + 0x1000, PAGES];
  const border = WINDOW + 0x1000;
  // `addi a0, a0, 5` across the border, then an ECALL.
  s.emit(
    `li t0, ${first + 0xffe}\n li t1, 0x0513\n sh t1, 0(t0)`,
    `li t0, ${second}\n li t1, 0x0055\n sh t1, 0(t0)
     li t1, ${ECALL}\n sh t1, 2(t0)\n sh zero, 4(t0)`,
    "fence.i",
  );
  storeEntry(s, smallEntry(0), pteOf(first, PTE_ALL));
  storeEntry(s, smallEntry(1), pteOf(second, PTE_ALL));
  const jump = `li a0, 1\n li t0, ${border - 2}\n jr t0`;
  s.run("S", jump);
  s.equal("s2", Cause.ecallS, "instruction across pages: cause");
  s.equal("a0", 6, "instruction across pages");
  storeEntry(s, smallEntry(1), 0n);
  s.run("S", jump);
  s.equal("s2", Cause.fetchPage, "second half missing: cause");
  s.equal("s3", border, "second half missing: tval");
  s.equal("s4", border - 2, "second half missing: epc");
  s.equal("a0", 1, "second half missing: not executed");
  storeEntry(s, smallEntry(0), pteOf(first, PTE_ALL & ~Pte.X));
  s.run("S", jump);
  s.equal("s3", border - 2, "first half not executable: tval");
}

const ADUE = 1n << 61n;

/** Without hardware updates, A = 0 faults on any access and D = 0 on a store. */
function softwareBits(s: Script): void {
  s.emit(`li t0, ${ADUE}\n csrc menvcfg, t0`);
  const pte = (flags: bigint) => storeEntry(s, smallEntry(0), pteOf(PAGES, flags));
  const unchanged = (flags: bigint, what: string) => {
    s.emit(`li t0, ${smallEntry(0)}\n ld a0, 0(t0)`);
    s.equal("a0", pteOf(PAGES, flags), `the entry, ${what}`);
  };
  const noA = PTE_ALL & ~Pte.A;
  pte(noA);
  allFault(s, WINDOW, PAGE_FAULTS, "A is 0");
  unchanged(noA, "A is 0");
  const noD = PTE_ALL & ~Pte.D;
  pte(noD);
  s.attempt("S", `li t0, ${WINDOW}\n ld a0, 0(t0)`, {}, "load, D is 0");
  const store = { cause: Cause.storePage, tval: WINDOW };
  s.attempt("S", `li t0, ${WINDOW}\n @: sd zero, 0(t0)`, store, "store, D is 0");
  s.attempt("S", `li t0, ${WINDOW}\n @: amoadd.w a0, zero, (t0)`, store, "amo, D is 0");
  unchanged(noD, "D is 0");
}

function hardwareBits(s: Script): void {
  s.emit(`li t0, ${ADUE}\n csrs menvcfg, t0`);
  const none = PTE_ALL & ~Pte.A & ~Pte.D;
  const access = (body: string, start: bigint, wanted: bigint, cause: number, what: string) => {
    storeEntry(s, smallEntry(0), pteOf(PAGES, start));
    s.run("S", `li t0, ${WINDOW}\n ${body}`);
    s.equal("s2", cause, `${what}: cause`);
    s.emit(`li t0, ${smallEntry(0)}\n ld a0, 0(t0)`);
    s.equal("a0", pteOf(PAGES, wanted), `${what}: the entry`);
  };
  s.emit(`li t0, ${PAGES}\n li t1, ${ECALL}\n sw t1, 0(t0)\n fence.i`);
  access("ld a0, 0(t0)", none, none | Pte.A, Cause.ecallS, "load sets A");
  access("jr t0", none, none | Pte.A, Cause.ecallS, "fetch sets A");
  access("sd zero, 8(t0)", none, none | Pte.A | Pte.D, Cause.ecallS, "store sets A and D");
  access("ld a0, 0(t0)\n sd zero, 8(t0)", none, PTE_ALL, Cause.ecallS, "store after a load");
  access("amoadd.w a0, zero, (t0)", none, PTE_ALL, Cause.ecallS, "amo sets A and D");
  const readOnly = none & ~Pte.W;
  access("sd zero, 8(t0)", readOnly, readOnly, Cause.storePage, "forbidden store");
  const ofUser = none | Pte.U;
  access("ld a0, 0(t0)", ofUser, ofUser, Cause.loadPage, "forbidden load");
}

function script(name: string, ...parts: ((s: Script) => void)[]): Script {
  const s = new Script(name);
  enablePaging(s);
  for (const part of parts) part(s);
  return s;
}

export function walkTests(): Selftest[] {
  return [
    script("Sv39 reserved encodings", reserved, canonical, pageOutside).done(),
    script("Sv39 tables outside RAM", tableOutside).done("it reports a page fault"),
    script("Sv39 page sizes and sfence.vma", sizes, fences).done(),
    script("Sv39 accesses across pages", crossings, crossingFetch).done(),
    script("Sv39 A and D by software", softwareBits).done("it always updates A and D itself"),
    script("Sv39 A and D by hardware", hardwareBits).done(),
  ];
}
