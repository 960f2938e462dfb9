/** Physical memory protection (Privileged Architecture 3.7). */
import { enablePaging, hugeEntry, PTE_ALL, pteOf, storeEntry, WINDOW_1G } from "./paging.ts";
import { Cause, MODE_NUMBER, PAGES, RAM, Script, type Selftest, Status, TABLES } from "./script.ts";

const R = 1;
const W = 2;
const X = 4;
const TOR = 1 << 3;
const NA4 = 2 << 3;
const NAPOT = 3 << 3;
const L = 0x80;
/** What the beginning of every program puts in entry 3: everything is allowed. */
const REST = 0x1f << 24;

const ECALL = 0x73;

/** Configuration bytes of entries 0 to 2; entry 3 stays. */
function configure(s: Script, ...bytes: number[]): void {
  const value = bytes.reduce((sum, byte, k) => sum | (byte << (8 * k)), REST);
  s.emit(`li t0, ${value >>> 0}\n csrw pmpcfg0, t0\n sfence`);
}

const address = (s: Script, entry: number, value: number): void =>
  s.emit(`li t0, ${value}\n csrw pmpaddr${entry}, t0\n sfence`);

/** pmpaddr for a naturally aligned range of `size` bytes. */
const napot = (base: number, size: number): number => Math.floor(base / 4) + size / 8 - 1;

function expectLoad(s: Script, at: number, allowed: boolean, what: string, name = "lw"): void {
  const expected = allowed ? {} : { cause: Cause.loadAccess, tval: at };
  s.attempt("S", `li t0, ${at}\n @: ${name} a0, 0(t0)`, expected, what);
}

function permissions(s: Script): void {
  s.emit(`li t0, ${PAGES}\n li t1, ${ECALL}\n sw t1, 0(t0)\n fence.i`);
  address(s, 0, napot(PAGES, 4096));
  for (const rwx of [0, R, R | W, X, R | X, R | W | X]) {
    configure(s, NAPOT | rwx);
    for (const mode of ["S", "U"] as const) {
      const what = `permissions ${rwx}`;
      const fault = (cause: number) => ({ cause, tval: PAGES });
      const at = `li t0, ${PAGES}\n`;
      s.attempt(mode, `${at} @: ld a0, 0(t0)`, rwx & R ? {} : fault(Cause.loadAccess), what);
      const store = rwx & W ? {} : fault(Cause.storeAccess);
      s.attempt(mode, `${at} li a0, ${ECALL}\n @: sw a0, 0(t0)`, store, what);
      s.run(mode, `${at} jr t0`);
      const ecall = mode === "S" ? Cause.ecallS : Cause.ecallU;
      s.equal("s2", rwx & X ? ecall : Cause.fetchAccess, `${what}: fetch (${mode})`);
      s.equal("s4", PAGES, `${what}: fetch (${mode}), epc`);
    }
    s.attempt("M", `li t0, ${PAGES}\n ld a0, 0(t0)\n sd a0, 0(t0)`, {}, "unlocked entry");
  }
  // A breach by MPRV is one of the mode that it stands for.
  configure(s, NAPOT);
  for (const as of ["S", "U", "M"] as const) {
    const status = Status.MPRV | (MODE_NUMBER[as] << 11);
    const body = `li t0, ${Status.MPP}\n csrc mstatus, t0\n li t0, ${status}\n csrs mstatus, t0
      li t0, ${PAGES}\n @: lw a0, 0(t0)`;
    const expected = as === "M" ? {} : { cause: Cause.loadAccess, tval: PAGES };
    s.attempt("M", body, expected, `MPRV as ${as}`);
  }
  configure(s);
}

function ranges(s: Script): void {
  address(s, 0, PAGES / 4 + 2);
  configure(s, NA4);
  expectLoad(s, PAGES + 4, true, "below NA4");
  expectLoad(s, PAGES + 8, false, "NA4");
  expectLoad(s, PAGES + 12, true, "above NA4");
  for (const [size, base] of [
    [8, PAGES + 16],
    [64, PAGES + 64],
    [4096, PAGES + 0x1000],
    [0x1_0000, PAGES + 0x1_0000],
  ] as const) {
    address(s, 0, napot(base, size));
    configure(s, NAPOT);
    expectLoad(s, base - 4, true, `below NAPOT of ${size}`);
    expectLoad(s, base, false, `start of NAPOT of ${size}`);
    expectLoad(s, base + size - 4, false, `end of NAPOT of ${size}`);
    expectLoad(s, base + size, true, `above NAPOT of ${size}`);
  }
  address(s, 0, (PAGES + 0x100) / 4);
  address(s, 1, (PAGES + 0x204) / 4);
  configure(s, 0, TOR);
  expectLoad(s, PAGES + 0xfc, true, "below TOR");
  expectLoad(s, PAGES + 0x100, false, "start of TOR");
  expectLoad(s, PAGES + 0x200, false, "end of TOR");
  expectLoad(s, PAGES + 0x204, true, "above TOR");
  address(s, 0, (PAGES + 0x204) / 4);
  configure(s, 0, TOR);
  expectLoad(s, PAGES + 0x200, true, "empty TOR");
  address(s, 0, (PAGES + 0x10) / 4);
  // The program itself is in this range, so that it must stay executable.
  configure(s, TOR | X);
  expectLoad(s, RAM, false, "TOR from 0");
  configure(s);
}

/** The bottom of a TOR range is the register below, whenever that changes. */
function movingBottom(s: Script): void {
  address(s, 0, PAGES / 4);
  address(s, 1, (PAGES + 0x20) / 4);
  configure(s, 0, TOR);
  expectLoad(s, PAGES + 0x10, false, "in TOR");
  address(s, 0, (PAGES + 0x18) / 4);
  expectLoad(s, PAGES + 0x10, true, "below TOR after its bottom has moved up");
  expectLoad(s, PAGES + 0x18, false, "in TOR after its bottom has moved up");
  address(s, 0, (PAGES + 0x10) / 4);
  expectLoad(s, PAGES + 0x10, false, "in TOR after its bottom has moved down");
}

/** The first entry that matches any byte decides, and must match all of them. */
function priority(s: Script): void {
  address(s, 0, napot(PAGES, 16));
  address(s, 1, napot(PAGES, 64));
  configure(s, NAPOT | R, NAPOT);
  expectLoad(s, PAGES + 8, true, "first of two entries");
  expectLoad(s, PAGES + 16, false, "second of two entries");
  configure(s, NAPOT, NAPOT | R);
  expectLoad(s, PAGES + 8, false, "first of two entries, none");
  expectLoad(s, PAGES + 16, true, "second of two entries, R");
  address(s, 0, PAGES / 4);
  address(s, 1, PAGES / 4 + 1);
  configure(s, NA4 | R, NA4 | R);
  expectLoad(s, PAGES, true, "NA4 with R");
  expectLoad(s, PAGES, false, "access over two entries", "ld");
  configure(s, NA4 | R);
  expectLoad(s, PAGES, false, "access over an entry and the rest", "ld");
  // With no entry that matches, only M-mode may go on.
  address(s, 0, napot(RAM, 1 << 21));
  s.emit(`li t0, ${NAPOT | R | W | X}\n csrw pmpcfg0, t0\n sfence`);
  expectLoad(s, PAGES, false, "no entry");
  s.attempt("M", `li t0, ${PAGES}\n lw a0, 0(t0)`, {}, "no entry");
  configure(s);
}

/** The walk's own reads are checked as S-mode's, and fail as the access that needed them. */
function tables(s: Script): void {
  enablePaging(s);
  storeEntry(s, hugeEntry, pteOf(RAM, PTE_ALL));
  const at = WINDOW_1G + (PAGES - RAM);
  s.attempt("S", `li t0, ${at}\n lw a0, 0(t0)`, {}, "page through a table");
  address(s, 0, napot(PAGES, 4096));
  configure(s, NAPOT);
  const body = `li t0, ${at}\n @: lw a0, 0(t0)`;
  s.attempt("S", body, { cause: Cause.loadAccess, tval: at }, "the page is protected");
  address(s, 0, napot(TABLES + 0x1000, 4096));
  configure(s, NAPOT);
  const window = 0x4000_0000;
  s.attempt(
    "S",
    `li t0, ${window}\n @: lw a0, 0(t0)`,
    { cause: Cause.loadAccess, tval: window },
    "the table is protected, load",
  );
  s.attempt(
    "S",
    `li t0, ${window}\n @: sw a0, 0(t0)`,
    { cause: Cause.storeAccess, tval: window },
    "the table is protected, store",
  );
  s.run("S", `li t0, ${window}\n jr t0`);
  s.equal("s2", Cause.fetchAccess, "the table is protected, fetch");
  configure(s);
}

/** Locked entries bind M-mode and keep their registers until reset, so that this comes last. */
function locked(s: Script): void {
  address(s, 0, (PAGES + 0x100) / 4);
  address(s, 1, (PAGES + 0x200) / 4);
  address(s, 2, napot(PAGES + 0x1000, 4096));
  configure(s, 0, TOR | L | R, NAPOT | L);
  const load = (at: number, cause: number | undefined, what: string) =>
    s.attempt(
      "M",
      `li t0, ${at}\n @: lw a0, 0(t0)`,
      cause === undefined ? {} : { cause, tval: at },
      what,
    );
  load(PAGES + 0x100, undefined, "locked, R");
  load(PAGES + 0x1000, Cause.loadAccess, "locked, none");
  const at = PAGES + 0x100;
  const fault = { cause: Cause.storeAccess, tval: at };
  s.attempt("M", `li t0, ${at}\n @: sw a0, 0(t0)`, fault, "locked, R");
  s.run("M", `li t0, ${at}\n jr t0`);
  s.equal("s2", Cause.fetchAccess, "locked, R: fetch");
  s.emit("csrw pmpcfg0, zero\n csrr a0, pmpcfg0");
  s.equal("a0", ((TOR | L | R) << 8) | ((NAPOT | L) << 16), "locked bytes after a write of 0");
  for (const [entry, value, what] of [
    [0, (PAGES + 0x100) / 4, "below a locked TOR"],
    [1, (PAGES + 0x200) / 4, "locked TOR"],
    [2, napot(PAGES + 0x1000, 4096), "locked NAPOT"],
  ] as const) {
    s.emit(`csrw pmpaddr${entry}, zero\n csrr a0, pmpaddr${entry}`);
    s.equal("a0", value, `pmpaddr${entry}, ${what}`);
  }
  s.emit("csrw pmpaddr3, zero\n csrr a0, pmpaddr3");
  s.equal("a0", 0, "pmpaddr3, not locked");
}

export function pmpTests(): Selftest[] {
  const s = new Script("PMP");
  permissions(s);
  ranges(s);
  priority(s);
  const walk = new Script("PMP and page tables");
  tables(walk);
  const last = new Script("PMP locked entries");
  locked(last);
  const bottom = new Script("PMP range whose bottom moves");
  movingBottom(bottom);
  return [
    s.done(),
    bottom.done("it looks at the register below only when the entry itself is written"),
    walk.done(),
    last.done(),
  ];
}
