import { beforeEach, describe, expect, it } from "vitest";
import type { Machine } from "../machine/machine.ts";
import { parseCondition, parseNumber } from "./condition.ts";
import { Debugger } from "./debugger.ts";
import { AT, COUNTER, KERNEL, loopingMachine, untilHeld } from "./testing/looping-machine.ts";

let machine: Machine;
let debug: Debugger;

beforeEach(() => {
  machine = loopingMachine();
  debug = Debugger.of(machine);
});

const pc = () => Number(debug.hart.pc());
const breakAt = (address: number) => {
  const id = debug.addBreakpoint({ address: BigInt(address) });
  untilHeld(machine);
  return id;
};

describe("a held machine", () => {
  it("runs nothing, and its clock stands still", async () => {
    machine.runSlice(2);
    debug.hold();
    const { instructions, ticks, state } = machine.inspect();
    expect(state).toBe("held");
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(machine.runSlice(5)).toBe("held");
    expect(machine.msUntilWake()).toBe(Number.POSITIVE_INFINITY);
    expect(machine.inspect()).toMatchObject({ instructions, ticks });
    debug.release();
    expect(machine.inspect().ticks).toBeLessThan(ticks + 40_000);
    expect(machine.runSlice(2)).toBe("running");
    expect(machine.inspect().instructions).toBeGreaterThan(instructions);
  });

  it("executes one instruction by a step", () => {
    debug.hold();
    debug.step();
    expect(machine.inspect()).toMatchObject({ instructions: 1, pc: BigInt(KERNEL + 4) });
    expect(debug.stop).toEqual({ kind: "step" });
  });

  it("is held still after a reset", () => {
    breakAt(AT.leaf);
    machine.reset();
    expect(machine.runSlice(5)).toBe("held");
    expect(pc()).toBe(KERNEL);
    debug.release();
    untilHeld(machine);
    expect(pc()).toBe(AT.leaf);
  });
});

describe("steps", () => {
  it("go over a call", () => {
    debug.removeBreakpoint(breakAt(AT.call));
    debug.stepOver();
    untilHeld(machine);
    expect(pc()).toBe(AT.back);
    expect(debug.stop).toEqual({ kind: "reached" });
    debug.stepOver();
    expect(pc()).toBe(AT.call);
    expect(machine.hold.isActive).toBe(true);
  });

  it.each([
    ["from its first instruction", AT.function],
    ["from behind its prologue", AT.function + 8],
    ["from where ra leads into it", AT.inner + 4],
  ])("go out of a function %s", (_, from) => {
    debug.removeBreakpoint(breakAt(from));
    debug.stepOut();
    untilHeld(machine);
    expect(pc()).toBe(AT.back);
  });

  it("go out of a leaf, and stop before that at a breakpoint", () => {
    debug.removeBreakpoint(breakAt(AT.leaf));
    const id = debug.addBreakpoint({ address: BigInt(AT.leaf + 4) });
    debug.stepOut();
    untilHeld(machine);
    expect([pc(), debug.stop?.kind]).toEqual([AT.leaf + 4, "breakpoint"]);
    debug.removeBreakpoint(id);
    debug.stepOut();
    untilHeld(machine);
    expect(pc()).toBe(AT.inner + 4);
    // Nothing of these is left.
    expect(debug.hart.debug?.points.breakpoints).toEqual([]);
  });
});

describe("breakpoints", () => {
  it("count, wait for their turn and for their condition", () => {
    debug.addBreakpoint({ address: BigInt(AT.leaf), ignore: 9, condition: "t0 >= 5 && ra != 0" });
    untilHeld(machine);
    expect(debug.hart.getX(5)).toBe(14n);
    expect(debug.breakpoints[0]).toMatchObject({ hits: 10, isEnabled: true });
  });

  it("share an address, and are put out one by one", () => {
    const first = breakAt(AT.leaf);
    const second = debug.addBreakpoint({ address: BigInt(AT.leaf) });
    debug.removeBreakpoint(first);
    debug.release();
    untilHeld(machine);
    debug.enableBreakpoint(second, false);
    debug.release();
    expect(machine.runSlice(5)).toBe("running");
    debug.enableBreakpoint(second, true);
    untilHeld(machine);
    expect(debug.breakpoints.map(({ hits }) => hits)).toEqual([2]);
  });

  it("go on from where they stopped once", () => {
    breakAt(AT.leaf);
    const before = debug.hart.getX(5);
    debug.release();
    untilHeld(machine);
    expect(debug.hart.getX(5)).toBe(before + 1n);
  });
});

describe("watchpoints", () => {
  it("stop behind the access", () => {
    const id = debug.addWatchpoint(BigInt(COUNTER), 4, "write");
    untilHeld(machine);
    expect(pc()).toBe(AT.leaf + 8);
    expect(debug.stop).toMatchObject({ kind: "watchpoint", address: BigInt(COUNTER) });
    expect(machine.memory.readU32(COUNTER)).toBe(1);
    expect(debug.watchpoints[0].hits).toBe(1);
    debug.enableWatchpoint(id, false);
    debug.release();
    expect(machine.runSlice(5)).toBe("running");
    debug.enableWatchpoint(id, true);
    untilHeld(machine);
    debug.removeWatchpoint(id);
    expect(debug.watchpoints).toEqual([]);
  });
});

describe("conditions", () => {
  it.each([
    "",
    "a0",
    "a0 = 1",
    "q7 == 1",
    "a0 == 1 && ",
    "a0 == 0x10000000000000000",
    `a0 == ${"1".repeat(300)}`,
  ])("that are none: %s", (text) => {
    expect(() => parseCondition(text)).toThrow(Error);
  });

  it.each([
    ["pc == 0x80200000", true],
    ["a0 == 0 && sp != 1", true],
    ["a0 > -1", false],
    ["mstatus & 0x200000000", true],
    ["5 <= 4", false],
  ])("%s is %s", (text, expected) => {
    expect(parseCondition(text)(debug.hart)).toBe(expected);
  });

  it("have numbers of 64 bits", () => {
    expect(parseNumber("-1")).toBe(2n ** 64n - 1n);
    expect(parseNumber("1e3")).toBeUndefined();
  });
});
