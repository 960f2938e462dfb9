/** Decodes instructions by the table: a bucket by the fixed low bits, then the first row that fits. */
import { extractField, type Field } from "./pattern.ts";
import type { CompressedRow, Row } from "./row.ts";
import { COMPRESSED_ROWS, type Expansion, expansionOf, ROWS } from "./table.ts";

type Slot = "rd" | "rs1" | "rs2" | "rs3" | "imm" | "rm";

/** What a decoded instruction says; reused from one decode to the next so that none allocates. */
export interface Decoded {
  /** Undefined for an encoding that is illegal or reserved. */
  row: Row | undefined;
  /** Set when the encoding is a compressed one. */
  compressed: CompressedRow | undefined;
  /** Length in bytes. */
  length: 2 | 4;
  /** Register numbers, of either file. `rs1` also holds `zimm`. */
  rd: number;
  rs1: number;
  rs2: number;
  rs3: number;
  /** Immediate, shift amount or CSR number, as a signed 32-bit integer. */
  imm: number;
  /** The rounding mode field: 0..4 or 7 (dynamic). */
  rm: number;
}

export function newDecoded(): Decoded {
  return {
    row: undefined,
    compressed: undefined,
    length: 4,
    rd: 0,
    rs1: 0,
    rs2: 0,
    rs3: 0,
    imm: 0,
    rm: 0,
  };
}

/** Fields that carry nothing for execution: memory ordering is always the strongest. */
const IGNORED = new Set(["aq", "rl", "fm", "pred", "succ"]);

function slotOf(name: string): Slot {
  const base = name.replace(/'$/, "").replace(/^f(d|s\d)$/, "r$1");
  if (base === "rd" || base === "rs1" || base === "rs2" || base === "rs3") return base;
  if (base === "zimm") return "rs1";
  return base === "rm" ? "rm" : "imm";
}

/** Which field of the encoding gives an operand. */
interface Extract {
  readonly field: Field;
  readonly slot: Slot;
}

/** A row, or a compressed one as the row that it stands for, in the decoder's terms. */
export interface Candidate {
  readonly mask: number;
  readonly match: number;
  readonly row: Row;
  readonly compressed: CompressedRow | undefined;
  readonly extracts: readonly Extract[];
  readonly constants: readonly { readonly slot: Slot; readonly value: number }[];
}

function candidateOf(row: Row): Candidate {
  const fields = row.pattern.fields.filter((field) => !IGNORED.has(field.name));
  const extracts = fields.map((field) => ({ field, slot: slotOf(field.name) }));
  const { mask, match } = row.pattern;
  return { mask, match, row, compressed: undefined, extracts, constants: [] };
}

function compressedCandidateOf(compressed: CompressedRow): Candidate {
  const { base, operands }: Expansion = expansionOf(compressed);
  const extracts: Extract[] = [];
  const constants: { slot: Slot; value: number }[] = [];
  for (const { operand, field: name, value } of operands) {
    const slot = slotOf(operand);
    const field = compressed.pattern.fields.find((f) => f.name === name);
    if (field === undefined) constants.push({ slot, value });
    else extracts.push({ field, slot });
  }
  const { mask, match } = compressed.pattern;
  return { mask, match, row: base, compressed, extracts, constants };
}

/** Opcode bits 6..2 and funct3: what nearly every 32-bit row fixes. */
const bucketOf32 = (bits: number): number => ((bits >>> 2) & 31) | ((bits >>> 7) & 0xe0);
/** Quadrant and funct3 of a compressed instruction. */
const bucketOf16 = (bits: number): number => (bits & 3) | ((bits >>> 11) & 0x1c);

function buckets(
  count: number,
  candidates: readonly Candidate[],
  bucketOf: (bits: number) => number,
  significant: number,
): Buckets {
  const made: Candidate[][] = Array.from({ length: count }, () => []);
  for (const candidate of candidates) {
    const fixed = bucketOf(candidate.mask & significant);
    for (let bucket = 0; bucket < count; bucket++) {
      if ((bucket & fixed) === bucketOf(candidate.match)) made[bucket].push(candidate);
    }
  }
  return made;
}

type Buckets = readonly (readonly Candidate[])[];

/** Made when they are asked for first: a page starts a machine without. */
let made32: Buckets | undefined;
let made16: Buckets | undefined;

/** Rows that instructions with the same value of `bucketOf32` may be, in the order to try them in. */
export function buckets32(): Buckets {
  made32 ??= buckets(256, ROWS.map(candidateOf), bucketOf32, 0x707c);
  return made32;
}

/** The same for compressed instructions and `bucketOf16`. */
export function buckets16(): Buckets {
  made16 ??= buckets(32, COMPRESSED_ROWS.map(compressedCandidateOf), bucketOf16, 0xe003);
  return made16;
}

/** The length in bytes that the low bits of an instruction announce. */
export function instructionLength(bits: number): 2 | 4 {
  return (bits & 3) === 3 ? 4 : 2;
}

/** Decodes `bits` (the low 16 of them for a compressed instruction) into `out`. */
export function decode(bits: number, out: Decoded): void {
  out.length = instructionLength(bits);
  out.rd = out.rs1 = out.rs2 = out.rs3 = out.imm = out.rm = 0;
  const half = bits & 0xffff;
  const word = out.length === 2 ? half : bits;
  const candidates =
    out.length === 2 ? buckets16()[bucketOf16(half)] : buckets32()[bucketOf32(bits)];
  for (const candidate of candidates) {
    if ((word & candidate.mask) >>> 0 !== candidate.match) continue;
    if (!fillOperands(candidate, word, out)) continue;
    out.row = candidate.row;
    out.compressed = candidate.compressed;
    return;
  }
  out.row = undefined;
  out.compressed = undefined;
}

function fillOperands(candidate: Candidate, word: number, out: Decoded): boolean {
  for (const { field, slot } of candidate.extracts) {
    const value = extractField(field, word);
    if (Number.isNaN(value)) return false;
    out[slot] = value;
  }
  for (const { slot, value } of candidate.constants) out[slot] = value;
  // A static rounding mode of 5 or 6 is reserved and treated as illegal (20.2).
  if (out.rm === 5 || out.rm === 6) return false;
  return excludedFieldsHold(candidate, word);
}

/** Fields that an expansion does not use may still be restricted. */
function excludedFieldsHold(candidate: Candidate, word: number): boolean {
  if (candidate.compressed === undefined) return true;
  for (const field of candidate.compressed.pattern.fields) {
    if (field.excluded.length > 0 && Number.isNaN(extractField(field, word))) return false;
  }
  return true;
}
