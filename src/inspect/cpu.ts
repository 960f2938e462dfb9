/** What a hart is doing: registers, code, callers, page tables, and what makes it fast. */
import type { HartPort, PrivilegeMode } from "../cpu/hart-port.ts";
import type { TranslatorStats } from "../cpu/jit/translator-stats.ts";
import type { TlbStats } from "../cpu/tlb-stats.ts";
import { TIMEBASE_HZ } from "../irq/timebase.ts";
import { fName, xName } from "../isa/disassembler.ts";
import { callStack, type FrameOrigin, isReturn } from "./call-stack.ts";
import { type CsrField, fieldsOf } from "./csr-fields.ts";
import { type CodeLine, codeAround } from "./disassembly.ts";
import { CSR_LIST, translationState } from "./hart-state.ts";
import { LinuxTasks } from "./linux-task.ts";
import { type AccessKind, type PageWalk, refusalOf, walkPage } from "./page-walk.ts";
import type { Subject } from "./subject.ts";
import { type Placed, symbolsOf } from "./symbols.ts";
import { VirtualMemory } from "./virtual-memory.ts";

export interface RegisterView extends Placed {
  /** x0 or f0, and so on. */
  readonly number: string;
  readonly name: string;
  readonly value: bigint;
}

export interface FloatView extends RegisterView {
  readonly double: number;
  /** Present if the register holds a NaN-boxed single. */
  readonly single?: number;
}

export interface CpuView extends Placed {
  readonly hart: number;
  readonly mode: PrivilegeMode;
  readonly pc: bigint;
  /** The Linux task that runs. */
  readonly task?: string;
  readonly instructions: number;
  /** Around the pc. */
  readonly code: readonly CodeLine[];
  /** From the innermost function outwards. */
  readonly stack: readonly FrameView[];
  readonly x: readonly RegisterView[];
  readonly f: readonly FloatView[];
}

export interface CsrView extends Placed {
  readonly number: number;
  readonly name: string;
  readonly value: bigint;
  readonly fields: readonly CsrField[];
}

interface FrameView extends Placed {
  readonly pc: bigint;
  readonly origin: FrameOrigin;
  readonly sp: bigint;
}

export interface WalkView extends Placed {
  readonly walk: PageWalk;
  readonly mode: PrivilegeMode;
  /** For each kind of access in the hart's present mode: why it faults, or undefined. */
  readonly refusals: Readonly<Record<AccessKind, string | undefined>>;
}

export interface TranslationView {
  readonly tlb: TlbStats;
  readonly jit: TranslatorStats | undefined;
  /** Since power-on, in ms. */
  readonly runMs: number;
}

const REGISTERS = Array.from({ length: 32 }, (_, index) => index);

/** Lines of code before the pc and after it: what a person sees at a glance. */
const LINES_BEFORE = 8;
const LINES_AFTER = 12;

/** NaN-boxed singles have all ones above (21.2). */
const BOX = 0xffff_ffff_0000_0000n;

/** Performance counters that are always 0 say nothing. */
const isCounted = (name: string): boolean => !/hpm/.test(name);

export const cpuCalls = (subject: Subject) => {
  const { machine } = subject;
  const symbols = symbolsOf(subject);
  const tasks = new LinuxTasks(symbols);
  const hart = (id = 0): HartPort => {
    const found = machine.harts[id];
    if (found === undefined) throw new Error(`there is no hart ${id}`);
    return found;
  };
  const memory = (of: HartPort): VirtualMemory =>
    new VirtualMemory(machine.memory, translationState(of));
  return {
    /** All of one moment: registers, code and callers. */
    cpuState: (id?: number): CpuView => {
      const of = hart(id);
      const view = memory(of);
      const task = tasks.current(of, view);
      return {
        hart: of.id,
        mode: of.mode(),
        pc: of.pc(),
        ...symbols.placed(of.pc()),
        ...(task !== undefined && { task }),
        instructions: of.instructionCount(),
        code: codeAround(view, symbols, of.pc(), LINES_BEFORE, LINES_AFTER),
        stack: callStack(of, view, symbols).map((frame) => ({
          ...frame,
          ...symbols.placed(frame.pc, isReturn(frame)),
        })),
        x: REGISTERS.map((k) => {
          const value = of.getX(k);
          return { number: `x${k}`, name: xName(k), value, ...symbols.placed(value) };
        }),
        f: REGISTERS.map((k) => floatView(k, of.getF(k))),
      };
    },
    /** All CSRs of a hart but the performance counters that count nothing, by number. */
    cpuCsrs: (id?: number): CsrView[] => {
      const of = hart(id);
      return CSR_LIST.filter(({ name }) => isCounted(name)).map(({ number, name }) => {
        const value = of.peekCsr(number) ?? 0n;
        return { number, name, value, fields: fieldsOf(name, value), ...symbols.placed(value) };
      });
    },
    /** Code around an address, which is the hart's pc by default; virtual in the hart's mode. */
    cpuCode: (at: bigint | undefined, before: number, after: number, id?: number): CodeLine[] => {
      const of = hart(id);
      return codeAround(memory(of), symbols, at ?? of.pc(), before, after);
    },
    /** The way through the page tables for an address, a symbol or `symbol+offset`. */
    cpuWalk: (place: string, id?: number): WalkView => {
      const address = symbols.addressOf(place);
      const state = translationState(hart(id));
      const walk = walkPage(machine.memory, state, address);
      return {
        walk,
        mode: state.mode,
        ...symbols.placed(address),
        refusals: {
          read: refusalOf(walk, "read", state),
          write: refusalOf(walk, "write", state),
          execute: refusalOf(walk, "execute", state),
        },
      };
    },
    cpuTranslation: (id?: number): TranslationView => ({
      tlb: hart(id).tlb(),
      jit: hart(id).translation,
      runMs: (machine.timebase.ticks() * 1000) / TIMEBASE_HZ,
    }),
  };
};

function floatView(index: number, value: bigint): FloatView {
  const data = new DataView(new ArrayBuffer(8));
  data.setBigUint64(0, value);
  const isBoxed = (value & BOX) === BOX;
  return {
    number: `f${index}`,
    name: fName(index),
    value,
    double: data.getFloat64(0),
    ...(isBoxed && { single: data.getFloat32(4) }),
  };
}
