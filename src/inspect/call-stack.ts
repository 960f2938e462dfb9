/**
 * Who called what runs, by frame pointers (s0): a function that has one keeps the return address at
 * s0 - 8 and its caller's s0 at s0 - 16 (RISC-V psABI, frame pointer convention). Linux is built so.
 * Everything read is the guest's and may be nonsense; a chain ends where it makes no sense.
 */
import type { HartPort } from "../cpu/hart-port.ts";
import { decode, newDecoded } from "../isa/decoder.ts";
import { bitsAt } from "./disassembly.ts";
import type { Symbols } from "./symbols.ts";
import type { VirtualMemory } from "./virtual-memory.ts";

/** Deeper than any kernel stack of 16 KiB in practice; it also ends what is circular. */
const MAX_FRAMES = 64;

/** How a frame was found. */
export type FrameOrigin =
  /** Where the hart is. */
  | "pc"
  /** In ra: the function has not made its frame yet, or is a leaf. */
  | "ra"
  /** Saved in a frame. */
  | "frame"
  /** What a trap interrupted, from Linux's `pt_regs`. */
  | "trap";

export interface Frame {
  /** The address that runs, or that is returned to. */
  readonly pc: bigint;
  readonly origin: FrameOrigin;
  /** s0 while that function runs. */
  readonly framePointer: bigint;
}

/** Whether the frame's pc is where a call returns to. */
export const isReturn = ({ origin }: Frame): boolean => origin === "ra" || origin === "frame";

const REGISTER = { ra: 1, sp: 2, s0: 8 } as const;

/** A frame pointer is not further from the one before than stacks are large: 8 MiB in user mode. */
const MAX_STACK_BYTES = 8n << 20n;

/** Instructions of a function that are searched for its prologue. */
const MAX_PROLOGUE = 64;

/** Where `struct pt_regs` keeps epc and s0 (arch/riscv/include/asm/ptrace.h). */
const PT_REGS = { epc: 0n, s0: 64n } as const;

/** Code between these symbols of Linux has a `pt_regs` at the frame pointer of what it calls. */
const TRAP_CODE = { first: "handle_exception", end: "ret_from_exception_end" } as const;

/** From the innermost function outwards. */
export function callStack(hart: HartPort, memory: VirtualMemory, symbols: Symbols): Frame[] {
  const walk = new StackWalk(memory, symbols);
  const [pc, framePointer] = [hart.pc(), hart.getX(REGISTER.s0)];
  const frames: Frame[] = [{ pc, origin: "pc", framePointer }];
  const seen = new Set<bigint>();
  let next = walk.fromInnermost(frames[0], hart.getX(REGISTER.ra), hart.getX(REGISTER.sp));
  while (next !== undefined && frames.length < MAX_FRAMES) {
    frames.push(next);
    const { framePointer: at, origin } = next;
    // A frame may follow one that was found in ra and has the same pointer, but is never seen twice.
    if (origin !== "ra") {
      if (seen.has(at)) break;
      seen.add(at);
    }
    next = walk.caller(next);
  }
  return frames;
}

class StackWalk {
  readonly #memory: VirtualMemory;
  readonly #symbols: Symbols;
  readonly #trapFirst: bigint | undefined;
  readonly #trapEnd: bigint | undefined;

  constructor(memory: VirtualMemory, symbols: Symbols) {
    this.#memory = memory;
    this.#symbols = symbols;
    this.#trapFirst = symbols.address(TRAP_CODE.first);
    this.#trapEnd = symbols.address(TRAP_CODE.end);
  }

  /** The caller of the function that runs, which may not have made its frame. */
  fromInnermost(frame: Frame, ra: bigint, sp: bigint): Frame | undefined {
    const { pc, framePointer } = frame;
    if (!this.#hasFrame(pc)) return this.#returning(ra, framePointer, "ra");
    if (!isAbove(framePointer, sp)) return undefined;
    // A leaf saves only s0, where others save ra.
    const saved = this.#memory.readU64(framePointer - 8n);
    if (saved !== undefined && isAbove(saved, framePointer)) {
      return this.#returning(ra, saved, "ra");
    }
    return this.caller(frame);
  }

  caller({ pc, framePointer, origin }: Frame): Frame | undefined {
    if (origin === "frame" && this.#isTrapCode(pc)) return this.#interrupted(framePointer);
    if (framePointer % 8n !== 0n || framePointer === 0n) return undefined;
    const ra = this.#memory.readU64(framePointer - 8n);
    const saved = this.#memory.readU64(framePointer - 16n);
    if (ra === undefined || saved === undefined) return undefined;
    if (this.#isTrapCode(ra)) return { pc: ra, origin: "frame", framePointer };
    return this.#returning(ra, saved, "frame");
  }

  #interrupted(registers: bigint): Frame | undefined {
    const pc = this.#memory.readU64(registers + PT_REGS.epc);
    const framePointer = this.#memory.readU64(registers + PT_REGS.s0);
    if (pc === undefined || framePointer === undefined || pc === 0n) return undefined;
    return { pc, origin: "trap", framePointer };
  }

  /** A frame for a return address, if it can be one. */
  #returning(pc: bigint, framePointer: bigint, origin: FrameOrigin): Frame | undefined {
    if (pc % 2n !== 0n || pc === 0n) return undefined;
    const isKnown = this.#symbols.lookup(pc - 1n) !== undefined;
    return isKnown || this.#followsCall(pc) ? { pc, origin, framePointer } : undefined;
  }

  #isTrapCode(pc: bigint): boolean {
    const [first, end] = [this.#trapFirst, this.#trapEnd];
    return first !== undefined && end !== undefined && pc >= first && pc < end;
  }

  /** Whether the instruction before is one that leaves a return address in ra. */
  #followsCall(pc: bigint): boolean {
    return [4n, 2n].some((length) => {
      const bits = bitsAt(this.#memory, pc - length);
      if (bits === undefined) return false;
      const d = newDecoded();
      decode(bits, d);
      const isCall = d.row?.name === "jal" || d.row?.name === "jalr";
      return isCall && d.rd === REGISTER.ra && BigInt(d.length) === length;
    });
  }

  /** Whether the function around `pc` has set s0 before it; true where that cannot be known. */
  #hasFrame(pc: bigint): boolean {
    const known = this.#symbols.lookup(pc);
    if (known === undefined) return true;
    const d = newDecoded();
    let at = known.address;
    for (let k = 0; k < MAX_PROLOGUE; k++) {
      if (at >= pc) return false;
      const bits = bitsAt(this.#memory, at);
      if (bits === undefined) return true;
      decode(bits, d);
      const setsFrame = d.row?.name === "addi" && d.rd === REGISTER.s0 && d.rs1 === REGISTER.sp;
      if (setsFrame && d.imm > 0) return true;
      at += BigInt(d.length);
    }
    return true;
  }
}

const isAbove = (framePointer: bigint, stack: bigint): boolean =>
  framePointer > stack && framePointer - stack < MAX_STACK_BYTES && framePointer % 8n === 0n;
