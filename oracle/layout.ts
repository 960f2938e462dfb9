/** Where everything is in the memory of the harness, and how a case record is laid out. */

export const RAM_BASE = 0x8000_0000;
export const RAM_SIZE = 64 << 20;

/**
 * The instructions of a case are copied here. All memory that a direct jump can reach from here,
 * except the harness, is filled with C.EBREAK, so that a jump shows where it went.
 */
export const CODE = 0x8010_1000;
export const FILL_START = 0x8000_1000;
export const FILL_END = 0x8020_4000;
export const C_EBREAK = 0x9002;

/** The harness is near enough to CODE for a direct jump back. */
export const HARNESS = 0x800f_0000;
export const HARNESS_END = 0x800f_2000;

/** The block of memory that a case may read and write; the case record holds its contents. */
export const SCRATCH = 0x8030_0800;
export const SCRATCH_WORDS = 8;

export const RECORDS = 0x8040_0000;

/** Doublewords of a case record, first as the input and then as the result. */
export const Word = {
  /** In: nothing. Out: 1 if the case ended in a trap, 0 if it ran to its end. */
  kind: 0,
  /** x1 to x31 follow `kind`. */
  x: 0,
  f: 32,
  fcsr: 64,
  mstatus: 65,
  mcause: 66,
  mtval: 67,
  mepc: 68,
  scratch: 69,
  code: 69 + SCRATCH_WORDS,
} as const;

export const CODE_WORDS = 20;
export const RECORD_WORDS = Word.code + CODE_WORDS;
export const RECORD_BYTES = 8 * RECORD_WORDS;

/** What the comparison looks at: everything before the code. */
export const COMPARED_WORDS = Word.code;

/** A batch may have this many cases; it takes 26 MB of RAM. */
export const BATCH_MAX = 32_768;
