/** How a function begins: what of its caller it saves, and where (RISC-V psABI, procedure calls). */
import { decode, newDecoded } from "../isa/decoder.ts";
import { bitsAt } from "./disassembly.ts";
import type { VirtualMemory } from "./virtual-memory.ts";

const REGISTER = { ra: 1, sp: 2, s0: 8 } as const;

/** Instructions that are searched: what a function may do before it makes its frame. */
const MAX_PROLOGUE = 64;

/** Instructions from a place to the function's return, if it has given its frame back. */
const MAX_RETURN = 3;

/** Something that the prologue does: at which address, and the place or size that it is about. */
interface Step {
  readonly at: bigint;
  readonly bytes: bigint;
}

export interface Prologue {
  /** The frame is made: its size. */
  readonly frame?: Step;
  /** ra and s0 are saved: how far below the end of the frame. */
  readonly ra?: Step;
  readonly s0?: Step;
  /** s0 is set to the end of the frame. */
  readonly pointer?: Step;
}

/** Reads the prologue of the function at an address; empty for a leaf that needs no frame. */
export function readPrologue(memory: VirtualMemory, address: bigint): Prologue {
  const found: { -readonly [Name in keyof Prologue]: Step } = {};
  const d = newDecoded();
  let size = 0n;
  let at = address;
  for (let k = 0; k < MAX_PROLOGUE; k++) {
    const bits = bitsAt(memory, at);
    if (bits === undefined) break;
    decode(bits, d);
    const name = d.row?.name;
    const usesStack = d.rs1 === REGISTER.sp;
    if (name === "addi" && usesStack && d.rd === REGISTER.sp) {
      // The frame is given back here: what follows is another way through the function.
      if (d.imm > 0) break;
      size -= BigInt(d.imm);
      found.frame = { at, bytes: size };
    }
    const saved = { at, bytes: size - BigInt(d.imm) };
    if (name === "sd" && usesStack && d.rs2 === REGISTER.ra) found.ra ??= saved;
    if (name === "sd" && usesStack && d.rs2 === REGISTER.s0) found.s0 ??= saved;
    if (
      name === "addi" &&
      usesStack &&
      d.rd === REGISTER.s0 &&
      BigInt(d.imm) === size &&
      size > 0n
    ) {
      found.pointer ??= { at, bytes: size };
    }
    at += BigInt(d.length);
  }
  return found;
}

/** Whether the code at `pc` only returns: the frame has been given back. */
export function isReturning(memory: VirtualMemory, pc: bigint): boolean {
  const d = newDecoded();
  let at = pc;
  for (let k = 0; k < MAX_RETURN; k++) {
    const bits = bitsAt(memory, at);
    if (bits === undefined) return false;
    decode(bits, d);
    const name = d.row?.name;
    if (name === "jalr" && d.rd === 0 && d.rs1 === REGISTER.ra) return true;
    const leaves = name === "jal" || name === "jalr" || /^b(eq|ne|lt|ge)/.test(name ?? "b");
    if (leaves || (name === "addi" && d.rd === REGISTER.sp)) return false;
    at += BigInt(d.length);
  }
  return false;
}
