/**
 * A small two-pass assembler for test programs: the table's mnemonics and syntaxes, labels, a few
 * pseudo-instructions and data directives. Comments begin with `#`.
 */
import { encode } from "../src/isa/assembler.ts";
import { fName, xName } from "../src/isa/disassembler.ts";
import { operandNames } from "../src/isa/row.ts";
import { hasField, ROWS, rowNamed } from "../src/isa/table.ts";
import { CSR } from "./csr-names.ts";

export interface Program {
  readonly base: bigint;
  readonly bytes: Uint8Array;
  /** Addresses of the labels. */
  readonly symbols: ReadonlyMap<string, bigint>;
}

/** Looks a label up; only the second pass has them all. */
type Resolve = (label: string) => bigint;

/** Some bytes of the program whose length is known before any label is. */
interface Chunk {
  readonly length: number;
  bytes(address: bigint, resolve: Resolve): Uint8Array;
}

const REGISTERS = new Map<string, number>();
for (let k = 0; k < 32; k++) {
  for (const name of [`x${k}`, xName(k), `f${k}`, fName(k)]) REGISTERS.set(name, k);
}
REGISTERS.set("fp", 8);

const ROW_NAMES = new Set(ROWS.map((row) => row.name));
const ROUNDING = ["rne", "rtz", "rdn", "rup", "rmm", "", "", "dyn"];

function register(text: string): number {
  const found = REGISTERS.get(text);
  if (found === undefined) throw new Error(`${text} is no register`);
  return found;
}

const isNumber = (text: string): boolean => /^-?(0x[\da-f]+|\d+)$/i.test(text);

function number(text: string): bigint {
  if (!isNumber(text)) throw new Error(`${text} is no number`);
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
}

const word = (bits: number): Uint8Array => new Uint8Array(new Uint32Array([bits]).buffer);

/** Instructions that put a 64-bit constant in a register. */
function loadConstant(rd: number, value: bigint): number[] {
  const v = BigInt.asIntN(64, value);
  const low = Number(BigInt.asIntN(12, v));
  if (v === BigInt(low)) return [encode("addi", { rd, rs1: 0, imm: low })];
  if (v === BigInt.asIntN(32, v)) {
    const high = Number(BigInt.asIntN(32, v - BigInt(low)));
    const lui = encode("lui", { rd, imm: high });
    return low === 0 ? [lui] : [lui, encode("addiw", { rd, rs1: rd, imm: low })];
  }
  let high = (v - BigInt(low)) >> 12n;
  let shamt = 12;
  while ((high & 1n) === 0n) {
    high >>= 1n;
    shamt++;
  }
  const head = [...loadConstant(rd, high), encode("slli", { rd, rs1: rd, shamt })];
  return low === 0 ? head : [...head, encode("addi", { rd, rs1: rd, imm: low })];
}

function fixed(...words: number[]): Chunk {
  const bytes = new Uint8Array(words.flatMap((bits) => [...word(bits)]));
  return { length: bytes.length, bytes: () => bytes };
}

/** `label`, `label+8` or a number. */
function constantOf(text: string, resolve: Resolve): bigint {
  if (isNumber(text)) return number(text);
  const [label, offset] = text.split("+");
  return resolve(label) + (offset === undefined ? 0n : number(offset));
}

/** An instruction of the table, whose immediate may be a label: then it is relative to the pc. */
function instruction(name: string, operands: readonly string[]): Chunk {
  const row = rowNamed(name);
  const wanted = operandNames(row.syntax);
  const given = [...operands];
  const rm = hasField(row, "rm") ? 7 : undefined;
  const rounding = given.length > wanted.length ? ROUNDING.indexOf(given.pop() ?? "") : rm;
  if (given.length !== wanted.length) throw new Error(`${name} takes ${row.syntax}`);
  return {
    length: 4,
    bytes(address, resolve) {
      const fields: Record<string, number> = {};
      for (const [k, field] of wanted.entries()) {
        const text = given[k];
        if (/^[rf](d|s\d)$/.test(field)) fields[field] = register(text);
        else if (field === "csr") fields.csr = CSR[text] ?? Number(number(text));
        else if (isNumber(text)) fields[field] = Number(number(text));
        else fields[field] = Number(constantOf(text, resolve) - address);
      }
      if (rounding !== undefined) fields.rm = rounding;
      return word(encode(name, fields));
    },
  };
}

function loadAddress(rd: number, target: string): Chunk {
  return {
    length: 8,
    bytes(address, resolve) {
      const distance = Number(constantOf(target, resolve) - address);
      const low = (distance << 20) >> 20;
      const auipc = encode("auipc", { rd, imm: (distance - low) | 0 });
      return new Uint8Array([...word(auipc), ...word(encode("addi", { rd, rs1: rd, imm: low }))]);
    },
  };
}

type Pseudo = (o: readonly string[]) => Chunk;

const PSEUDO: Readonly<Record<string, Pseudo>> = {
  nop: () => instruction("addi", ["zero", "zero", "0"]),
  li: ([rd, value]) => fixed(...loadConstant(register(rd), number(value))),
  la: ([rd, label]) => loadAddress(register(rd), label),
  mv: ([rd, rs]) => instruction("addi", [rd, rs, "0"]),
  not: ([rd, rs]) => instruction("xori", [rd, rs, "-1"]),
  neg: ([rd, rs]) => instruction("sub", [rd, "zero", rs]),
  j: ([label]) => instruction("jal", ["zero", label]),
  call: ([label]) => instruction("jal", ["ra", label]),
  jr: ([rs]) => instruction("jalr", ["zero", "0", rs]),
  ret: () => instruction("jalr", ["zero", "0", "ra"]),
  beqz: ([rs, label]) => instruction("beq", [rs, "zero", label]),
  bnez: ([rs, label]) => instruction("bne", [rs, "zero", label]),
  csrr: ([rd, csr]) => instruction("csrrs", [rd, csr, "zero"]),
  csrw: ([csr, rs]) => instruction("csrrw", ["zero", csr, rs]),
  csrs: ([csr, rs]) => instruction("csrrs", ["zero", csr, rs]),
  csrc: ([csr, rs]) => instruction("csrrc", ["zero", csr, rs]),
  csrwi: ([csr, value]) => instruction("csrrwi", ["zero", csr, value]),
  csrsi: ([csr, value]) => instruction("csrrsi", ["zero", csr, value]),
  csrci: ([csr, value]) => instruction("csrrci", ["zero", csr, value]),
  sfence: () => instruction("sfence.vma", ["zero", "zero"]),
};

/** Little-endian data of `size` bytes each; labels stand for their addresses. */
function data(size: number, values: readonly string[]): Chunk {
  return {
    length: size * values.length,
    bytes(_address, resolve) {
      const bytes = new Uint8Array(size * values.length);
      for (const [k, text] of values.entries()) {
        const value = constantOf(text, resolve);
        for (let n = 0; n < size; n++)
          bytes[size * k + n] = Number((value >> BigInt(8 * n)) & 255n);
      }
      return bytes;
    },
  };
}

const DATA_SIZES: Readonly<Record<string, number>> = { ".half": 2, ".word": 4, ".dword": 8 };

function chunkOf(mnemonic: string, operands: readonly string[], at: number): Chunk {
  if (DATA_SIZES[mnemonic] !== undefined) return data(DATA_SIZES[mnemonic], operands);
  if (mnemonic === ".space" || mnemonic === ".align") {
    const n = Number(number(operands[0]));
    const length = mnemonic === ".space" ? n : (n - (at % n)) % n;
    return { length, bytes: () => new Uint8Array(length) };
  }
  const pseudo = PSEUDO[mnemonic];
  if (pseudo !== undefined) return pseudo(operands);
  if (ROW_NAMES.has(mnemonic)) return instruction(mnemonic, operands);
  throw new Error("no such instruction");
}

/** @throws Error with the line for anything that cannot be assembled. */
export function assemble(source: string, base = 0x8000_0000n): Program {
  const symbols = new Map<string, bigint>();
  const chunks: { chunk: Chunk; at: number; line: string }[] = [];
  let at = 0;
  for (const raw of source.split("\n")) {
    let line = raw.replace(/#.*/, "").trim();
    for (let label = /^(\w+):\s*/.exec(line); label !== null; label = /^(\w+):\s*/.exec(line)) {
      if (symbols.has(label[1])) throw new Error(`label ${label[1]} is there twice`);
      symbols.set(label[1], base + BigInt(at));
      line = line.slice(label[0].length);
    }
    if (line === "") continue;
    const [mnemonic, ...operands] = line.split(/[\s,()]+/).filter((part) => part !== "");
    const chunk = inLine(line, () => chunkOf(mnemonic, operands, at));
    chunks.push({ chunk, at, line });
    at += chunk.length;
  }
  const bytes = new Uint8Array(at);
  const resolve = (label: string): bigint => {
    const found = symbols.get(label);
    if (found === undefined) throw new Error(`no label ${label}`);
    return found;
  };
  for (const { chunk, at: offset, line } of chunks) {
    bytes.set(
      inLine(line, () => chunk.bytes(base + BigInt(offset), resolve)),
      offset,
    );
  }
  return { base, bytes, symbols };
}

function inLine<T>(line: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${line}: ${error instanceof Error ? error.message : error}`);
  }
}
