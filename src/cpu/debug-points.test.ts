import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encode } from "../isa/assembler.ts";
import { MAX_BREAKPOINTS, MAX_WATCHED_BYTES, MAX_WATCHPOINTS } from "./debug-points.ts";
import type { Hart } from "./hart.ts";
import type { RunExit } from "./hart-port.ts";
import { buildInterpreter } from "./interpreter.ts";
import { bareMachine } from "./testing/bare-machine.ts";

const RAM = 0x8000_0000;
const DATA = RAM + 0x4000;
const SLICE = 500;

const [COUNT, SUM, BASE, VALUE] = [5, 6, 7, 8];
/** `COUNT` turns that load, add and store a word at `BASE`; then it stays where it is. */
const LOOP = [
  encode("lw", { rd: VALUE, rs1: BASE }),
  encode("add", { rd: SUM, rs1: SUM, rs2: VALUE }),
  encode("addi", { rd: VALUE, rs1: VALUE, imm: 1 }),
  encode("sw", { rs1: BASE, rs2: VALUE }),
  encode("addi", { rd: COUNT, rs1: COUNT, imm: -1 }),
  encode("bne", { rs1: COUNT, imm: -20 }),
  encode("jal", { imm: 0 }),
];
const END = RAM + 24;

const interpreter = new WebAssembly.Module(buildInterpreter({ shared: false, exact: false }));

const TIERS = ["never", "hot", "eager"] as const;

function loopMachine(translate: (typeof TIERS)[number], turns = 1000) {
  // A clock that gives the translator credit enough.
  const time = (): number => machine.hart.instructionCount() * 10_000;
  const machine = bareMachine({ interpreter, translate, time });
  machine.program(RAM, LOOP);
  machine.hart.setX(COUNT, BigInt(turns));
  machine.hart.setX(BASE, BigInt(DATA));
  return machine;
}

/** Runs until something is met, or so many slices are over. */
function runOn({ run }: { run: () => RunExit }, slices = 100): RunExit {
  for (let k = 0; k < slices; k++) {
    const exit = run();
    if (exit !== "budget") return exit;
  }
  return "budget";
}

const sliced = (hart: Hart) => ({ run: () => hart.run(SLICE) });

/** Steps off a breakpoint and runs to the next. */
function goOn(hart: Hart): RunExit {
  expect(hart.debug.step()).toBe("budget");
  return runOn(sliced(hart));
}

describe.each(TIERS)("breakpoints, with translation %s", (translate) => {
  test("stop each turn of a hot loop before the instruction", () => {
    const { hart } = loopMachine(translate);
    const { points } = hart.debug;
    points.setBreakpoint(BigInt(RAM + 12));
    expect(runOn(sliced(hart))).toBe("debug");
    for (let turn = 0; turn < 20; turn++) {
      expect(points.takeHit()).toEqual({ kind: "breakpoint", address: BigInt(RAM + 12) });
      expect(hart.pc()).toBe(BigInt(RAM + 12));
      expect(hart.getX(VALUE)).toBe(BigInt(turn + 1));
      expect(hart.instructionCount()).toBe(turn * 6 + 3);
      expect(goOn(hart)).toBe("debug");
    }
  });

  test("stop code that was translated before they were set", () => {
    const { hart } = loopMachine(translate, 1_000_000);
    runOn(sliced(hart), 50);
    if (translate !== "never") expect(hart.translation?.compiled).toBeGreaterThan(0);
    for (const at of [0, 4, 8, 12, 16, 20]) {
      hart.debug.points.setBreakpoint(BigInt(RAM + at));
      expect(runOn(sliced(hart))).toBe("debug");
      expect(hart.pc()).toBe(BigInt(RAM + at));
      hart.debug.points.removeBreakpoint(BigInt(RAM + at));
    }
    expect(runOn(sliced(hart), 100)).toBe("budget");
  });

  test("leave nothing behind when they are gone: the same end as without", () => {
    const plain = loopMachine(translate);
    runOn(sliced(plain.hart), 50);
    const { hart, memory } = loopMachine(translate);
    for (let k = 0; k < 3000; k++) {
      hart.debug.points.setBreakpoint(BigInt(RAM + 0x1000 + 2 * k));
      hart.debug.points.removeBreakpoint(BigInt(RAM + 0x1000 + 2 * k));
    }
    hart.debug.points.setBreakpoint(BigInt(RAM + 4));
    for (let k = 0; k < 10; k++) expect(k === 0 ? runOn(sliced(hart)) : goOn(hart)).toBe("debug");
    hart.debug.points.removeBreakpoint(BigInt(RAM + 4));
    while (hart.pc() !== BigInt(END)) hart.run(SLICE);
    expect(hart.getX(SUM)).toBe(plain.hart.getX(SUM));
    expect(memory.readU32(DATA)).toBe(1000);
    expect(hart.debug.points.breakpoints).toEqual([]);
  });

  test("hold where code is rewritten, by the guest, by the host and after FENCE.I", () => {
    const { hart, memory } = loopMachine(translate, 1_000_000);
    const address = BigInt(RAM + 4);
    hart.debug.points.setBreakpoint(address);
    expect(runOn(sliced(hart))).toBe("debug");
    memory.writeU32(RAM + 4, encode("addi", { rd: SUM, rs1: SUM, imm: 7 }));
    expect(goOn(hart)).toBe("debug");
    expect(hart.getX(SUM)).toBe(7n);
    hart.flushCode();
    expect(goOn(hart)).toBe("debug");
    // The loop's own store goes to the instruction with the breakpoint, and makes it illegal.
    hart.setX(BASE, address);
    expect(goOn(hart)).toBe("debug");
    expect([hart.pc(), memory.readU32(RAM + 4)]).toEqual([address, 3]);
  });

  test("survive a reset", () => {
    const { hart } = loopMachine(translate);
    hart.debug.points.setBreakpoint(BigInt(RAM + 8));
    hart.reset({ pc: RAM, mode: "M", a0: 0, a1: 0 });
    hart.setX(BASE, BigInt(DATA));
    expect(runOn(sliced(hart))).toBe("debug");
    expect(hart.pc()).toBe(BigInt(RAM + 8));
  });

  test("stop before an instruction across two pages", () => {
    const { hart, program } = bareMachine({ translate });
    const at = RAM + 0xffe;
    hart.debug.setPc(BigInt(at));
    program(at, [encode("addi", { rd: SUM, rs1: SUM, imm: 3 })]);
    program(at + 4, [encode("jal", { imm: -4 })]);
    hart.debug.points.setBreakpoint(BigInt(at));
    for (const sum of [0n, 3n, 6n]) {
      expect(sum === 0n ? runOn(sliced(hart)) : goOn(hart)).toBe("debug");
      expect([hart.pc(), hart.getX(SUM)]).toEqual([BigInt(at), sum]);
    }
  });

  test("ask their condition, which sees the registers", () => {
    const { hart } = loopMachine(translate);
    hart.debug.points.setBreakpoint(BigInt(RAM + 12), () => hart.getX(VALUE) === 777n);
    expect(runOn(sliced(hart))).toBe("debug");
    expect(hart.getX(VALUE)).toBe(777n);
    expect(goOn(hart)).toBe("budget");
  });
});

/** Sv39 tables for code at `VA` in a user or a supervisor page, whose entry is at `leaf`. */
const VA = 0x4000_0000n;
function pagedMachine(translate: (typeof TIERS)[number], mode: "U" | "S") {
  const machine = loopMachine(translate, 1_000_000);
  const { hart, memory, program } = machine;
  const root = RAM + 0x1_0000;
  const leaf = root + 0x2000;
  const setPte = (at: number, to: number, flags: number) => {
    memory.writeU32(at, ((to / 4096) * 1024 + flags) % 2 ** 32);
    memory.writeU32(at + 4, Math.floor(((to / 4096) * 1024) / 2 ** 32));
  };
  const map = (page: bigint, to: number) =>
    setPte(leaf + Number(page) * 8, to, mode === "U" ? 0xdf : 0xcf);
  setPte(root + 8, root + 0x1000, 1);
  setPte(root + 0x1000, leaf, 1);
  map(0n, RAM);
  map(1n, DATA);
  map(2n, DATA + 0x1000);
  program(RAM + 0x100, [
    encode("csrrw", { rs1: 10, csr: 0x3b0 }),
    encode("csrrwi", { zimm: 0x1f, csr: 0x3a0 }),
    encode("csrrw", { rs1: 11, csr: 0x180 }),
    encode("csrrw", { rs1: 12, csr: 0x300 }),
    encode("csrrw", { rs1: 13, csr: 0x341 }),
    encode("mret"),
  ]);
  hart.setX(10, -1n);
  hart.setX(11, (8n << 60n) | BigInt(root / 4096));
  hart.setX(12, mode === "S" ? 1n << 11n : 0n);
  hart.setX(13, VA);
  hart.setX(BASE, VA + 0x1000n);
  hart.debug.setPc(BigInt(RAM + 0x100));
  return { ...machine, map };
}

describe.each(TIERS)("in translated pages, with translation %s", (translate) => {
  test.each(["U", "S"] as const)("breakpoints of %s-mode follow the address", (mode) => {
    const { hart, program, map } = pagedMachine(translate, mode);
    runOn(sliced(hart), 20);
    const { points } = hart.debug;
    points.setBreakpoint(BigInt(RAM + 4));
    expect(runOn(sliced(hart), 20)).toBe("budget");
    points.setBreakpoint(VA + 4n);
    expect(runOn(sliced(hart))).toBe("debug");
    expect([hart.pc(), hart.mode()]).toEqual([VA + 4n, mode]);
    // Another page comes to be there.
    program(RAM + 0x8000, LOOP);
    map(0n, RAM + 0x8000);
    hart.flushTlb();
    for (let k = 0; k < 3; k++) {
      expect(goOn(hart)).toBe("debug");
      expect(hart.pc()).toBe(VA + 4n);
    }
    // And the same page at another address, where there is none.
    map(3n, RAM + 0x8000);
    hart.debug.setPc(VA + 0x3000n);
    expect(runOn(sliced(hart), 20)).toBe("budget");
    hart.debug.setPc(VA);
    expect(runOn(sliced(hart))).toBe("debug");
  });

  test("a watchpoint across two pages stops for bytes of either", () => {
    const { hart } = pagedMachine(translate, "S");
    runOn(sliced(hart), 20);
    const watchpoint = { address: VA + 0x1ffen, length: 4, kind: "access" } as const;
    hart.debug.points.addWatchpoint(watchpoint);
    expect(runOn(sliced(hart), 20)).toBe("budget");
    for (const [base, address] of [
      [VA + 0x1ffcn, VA + 0x1ffen],
      [VA + 0x2000n, VA + 0x2000n],
      [VA + 0x1ffdn, VA + 0x1ffen],
    ]) {
      hart.setX(BASE, base);
      hart.debug.setPc(VA);
      expect(runOn(sliced(hart))).toBe("debug");
      expect(hart.debug.points.takeHit()).toEqual({ kind: "watchpoint", watchpoint, address });
      expect(hart.pc()).toBe(VA);
    }
  });
});

describe.each(TIERS)("watchpoints, with translation %s", (translate) => {
  test.each([
    ["read", [0]],
    ["write", [12]],
    ["access", [0, 12]],
  ] as const)("for %s stop before the access, and the step does it", (kind, places) => {
    const { hart, memory } = loopMachine(translate, 1_000_000);
    runOn(sliced(hart), 30);
    hart.debug.points.addWatchpoint({ address: BigInt(DATA + 1), length: 1, kind });
    for (let turn = 0; turn < 5; turn++) {
      for (const place of places) {
        expect(runOn(sliced(hart))).toBe("debug");
        // The loop was stopped anywhere.
        if (turn === 0 && hart.pc() !== BigInt(RAM + place)) {
          hart.debug.step();
          continue;
        }
        expect(hart.pc()).toBe(BigInt(RAM + place));
        const before = memory.readU32(DATA);
        hart.debug.step();
        expect(memory.readU32(DATA)).toBe(before + (place === 12 ? 1 : 0));
      }
    }
  });

  test("do not stop for neighbours on the page, and end when they are removed", () => {
    const { hart } = loopMachine(translate, 1_000_000);
    const { points } = hart.debug;
    const watchpoint = { address: BigInt(DATA + 4), length: 4092, kind: "access" } as const;
    points.addWatchpoint(watchpoint);
    expect(runOn(sliced(hart), 30)).toBe("budget");
    hart.setX(BASE, BigInt(DATA + 8));
    expect(runOn(sliced(hart))).toBe("debug");
    expect(points.removeWatchpoint(watchpoint)).toBe(true);
    expect(runOn(sliced(hart), 30)).toBe("budget");
  });

  test("see atomic instructions and cleared blocks", () => {
    const { hart, program } = bareMachine({ translate });
    program(RAM, [
      encode("amoadd.w", { rd: 9, rs1: BASE, rs2: BASE }),
      encode("lr.w", { rd: 9, rs1: BASE }),
      encode("sc.w", { rd: 9, rs1: BASE, rs2: BASE }),
      encode("cbo.clean", { rs1: BASE }),
      encode("cbo.zero", { rs1: BASE }),
      encode("jal", { imm: 0 }),
    ]);
    hart.setX(BASE, BigInt(DATA));
    hart.debug.points.addWatchpoint({ address: BigInt(DATA), length: 4, kind: "access" });
    for (const place of [0, 4, 8, 16]) {
      expect(runOn(sliced(hart))).toBe("debug");
      expect(hart.pc()).toBe(BigInt(RAM + place));
      hart.debug.step();
    }
    // The store conditional has succeeded although it was stopped at.
    expect(hart.getX(9)).toBe(0n);
  });
});

test("a step takes an exception, and leaves an interrupt pending", () => {
  const { hart, program } = bareMachine();
  program(RAM, [encode("ecall"), encode("addi", { rd: 9, imm: 1 })]);
  program(RAM + 0x100, [encode("jal", { imm: 0 })]);
  hart.debug.pokeCsr(0x305, BigInt(RAM + 0x100));
  hart.debug.step();
  expect([hart.pc(), hart.peekCsr(0x342)]).toEqual([BigInt(RAM + 0x100), 11n]);
  hart.debug.setPc(BigInt(RAM + 4));
  hart.debug.pokeCsr(0x304, 1n << 7n);
  hart.debug.pokeCsr(0x300, 1n << 3n);
  hart.setInterrupt(7, true);
  hart.debug.step();
  expect([hart.pc(), hart.getX(9)]).toEqual([BigInt(RAM + 8), 1n]);
  hart.run(1);
  expect(hart.peekCsr(0x342)).toBe((1n << 63n) | 7n);
});

test("CSRs that are read-only or do not exist cannot be written", () => {
  const { hart } = bareMachine();
  expect(hart.debug.pokeCsr(0xf14, 1n)).toBe(false);
  expect(hart.debug.pokeCsr(0x123, 1n)).toBe(false);
  expect(hart.debug.pokeCsr(0x340, -1n)).toBe(true);
  expect(hart.peekCsr(0x340)).toBe(2n ** 64n - 1n);
});

describe("limits", () => {
  const { points } = bareMachine().hart.debug;
  test("of breakpoints", () => {
    expect(() => points.setBreakpoint(3n)).toThrow(RangeError);
    for (let k = 0n; k < MAX_BREAKPOINTS; k++) points.setBreakpoint(k * 2n - 64n);
    expect(() => points.setBreakpoint(1n << 40n)).toThrow(RangeError);
    points.setBreakpoint(0n);
    expect(points.breakpoints).toHaveLength(MAX_BREAKPOINTS);
    expect(points.hasBreakpoint((1n << 64n) - 64n)).toBe(true);
  });

  test("of watchpoints", () => {
    const kind = "write";
    for (const length of [0, -1, 1.5, Number.NaN, MAX_WATCHED_BYTES + 1]) {
      expect(() => points.addWatchpoint({ address: 0n, length, kind })).toThrow(RangeError);
    }
    expect(() => points.addWatchpoint({ address: -1n, length: 1, kind })).toThrow(RangeError);
    expect(() => points.addWatchpoint({ address: (1n << 64n) - 1n, length: 2, kind })).toThrow();
    for (let k = 0n; k < MAX_WATCHPOINTS; k++) {
      points.addWatchpoint({ address: (1n << 64n) - 8n, length: 8, kind });
    }
    expect(() => points.addWatchpoint({ address: 0n, length: 1, kind })).toThrow(RangeError);
  });
});

test("wherever a run is stopped, it comes to the same end", () => {
  const turns = 300;
  const plain = loopMachine("never", turns);
  plain.hart.run(turns * 6);
  const places = fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 4 });
  fc.assert(
    fc.property(
      fc.constantFrom(...TIERS),
      fc.array(fc.tuple(places, fc.boolean()), { maxLength: 8 }),
      (translate, stages) => {
        const { hart, memory } = loopMachine(translate, turns);
        const { points } = hart.debug;
        const watchpoint = { address: BigInt(DATA), length: 4, kind: "access" } as const;
        for (const [set, watches] of stages) {
          for (const place of set) points.setBreakpoint(BigInt(RAM + place * 4));
          if (watches) points.addWatchpoint(watchpoint);
          for (let k = 0; k < 10 && hart.pc() !== BigInt(END); k++) {
            if (hart.run(100) === "debug") hart.debug.step();
          }
          for (const place of set) points.removeBreakpoint(BigInt(RAM + place * 4));
          points.removeWatchpoint(watchpoint);
        }
        while (hart.pc() !== BigInt(END)) hart.run(1);
        expect(hart.getX(SUM)).toBe(plain.hart.getX(SUM));
        expect(memory.readU32(DATA)).toBe(turns);
      },
    ),
    { numRuns: 15 },
  );
});
