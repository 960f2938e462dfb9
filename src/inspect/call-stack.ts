/**
 * Who called what runs. Where a function's symbol is known, its prologue says where it keeps the return
 * address; other code is believed to have a frame pointer, with the return address at s0 - 8 and the
 * caller's s0 at s0 - 16 (RISC-V psABI). Everything read is the guest's and may be nonsense: the walk
 * ends where it makes no sense.
 */
import type { HartPort } from "../cpu/hart-port.ts";
import { decode, newDecoded } from "../isa/decoder.ts";
import { bitsAt } from "./disassembly.ts";
import { isReturning, type Prologue, readPrologue } from "./prologue.ts";
import type { Symbols } from "./symbols.ts";
import type { VirtualMemory } from "./virtual-memory.ts";

/** Deeper than any kernel stack of 16 KiB in practice; it also ends what is circular. */
const MAX_FRAMES = 64;

/** How a frame was found. */
export type FrameOrigin =
  /** Where the hart is. */
  | "pc"
  /** In ra: the function has not saved it yet, or is a leaf. */
  | "ra"
  /** Where the function's prologue saved it. */
  | "stack"
  /** By a frame pointer, in a function that nothing is known of. */
  | "pointer"
  /** What a trap interrupted, from Linux's `pt_regs`. */
  | "trap";

export interface Frame {
  /** The address that runs, or that is returned to. */
  readonly pc: bigint;
  readonly origin: FrameOrigin;
  /** sp while that function runs. */
  readonly sp: bigint;
}

/** Whether the frame's pc is where a call returns to. */
export const isReturn = ({ origin }: Frame): boolean => origin !== "pc" && origin !== "trap";

/** What was found of a kernel's code, for who looks at many stacks. */
export class KnownCode {
  /** By the addresses of functions. */
  readonly prologues = new Map<bigint, Prologue>();
  /** By addresses, whether a call is before them. */
  readonly calls = new Map<bigint, boolean>();
}

/** Functions, and calls, that are kept. Those of programs are not: each has its own. */
const MAX_KNOWN = 8192;
const KERNEL_HALF = 1n << 63n;

function keep<T>(known: Map<bigint, T>, address: bigint, find: () => T): T {
  const old = known.get(address);
  if (old !== undefined) return old;
  const found = find();
  if (known.size >= MAX_KNOWN) known.clear();
  if (address >= KERNEL_HALF) known.set(address, found);
  return found;
}

const REGISTER = { ra: 1, sp: 2, s0: 8 } as const;

/** A frame is not larger: 1 MiB is much even in user mode. */
const MAX_FRAME_BYTES = 1n << 20n;

/** Where `struct pt_regs` keeps registers (arch/riscv/include/asm/ptrace.h). */
const PT_REGS = { epc: 0n, ra: 8n, sp: 16n, s0: 64n } as const;

/** Code between these symbols of Linux has a `pt_regs` at its sp when it has called something. */
const TRAP_CODE = { first: "handle_exception", end: "ret_from_exception_end" } as const;

interface State extends Frame {
  readonly s0: bigint;
  /** Only known where the hart is, and where a trap was taken. */
  readonly ra?: bigint;
}

/** From the innermost function outwards. */
export function callStack(
  hart: HartPort,
  memory: VirtualMemory,
  symbols: Symbols,
  known = new KnownCode(),
): Frame[] {
  const walk = new StackWalk(memory, symbols, known);
  const frames: Frame[] = [];
  let state: State | undefined = {
    pc: hart.pc(),
    origin: "pc",
    sp: hart.getX(REGISTER.sp),
    s0: hart.getX(REGISTER.s0),
    ra: hart.getX(REGISTER.ra),
  };
  while (state !== undefined && frames.length < MAX_FRAMES) {
    const { pc, origin, sp }: State = state;
    frames.push({ pc, origin, sp });
    state = walk.caller(state);
  }
  return frames;
}

class StackWalk {
  readonly #memory: VirtualMemory;
  readonly #symbols: Symbols;
  readonly #known: KnownCode;
  readonly #trapFirst: bigint | undefined;
  readonly #trapEnd: bigint | undefined;

  constructor(memory: VirtualMemory, symbols: Symbols, known: KnownCode) {
    this.#memory = memory;
    this.#symbols = symbols;
    this.#known = known;
    this.#trapFirst = symbols.address(TRAP_CODE.first);
    this.#trapEnd = symbols.address(TRAP_CODE.end);
  }

  caller(state: State): State | undefined {
    const { pc } = state;
    if (isReturn(state) && this.#isTrapCode(pc)) return this.#interrupted(state.sp);
    const known = this.#symbols.lookup(isReturn(state) ? pc - 1n : pc);
    return known === undefined ? this.#byPointer(state) : this.#byPrologue(state, known.address);
  }

  #byPrologue({ pc, sp, s0, ra }: State, address: bigint): State | undefined {
    const { frame, ra: savedRa, s0: savedS0, pointer } = this.#prologueOf(address);
    const isDone = (step: { at: bigint } | undefined) => step !== undefined && step.at < pc;
    if (!isDone(frame) || (ra !== undefined && isReturning(this.#memory, pc))) {
      return this.#returning(ra, sp, s0, "ra");
    }
    // A function that takes more of the stack as it goes keeps the end of its frame in s0.
    const end = isDone(pointer) ? s0 : sp + (frame?.bytes ?? 0n);
    if (end < sp || end - sp > MAX_FRAME_BYTES) return undefined;
    const at = (step: { bytes: bigint } | undefined) =>
      step && this.#memory.readU64(end - step.bytes);
    const outer = isDone(savedS0) ? at(savedS0) : s0;
    if (outer === undefined) return undefined;
    if (isDone(savedRa)) return this.#returning(at(savedRa), end, outer, "stack");
    return this.#returning(ra, end, outer, "ra");
  }

  #byPointer({ sp, s0 }: State): State | undefined {
    if (s0 <= sp || s0 - sp > MAX_FRAME_BYTES || s0 % 8n !== 0n) return undefined;
    const ra = this.#memory.readU64(s0 - 8n);
    const outer = this.#memory.readU64(s0 - 16n);
    return outer === undefined ? undefined : this.#returning(ra, s0, outer, "pointer");
  }

  #interrupted(registers: bigint): State | undefined {
    const read = (at: bigint) => this.#memory.readU64(registers + at);
    const [pc, ra, sp, s0] = [PT_REGS.epc, PT_REGS.ra, PT_REGS.sp, PT_REGS.s0].map(read);
    if (pc === undefined || ra === undefined || sp === undefined || s0 === undefined)
      return undefined;
    return { pc, origin: "trap", sp, s0, ra };
  }

  /** The caller, if the return address can be one. */
  #returning(
    pc: bigint | undefined,
    sp: bigint,
    s0: bigint,
    origin: FrameOrigin,
  ): State | undefined {
    if (pc === undefined || pc === 0n || pc % 2n !== 0n) return undefined;
    const isPossible =
      this.#isTrapCode(pc) || keep(this.#known.calls, pc, () => this.#followsCall(pc));
    return isPossible ? { pc, origin, sp, s0 } : undefined;
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

  #prologueOf(address: bigint): Prologue {
    return keep(this.#known.prologues, address, () => readPrologue(this.#memory, address));
  }
}
