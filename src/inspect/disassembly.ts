/** Code as lines of text, with symbols. */
import { type Decoded, decode, instructionLength, newDecoded } from "../isa/decoder.ts";
import { targetOf, textOf } from "../isa/disassembler.ts";
import { csrName } from "./hart-state.ts";
import { pseudoOf } from "./pseudo.ts";
import type { Symbols } from "./symbols.ts";
import type { VirtualMemory } from "./virtual-memory.ts";

export interface CodeLine {
  readonly address: bigint;
  /** 2 or 4; 0 where no code can be read. */
  readonly length: number;
  readonly bits: number;
  readonly text: string;
  /** The symbol that begins here. */
  readonly label?: string;
  /** Where a jump leads, or what address is made, and its symbol. */
  readonly target?: bigint;
  readonly targetText?: string;
}

/** How far back from a place its function may begin, in bytes, to be read from there. */
const MAX_BACK = 0x4000n;

/** Without a symbol: where before a place reading is tried to begin, in bytes. */
const GUESSED_BACK = 64n;

/** Lines before and after a place at most: what a person scrolls through. */
const MAX_LINES = 512;

/** `before` lines, the one at `at`, and `after` more. */
export function codeAround(
  memory: VirtualMemory,
  symbols: Symbols,
  at: bigint,
  before: number,
  after: number,
): CodeLine[] {
  const counted = (lines: number): number => Math.max(0, Math.min(Math.floor(lines), MAX_LINES));
  const wanted = counted(before);
  const starts = wanted === 0 ? [] : startsBefore(memory, symbols, at).slice(-wanted);
  return linesFrom(memory, symbols, starts[0] ?? at, starts.length + 1 + counted(after));
}

function linesFrom(
  memory: VirtualMemory,
  symbols: Symbols,
  from: bigint,
  count: number,
): CodeLine[] {
  const lines: CodeLine[] = [];
  const d = newDecoded();
  const made = new MadeAddress();
  let at = from;
  while (lines.length < count) {
    const bits = bitsAt(memory, at);
    const known = symbols.lookup(at);
    const label = known?.offset === 0n ? { label: known.name } : {};
    if (bits === undefined) {
      lines.push({ address: at, length: 0, bits: 0, text: "not readable", ...label });
      break;
    }
    decode(bits, d);
    const target = targetOf(d, at) ?? made.next(d, at);
    const targetText = target === undefined ? undefined : symbols.text(target);
    lines.push({
      address: at,
      length: d.length,
      bits: d.length === 2 ? bits & 0xffff : bits >>> 0,
      text: pseudoOf(d, at, csrName) ?? textOf(d, bits, at, csrName),
      ...label,
      ...(target !== undefined && { target }),
      ...(targetText !== undefined && { targetText }),
    });
    at = BigInt.asUintN(64, at + BigInt(d.length));
  }
  return lines;
}

/** The bits of the instruction at an address: 16 of them if the others cannot be read. */
export function bitsAt(memory: VirtualMemory, at: bigint): number | undefined {
  const low = memory.readU16(at);
  if (low === undefined || instructionLength(low) === 2) return low;
  const high = memory.readU16(at + 2n);
  return high === undefined ? undefined : low | (high << 16);
}

/** Where instructions before `at` begin, such that one of them ends there. */
function startsBefore(memory: VirtualMemory, symbols: Symbols, at: bigint): bigint[] {
  const known = symbols.lookup(at);
  if (known !== undefined && known.offset <= MAX_BACK) {
    // The function's own start, and where it is short, that of the one before.
    const previous = symbols.lookup(known.address - 1n);
    const from = previous && at - previous.address <= MAX_BACK ? previous.address : known.address;
    const starts = sweep(memory, from, at);
    if (starts !== undefined) return starts;
  }
  for (let back = GUESSED_BACK; back > 0n; back -= 2n) {
    const starts = sweep(memory, at - back, at);
    if (starts !== undefined) return starts;
  }
  return [];
}

/** Where instructions from `from` on begin; undefined if none ends at `to`. */
function sweep(memory: VirtualMemory, from: bigint, to: bigint): bigint[] | undefined {
  const starts: bigint[] = [];
  let at = from;
  while (at < to) {
    const bits = bitsAt(memory, at);
    if (bits === undefined) return undefined;
    starts.push(at);
    at += BigInt(instructionLength(bits));
  }
  return at === to ? starts : undefined;
}

/** The address that AUIPC and the instruction after it make. */
class MadeAddress {
  #register = 0;
  #base = 0n;

  next({ row, rd, rs1, imm }: Decoded, pc: bigint): bigint | undefined {
    const uses = this.#register !== 0 && rs1 === this.#register && row?.syntax.includes("s1");
    const made = uses && /^(addi|jalr|l[bhwd]u?|s[bhwd]|fl[wd]|fs[wd])$/.test(row?.name ?? "");
    const address = made ? BigInt.asUintN(64, this.#base + BigInt(imm)) : undefined;
    this.#register = row?.name === "auipc" ? rd : 0;
    this.#base = pc + BigInt(imm);
    return address;
  }
}
