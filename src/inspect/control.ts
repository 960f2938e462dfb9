/** What there is to do to a machine: hold it, step it, have it stop somewhere, change what it has. */
import type { HartPort, PrivilegeMode } from "../cpu/hart-port.ts";
import { xName } from "../isa/disassembler.ts";
import { parseNumber } from "./condition.ts";
import { type Breakpoint, Debugger, type StopReason, type Watchpoint } from "./debugger.ts";
import { type CodeLine, codeAround } from "./disassembly.ts";
import { type GdbLinkState, RelayLink } from "./gdb/relay-link.ts";
import { readRegister, registerNamed, writeRegister } from "./hart-registers.ts";
import type { Subject } from "./subject.ts";
import { type Placed, symbolsOf } from "./symbols.ts";

/** How a person goes on with a held machine. */
export type Move = "step" | "step-over" | "step-out" | "continue";

type BreakpointView = Breakpoint & Placed;
export type WatchpointView = Watchpoint & Placed;

export interface DebugRegister {
  readonly name: string;
  /** Undefined while the machine runs. */
  readonly value: bigint | undefined;
}

export interface DebugView extends Placed {
  readonly isHeld: boolean;
  /** Why, if it is. */
  readonly stop?: StopReason;
  readonly mode: PrivilegeMode;
  readonly pc: bigint;
  readonly breakpoints: readonly BreakpointView[];
  readonly watchpoints: readonly WatchpointView[];
  /** What can be changed. */
  readonly registers: readonly DebugRegister[];
  /** The next instructions of a held machine. */
  readonly code: readonly CodeLine[];
  /** Absent for a machine without a relay. */
  readonly gdb?: GdbLinkState;
}

/** Registers that a person changes: the integer ones, where the hart is and how it got there. */
const SHOWN: readonly string[] = [
  "pc",
  ...Array.from({ length: 31 }, (_, k) => xName(k + 1)),
  ...["sstatus", "sepc", "scause", "stval", "stvec", "satp", "mstatus", "mepc", "mcause", "fcsr"],
];

const INSTRUCTIONS_SHOWN = 8;

export const controlCalls = (subject: Subject) => {
  const debug = Debugger.of(subject.machine);
  const link = RelayLink.of(subject.machine, subject.gdbRelay);
  const symbols = symbolsOf(subject);
  const named = <P extends { readonly address: bigint }>(point: P): P & Placed => ({
    ...point,
    ...symbols.placed(point.address),
  });
  const needHeld = (): void => {
    if (!debug.isHeld) throw new Error("Hold the machine first: what runs changes it again.");
  };
  return {
    debugState: (): DebugView => {
      const { hart, stop, isHeld } = debug;
      return {
        isHeld,
        ...(stop && { stop }),
        mode: hart.mode(),
        pc: hart.pc(),
        ...symbols.placed(hart.pc()),
        breakpoints: debug.breakpoints.map(named),
        watchpoints: debug.watchpoints.map(named),
        registers: SHOWN.map((name) => ({
          name,
          value: isHeld ? registerValue(hart, name) : undefined,
        })),
        ...(link && { gdb: link.state }),
        code: isHeld ? codeAround(debug.memory, symbols, hart.pc(), 0, INSTRUCTIONS_SHOWN) : [],
      };
    },
    /** Stops the machine before its next instruction. */
    debugHold: (): void => debug.hold(),
    /** Has a held machine go on. */
    debugMove: (move: Move): void => {
      needHeld();
      MOVES[move](debug);
    },
    /** Runs a held machine to an address or symbol, unless something stops it before. */
    debugRunTo: (place: string): void => {
      needHeld();
      debug.runTo(symbols.addressOf(place));
    },
    /** `condition` is as in `condition.ts`, or empty; `ignore` times it is passed. */
    addBreakpoint: (place: string, condition = "", ignore = 0): number =>
      debug.addBreakpoint({
        address: symbols.addressOf(place),
        ignore,
        ...(condition.trim() !== "" && { condition }),
      }),
    removeBreakpoint: (id: number): void => debug.removeBreakpoint(id),
    enableBreakpoint: (id: number, isOn: boolean): void => debug.enableBreakpoint(id, isOn),
    addWatchpoint: (place: string, length: number, kind: Watchpoint["kind"]): number =>
      debug.addWatchpoint(symbols.addressOf(place), length, kind),
    removeWatchpoint: (id: number): void => debug.removeWatchpoint(id),
    enableWatchpoint: (id: number, isOn: boolean): void => debug.enableWatchpoint(id, isOn),
    /** Serves GDB through the relay, or no longer. */
    serveGdb: (isOn: boolean): void => {
      if (link === undefined) throw new Error("There is no relay.");
      if (isOn) link.open();
      else link.close();
    },
    /** `value` is a number as a person types it. */
    writeRegister: (name: string, value: string): void => {
      needHeld();
      const register = registerNamed(name);
      const number = parseNumber(value) ?? symbols.resolve(value);
      if (register === undefined) throw new Error(`There is no register ${name}.`);
      if (number === undefined) throw new Error(`“${value}” is neither a number nor a symbol.`);
      if (!writeRegister(debug.hart, register, number)) throw new Error(`${name} is read-only.`);
    },
  };
};

const MOVES: Readonly<Record<Move, (debug: Debugger) => void>> = {
  step: (debug) => debug.step(),
  "step-over": (debug) => debug.stepOver(),
  "step-out": (debug) => debug.stepOut(),
  continue: (debug) => debug.release(),
};

function registerValue(hart: HartPort, name: string): bigint | undefined {
  const register = registerNamed(name);
  return register && readRegister(hart, register);
}
