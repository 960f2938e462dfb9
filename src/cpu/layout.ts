/**
 * The hart's part of the linear memory: its state, its TLB and its cache of decoded instructions.
 *
 * The interpreter, translated code, snapshots and the inspector read these same bytes. Offsets are
 * absolute, so that generated code reaches a field with a constant address and no base register.
 *
 *     0x0000_0000  null page: address 0 means "no host address" in generated code
 *     0x0000_0100  hart state: x0..x31, the sink for writes to x0, f0..f31, the fields below
 *     0x0000_1000  scratch code slots: instructions that cannot live in a page's slot
 *     0x0000_2000  CSR map: for each CSR number, its row in the CSR table plus one, or 0
 *     0x0000_3000  filter of the pages that translated code relies on
 *     0x0000_4000  log of TLB fills
 *     0x0000_6000  computed jumps that were taken
 *     0x0000_a000  functions that were called
 *     0x0000_e000  filter of places in pages that have breakpoints
 *     0x0000_f000  filter of pages that are watched
 *     0x0001_0000  map of the windows above RAM: for each block from the start of RAM, where it is
 *     0x0002_0000  TLB: four contexts of three tables (read, write, execute)
 *     0x0008_0000  ways into translated code
 *     0x0010_0000  links between regions
 *     0x0030_0000  code map: for each 4 KiB page of RAM, the address of its code slot or 0
 *     0x0050_0000  records of regions
 *     0x0070_0000  code slots
 *     then         pages of RAM and windows that were written
 */

import { WINDOW_BLOCK_BYTES, WINDOW_SPAN_BYTES } from "../memory/memory-window.ts";

const STATE_BASE = 0x100;

/** Number of the integer register that swallows writes to x0. */
export const X_SINK = 32;

export const X_BASE = STATE_BASE;
export const F_BASE = X_BASE + 33 * 8;
const FIELDS_BASE = F_BASE + 32 * 8;

export const PMP_ENTRIES = 16;

/**
 * 64-bit fields that are a hart's state as the specifications have it, in address order; most carry their
 * CSR's name. A saved machine has these and no others.
 */
export const WIDE_STATE = [
  "pc",
  /** minstret = instretAnchor - budget left. */
  "instretAnchor",
  /** mcycle = minstret + cycleOffset. */
  "cycleOffset",
  /** Guest virtual address of the reservation, and what LR loaded. */
  "reservationAddress",
  "reservationValue",
  "mstatus",
  "medeleg",
  "mideleg",
  "mie",
  "mtvec",
  "mscratch",
  "mepc",
  "mcause",
  "mtval",
  "menvcfg",
  "stvec",
  "sscratch",
  "sepc",
  "scause",
  "stval",
  "satp",
  "senvcfg",
  "stimecmp",
] as const;

/** 64-bit fields that are derived from state, counted, or of one run alone. */
const WIDE_OTHER = [
  /** Of the slot being executed: pc = codeBase + (address of the decoded entry >> 3). */
  "codeBase",
  /** Value and tval of a trap being raised. */
  "faultTval",
  /** MMIO data and 64-bit arguments of host calls. */
  "scratch",
  "scratchHigh",
  /** Lowest and highest guest address whose cached translation came from a superpage. */
  "superpageLow",
  "superpageHigh",
  /** Names the present mapping: regions that were checked under it need no new check. */
  "generation",
  /** The last number given to any mapping. */
  "lastGeneration",
  /** Address of the instruction that the interpreter began with, translated or not; else odd. */
  "interpretOnce",
  /** TLB entries filled since the last flush of all of them, and before it since reset. */
  "tlbFills",
  "tlbFilled",
  /** Flushes of all entries, and of one page's, since reset. */
  "tlbFlushes",
  "tlbPageFlushes",
  /** Where RAM is for the guest, and its size in bytes; it lies at `HART_MEMORY_BYTES` of the memory. */
  "ramBase",
  "ramBytes",
  "mhartid",
] as const;

/** As `WIDE_STATE`, of 32 bits. */
export const NARROW_STATE = [
  /** 0 = U, 1 = S, 3 = M. */
  "mode",
  /** Interrupt-pending bits driven by wires, and those that software wrote. */
  "mipLines",
  "mipSoft",
  "mcounteren",
  "scounteren",
  "fflags",
  "frm",
  "waiting",
  /** Nonzero if an ECALL from S-mode is answered by the monitor. */
  "ecallHandled",
] as const;

/** As `WIDE_OTHER`, of 32 bits. */
const NARROW_OTHER = [
  /** Privilege that loads and stores are checked with (MPRV). */
  "dataMode",
  /** Address of the TLB tables for data, and of the execute table for fetches. */
  "dataTlb",
  "fetchTlb",
  /** Bit 0: FS is off. Bit 1: frm holds a reserved mode. */
  "fpIllegal",
  "faultCause",
  /** Nonzero: look at interrupts and stop requests before going on. */
  "attention",
  /** Host address of the reserved bytes, or 0. */
  "reservationHost",
  "stopRequested",
  /** Instructions that may still run in this slice; kept here while leaving the main loop. */
  "budget",
  /** Set by a page walk whose page has one PMP permission and may be cached. */
  "cacheable",
  /** Entries of the PMP range table in use. */
  "pmpActive",
  /** Budget set aside so that the main loop looks at `attention` soon. */
  "budgetHeld",
  /** Exceptions raised; each uses a unit of budget without retiring an instruction. */
  "trapCount",
  /** Why translated code or the interpreter was left: a `RegionStatus`; and where in a region (`ExitInfo`). */
  "regionStatus",
  "regionExit",
  /** Nonzero while a page walk must leave no trace. */
  "probing",
  /** Breakpoints there are. */
  "breakpoints",
  /** Nonzero while an instruction is stepped that no interrupt may come before. */
  "interruptsHeld",
] as const;

const WIDE = [...WIDE_STATE, ...WIDE_OTHER] as const;
const NARROW = [...NARROW_STATE, ...NARROW_OTHER] as const;

export type WideField = (typeof WIDE)[number];
export type NarrowField = (typeof NARROW)[number];

function addresses<K extends string>(
  names: readonly K[],
  base: number,
  stride: number,
): Record<K, number> {
  return Object.fromEntries(names.map((name, k) => [name, base + k * stride])) as Record<K, number>;
}

const NARROW_BASE = FIELDS_BASE + WIDE.length * 8;
const PMP_BASE = (NARROW_BASE + NARROW.length * 4 + 15) & ~15;

/** Absolute address of every field. */
export const FIELD: Readonly<Record<WideField | NarrowField, number>> = {
  ...addresses(WIDE, FIELDS_BASE, 8),
  ...addresses(NARROW, NARROW_BASE, 4),
};

/** pmpcfg bytes, pmpaddr registers, and the ranges derived from them. */
export const PMP = {
  cfg: PMP_BASE,
  addr: PMP_BASE + PMP_ENTRIES,
  /** {i64 first byte, i64 last byte, i32 cfg, pad}: 24 bytes each, inactive entries left out. */
  ranges: PMP_BASE + PMP_ENTRIES * 9,
  rangeBytes: 24,
} as const;

/**
 * A decoded instruction. Register fields are absolute addresses of the registers, so that generated
 * code needs one load to find an operand.
 */
export const ENTRY = {
  bytes: 16,
  op: 0,
  rd: 2,
  rs1: 4,
  rs2: 6,
  imm: 8,
  /** Register number, of the floating-point file. */
  rs3: 12,
  rm: 13,
  /** The handler that `op` stood for before translated code or a breakpoint took its place. */
  replaced: 14,
} as const;

/** A TLB entry: i64 tag (page address, or -1), i32 addend (host address - guest address), pad. */
export const TLB = {
  base: 0x2_0000,
  entryBytes: 16,
  entries: 2048,
  /** Bytes of one table, and its place within a context. */
  tableBytes: 0x8000,
  read: 0,
  write: 0x8000,
  execute: 0x1_0000,
  contextBytes: 0x1_8000,
  contexts: 4,
} as const;

/** Addresses of the TLB entries filled since the last flush, so that a flush need not touch all. */
export const TLB_LOG = { base: 0x4000, count: 2048 } as const;

/**
 * Computed jumps that were taken lately, calls and returns left out: i64 address of the jump, i64
 * target, at a place that both choose.
 */
export const JUMP_LOG = { base: 0x6000, bytes: 16, count: 1024 } as const;

/** Targets of calls (i64), each at a place that its low bits choose. */
export const CALL_LOG = { base: 0xa000, bytes: 8, count: 2048 } as const;

/** A byte for each page number modulo 4096: whether a region was checked to rely on such a page. */
export const EXECUTED_FILTER = { base: 0x3000, bytes: 4096 } as const;

/** A byte for each half-word of a page: whether any page has a breakpoint there. */
export const BREAKPOINT_FILTER = { base: 0xe000, bytes: 2048 } as const;

/** A byte for each page number modulo 4096: whether such a page has bytes that are watched. */
export const WATCH_FILTER = { base: 0xf000, bytes: 4096 } as const;

/** For each TLB context, the number of its present mapping (i64). */
export const GENERATIONS_BASE = 0xf00;

/** Index of a TLB context: S-mode has a second one for accesses with SUM set. */
export const TlbContext = { user: 0, supervisor: 1, supervisorSum: 2, machine: 3 } as const;

/** Scratch slots hold one instruction each; chosen by the low bits of pc. */
export const SCRATCH = { base: 0x1000, count: 64, bytes: 64, bits: 48 } as const;

export const CSR_MAP_BASE = 0x2000;

/**
 * For each block of guest physical addresses from the start of RAM, the address in the linear memory
 * of a window's block, or 0 (i32). RAM itself is not in it.
 */
export const WINDOW_MAP = {
  base: 0x1_0000,
  blockBytes: WINDOW_BLOCK_BYTES,
  count: WINDOW_SPAN_BYTES / WINDOW_BLOCK_BYTES,
} as const;

/**
 * Ways into translated code. A decoded entry whose op is `firstOp + n` enters by row n: u16 index in
 * the function table, u16 number of the entry within that function, i32 distance in bytes of the
 * entry's page from the page that the region was found from.
 */
export const TRANSLATION = { base: 0x8_0000, rowBytes: 8, rows: 0xf000, firstOp: 0x1000 } as const;

/** Regions that have a place at one time; beyond it the oldest make room. */
export const MAX_REGIONS = 8192;

/**
 * A link: where a call of a region has led, as a copy of the row of `TRANSLATION` that it enters by,
 * and the address that was called (i64); all zero while that is not known. Link 0 is never used.
 */
export const LINK = { base: 0x10_0000, bytes: 16, target: 8, count: 0x2_0000 } as const;

export const CODE_MAP_BASE = 0x30_0000;
/** Pages of RAM and windows that the code map can cover: 2 GiB. */
const CODE_MAP_PAGES = 0x8_0000;

/**
 * What a region relies on, by its index in the function table: the mapping it was last checked under
 * (i64 generation, i64 address of the entry's page), then what is checked: i32 address of the TLB
 * tables for data, i32 number of pages, i32 retreats (see `windows.ts`), and for each page i32 distance
 * in pages, i32 code slot.
 */
export const REGION_RECORD = {
  base: CODE_MAP_BASE + CODE_MAP_PAGES * 4,
  bytes: 256,
  generation: 0,
  pageBase: 8,
  dataTlb: 16,
  pageCount: 20,
  retreats: 24,
  pages: 32,
  pageBytes: 8,
  maxPages: 28,
} as const;

/** A code slot: decoded entries for each half-word of a page, an end mark, and where the page is. */
export const SLOT = {
  base: REGION_RECORD.base + MAX_REGIONS * REGION_RECORD.bytes,
  entries: 2048,
  /** The end mark's place. */
  end: 2048 * ENTRY.bytes,
  /** Where the address of the page's bytes is kept. */
  host: 2048 * ENTRY.bytes + 16,
  /** Nonzero if translated code depends on the page. */
  translated: 2048 * ENTRY.bytes + 20,
  /** Stores to the page before it gives its slot back. */
  storesLeft: 2048 * ENTRY.bytes + 24,
  /** Nonzero if the page was looked up at an address where it has breakpoints. */
  breakpoints: 2048 * ENTRY.bytes + 28,
  bytes: 2048 * ENTRY.bytes + 64,
  /**
   * Pages with decoded code at one time, oldest replaced first. A Linux boot touches some 700, a
   * compiler at work more than 2000. A slot is 32 KiB: this bounds the cache to 132 MiB, of which the
   * host commits what is used.
   */
  count: 4096,
} as const;

/** Bytes of a page of linear memory. */
export const WASM_PAGE = 0x1_0000;

/**
 * A byte for each page of RAM and windows: 1 once the hart has written it. A page that the TLB knows
 * as writable has it set, so that only slow paths set it; who clears it flushes the TLB.
 */
export const WRITTEN_MAP = {
  base: SLOT.base + SLOT.count * SLOT.bytes,
  bytes: CODE_MAP_PAGES,
} as const;

/** Linear memory below RAM, which so begins there. */
export const HART_MEMORY_BYTES: number =
  Math.ceil((WRITTEN_MAP.base + WRITTEN_MAP.bytes) / WASM_PAGE) * WASM_PAGE;
