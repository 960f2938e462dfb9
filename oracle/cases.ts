/** Cases of the differential test, and the groups that the golden data is kept by. */
import { encode } from "../src/isa/assembler.ts";
import { instructionLength } from "../src/isa/decoder.ts";
import { disassemble } from "../src/isa/disassembler.ts";
import { EXIT } from "./harness.ts";
import { C_EBREAK, CODE, CODE_WORDS, RECORD_WORDS, SCRATCH_WORDS, Word } from "./layout.ts";
import { hashText, Random } from "./random.ts";

export type Mode = "U" | "S" | "M";

/** mstatus fields that cases set. */
export const Mstatus = {
  SPIE: 1n << 5n,
  MPIE: 1n << 7n,
  SPP: 1n << 8n,
  MPP_SHIFT: 11n,
  FS_SHIFT: 13n,
  MPRV: 1n << 17n,
  SUM: 1n << 18n,
  MXR: 1n << 19n,
  TVM: 1n << 20n,
  TW: 1n << 21n,
  TSR: 1n << 22n,
} as const;

const MODE_NUMBER = { U: 0n, S: 1n, M: 3n } as const;

/** One instruction of a case: its bits and its length. */
export interface Code {
  readonly bits: number;
  readonly length: 2 | 4;
}

export function code(bits: number): Code {
  return { bits, length: instructionLength(bits) };
}

/** The input of a case as it is built: registers start random, all else is set explicitly. */
export class Case {
  readonly record = new BigUint64Array(RECORD_WORDS);
  readonly random: Random;
  mode: Mode = "M";
  #end = 0;

  constructor(random: Random) {
    this.random = random;
    const halves = new Uint32Array(this.record.buffer);
    const noise = 2 * (Word.scratch + SCRATCH_WORDS);
    for (let k = 2; k < noise; k++) halves[k] = random.u32();
    for (let k = Word.fcsr; k < Word.scratch; k++) this.record[k] = 0n;
    this.setStatus("M", 3n);
    new Uint16Array(this.record.buffer, 8 * Word.code).fill(C_EBREAK);
  }

  setX(index: number, value: bigint): void {
    if (index > 0) this.record[Word.x + index] = BigInt.asUintN(64, value);
  }

  getX(index: number): bigint {
    return index === 0 ? 0n : this.record[Word.x + index];
  }

  setF(index: number, value: bigint): void {
    this.record[Word.f + index] = value;
  }

  getF(index: number): bigint {
    return this.record[Word.f + index];
  }

  setScratch(index: number, value: bigint): void {
    this.record[Word.scratch + index] = value;
  }

  setFcsr(frm: number, fflags: number): void {
    this.record[Word.fcsr] = BigInt((frm << 5) | fflags);
  }

  /** The mode that the case runs in, the state of the floating-point unit and other bits. */
  setStatus(mode: Mode, fs: bigint, other = 0n): void {
    this.mode = mode;
    this.record[Word.mstatus] =
      (MODE_NUMBER[mode] << Mstatus.MPP_SHIFT) | (fs << Mstatus.FS_SHIFT) | other;
  }

  /** Address of the next instruction to be placed. */
  get here(): number {
    return CODE + this.#end;
  }

  place(bits: number): void {
    const { length } = code(bits);
    const view = new DataView(this.record.buffer);
    const at = 8 * Word.code + this.#end;
    if (this.#end + length > 8 * CODE_WORDS) throw new Error("the case is too long");
    view.setUint16(at, bits & 0xffff, true);
    if (length === 4) view.setUint16(at + 2, bits >>> 16, true);
    this.#end += length;
  }

  /** Ends the code: to the harness directly, or by ECALL where the mode may not go on. */
  finish(): this {
    if (this.mode === "M") this.place(encode("jal", { rd: 0, imm: EXIT - this.here }));
    else this.place(encode("ecall"));
    return this;
  }
}

export interface Group {
  /** The row's name, or what kind of cases these are. */
  readonly name: string;
  readonly count: number;
  make(index: number, random: Random): Case;
}

/** Each case has its own seed, so that one more case or group leaves the others as they were. */
export function makeCase(group: Group, index: number): Case {
  return group.make(index, new Random(hashText(`${group.name}/${index}`)));
}

/** The instructions of a case, up to its end. */
export function listing(record: BigUint64Array): string[] {
  const view = new DataView(record.buffer, record.byteOffset);
  const found: string[] = [];
  for (let at = 0; at + 4 <= 8 * CODE_WORDS; ) {
    const bits = view.getUint32(8 * Word.code + at, true);
    if ((bits & 0xffff) === C_EBREAK) break;
    const text = disassemble(bits, BigInt(CODE + at));
    const length = instructionLength(bits);
    const raw = length === 2 ? bits & 0xffff : bits;
    found.push(
      `${(CODE + at).toString(16)}: ${raw.toString(16).padStart(2 * length, "0")}  ${text}`,
    );
    at += length;
  }
  return found;
}
