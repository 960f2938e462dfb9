/** Memory above RAM as the hart sees it. */
import { describe, expect, it } from "vitest";
import { assemble, HANG, type Instruction } from "../machine/testing/program.ts";
import { WINDOW_BLOCK_BYTES as BLOCK, WINDOW_SPAN_BYTES } from "../memory/memory-window.ts";
import { bareMachine } from "./testing/bare-machine.ts";

const RAM = 0x10_0000;
const BASE = 0x8000_0000;
const WINDOW = BASE + 16 * BLOCK;
const [T0, T1, T2, T3] = [5, 6, 7, 28];

/** The windows lie behind 1 MiB of RAM in the linear memory. */
function create(translate: "never" | "eager") {
  const machine = bareMachine({ ramBytes: RAM, windowBytes: 2 * BLOCK, translate });
  const { memory, ram, hart } = machine;
  const window = memory.addWindow({ base: WINDOW, size: 2 * BLOCK, offset: ram.offset + RAM });
  /** Runs a program from the start of RAM until it hangs, or faults for ever: the trap vector is 0. */
  const run = (program: readonly Instruction[], steps = 2000) => {
    memory.write(BASE, assemble([...program, HANG]));
    hart.reset({ pc: BASE, mode: "M", a0: 0, a1: 0 });
    hart.setX(T0, BigInt(WINDOW));
    for (let k = 0; k < steps / 100; k++) hart.run(100);
  };
  return { ...machine, window, run };
}

describe.each(["never", "eager"] as const)("windows above RAM, translation %s", (translate) => {
  const load: Instruction = ["ld", { rd: T1, rs1: T0, imm: 0 }];
  const store: Instruction = ["sd", { rs1: T0, rs2: T2, imm: 0 }];

  it("are not there until their blocks are", () => {
    const { hart, memory, window, run } = create(translate);
    run([load]);
    expect(hart.getX(T1)).toBe(0n);
    window.setPresent(WINDOW, BLOCK, true);
    memory.write(WINDOW, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    run([load]);
    expect(hart.getX(T1)).toBe(0x0807_0605_0403_0201n);
  });

  it("end exactly where their blocks do", () => {
    const { hart, memory, window } = create(translate);
    window.setPresent(WINDOW, BLOCK, true);
    const handler = BASE + 0x800;
    memory.write(handler, assemble([HANG]));
    const fault = (at: number, program: readonly Instruction[]) => {
      memory.write(BASE, assemble([["csrrw", { rd: 0, rs1: T3, csr: 0x305 }], ...program, HANG]));
      hart.reset({ pc: BASE, mode: "M", a0: 0, a1: 0 });
      hart.setX(T3, BigInt(handler));
      hart.setX(T0, BigInt(at));
      for (let k = 0; k < 5; k++) hart.run(20);
      return [hart.peekCsr(0x342), hart.peekCsr(0x343)];
    };
    const end = WINDOW + BLOCK;
    expect(fault(end - 8, [load, store])).toEqual([0n, 0n]);
    expect(fault(end, [load])).toEqual([5n, BigInt(end)]);
    expect(fault(end, [store])).toEqual([7n, BigInt(end)]);
    expect(fault(end - 4, [load])).toEqual([5n, BigInt(end)]);
    expect(fault(end - 4, [store])).toEqual([7n, BigInt(end)]);
    expect(fault(WINDOW - 8, [load])).toEqual([5n, BigInt(WINDOW - 8)]);
    expect(fault(WINDOW - 4, [store])).toEqual([7n, BigInt(WINDOW - 4)]);
    expect(fault(BASE + RAM, [load])).toEqual([5n, BigInt(BASE + RAM)]);
    expect(fault(BASE + WINDOW_SPAN_BYTES, [load])[0]).toBe(5n);
    expect(fault(2 ** 52, [load])[0]).toBe(5n);
    const jump: Instruction = ["jalr", { rd: 0, rs1: T0, imm: 0 }];
    expect(fault(end, [jump])).toEqual([1n, BigInt(end)]);
  });

  it("go while the hart has them in its TLB", () => {
    const { hart, bus, memory, window } = create(translate);
    window.setPresent(WINDOW, BLOCK, true);
    bus.attach(0x1000, 0x1000, {
      name: "unplug",
      read: () => 0,
      peek: () => 0,
      write: () => window.setPresent(WINDOW, BLOCK, false),
    });
    const handler = BASE + 0x800;
    memory.write(handler, assemble([HANG]));
    const unplug: Instruction = ["sw", { rs1: T2, rs2: 0, imm: 0 }];
    memory.write(
      BASE,
      assemble([["csrrw", { rd: 0, rs1: T3, csr: 0x305 }], load, store, unplug, load, HANG]),
    );
    hart.reset({ pc: BASE, mode: "M", a0: 0, a1: 0 });
    hart.setX(T3, BigInt(handler));
    hart.setX(T0, BigInt(WINDOW));
    hart.setX(T2, 0x1000n);
    for (let k = 0; k < 5; k++) hart.run(20);
    expect([hart.peekCsr(0x342), hart.peekCsr(0x341)]).toEqual([5n, BigInt(BASE + 16)]);
  });

  it("can hold code, which is forgotten when a device writes it", () => {
    const { hart, memory, window } = create(translate);
    window.setPresent(WINDOW, 2 * BLOCK, true);
    const at = WINDOW + BLOCK;
    const code = (value: number) =>
      assemble([
        ["addi", { rd: T1, rs1: 0, imm: value }],
        ["jalr", { rd: 0, rs1: 1, imm: 0 }],
      ]);
    for (const value of [11, 12]) {
      memory.write(at, code(value));
      const call: Instruction = ["jalr", { rd: 1, rs1: T3, imm: 0 }];
      memory.write(BASE, assemble([call, call, call, HANG]));
      hart.setPc(BigInt(BASE));
      hart.setX(T3, BigInt(at));
      for (let k = 0; k < 5; k++) hart.run(20);
      expect(hart.getX(T1)).toBe(BigInt(value));
    }
  });

  it("tell which pages the hart wrote, each time anew", () => {
    const { hart, bus, memory, window } = create(translate);
    window.setPresent(WINDOW, 2 * BLOCK, true);
    const taken: number[][] = [];
    bus.attach(0x1000, 0x1000, {
      name: "flush",
      read: () => 0,
      peek: () => 0,
      write: () => taken.push(memory.takeWritten(window)),
    });
    const flush: Instruction = ["sw", { rs1: T2, rs2: 0, imm: 0 }];
    // Each round stores to one page before and after a flush, off one register.
    const program: Instruction[] = [
      ["sd", { rs1: T0, rs2: T2, imm: 8 }],
      flush,
      ["sd", { rs1: T0, rs2: T1, imm: 16 }],
      ["amoadd.d", { rd: T1, rs1: T3, rs2: T2 }],
      flush,
      ["ld", { rd: T1, rs1: T0, imm: 0 }],
      flush,
      ["jal", { rd: 0, imm: -28 }],
    ];
    memory.write(BASE, assemble(program));
    hart.reset({ pc: BASE, mode: "M", a0: 0, a1: 0 });
    hart.setX(T0, BigInt(WINDOW));
    hart.setX(T2, 0x1000n);
    hart.setX(T3, BigInt(WINDOW + BLOCK));
    for (let k = 0; k < 100; k++) hart.run(50);
    expect(taken.length).toBeGreaterThan(600);
    for (const [k, pages] of taken.entries()) {
      const expected = [[WINDOW], [WINDOW, WINDOW + BLOCK], []][k % 3];
      expect(pages, `flush ${k}`).toEqual(expected);
    }
  });

  it("notice stores that cross into them", () => {
    const { hart, memory, window, run } = create(translate);
    window.setPresent(WINDOW, 2 * BLOCK, true);
    run([
      ["addi", { rd: T2, rs1: 0, imm: -1 }],
      ["lui", { rd: T1, imm: 0x1000 }],
      ["add", { rd: T1, rs1: T1, rs2: T0 }],
      ["sd", { rs1: T1, rs2: T2, imm: -3 }],
    ]);
    expect(memory.takeWritten(window)).toEqual([WINDOW, WINDOW + 0x1000]);
    expect(memory.readU64(WINDOW + 0xffd)).toBeGreaterThan(2 ** 63);
    expect(hart.getX(T2)).toBe(2n ** 64n - 1n);
  });
});
