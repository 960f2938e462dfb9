import { expect, test } from "vitest";
import { sleep } from "../host/sleep.ts";
import { Machine } from "../machine/machine.ts";
import { assemble, HANG } from "../machine/testing/program.ts";
import { createCalls } from "./calls.ts";

const RAM = 0x8000_0000;

function create() {
  let now = 0;
  const clock = { nowMs: () => (now += 0.05), wallClockMs: () => 0 };
  const machine = new Machine({ clock, entropy: () => {}, ramBytes: 32 << 20 });
  machine.boot({ firmware: assemble([["addi", { rd: 10, rs1: 0, imm: 42 }], HANG]) });
  const calls = createCalls({ machine, clock, sleep });
  machine.runSlice(20);
  return { machine, calls };
}

test("looking changes nothing, neither in RAM nor in the hart's own memory", () => {
  const { machine, calls } = create();
  const all = new Uint8Array(machine.memory.view(RAM, 1)!.buffer);
  const before = all.slice();
  calls.addSymbols("map", new TextEncoder().encode("80000000 T start\n"));
  calls.cpuState();
  calls.cpuCsrs();
  calls.cpuCode(BigInt(RAM), 10, 10);
  calls.cpuWalk("start+0x10");
  calls.cpuTranslation();
  calls.memoryMap();
  calls.memoryBytes("virtual", BigInt(RAM), 64);
  calls.memoryBytes("physical", 0x1000_0000n, 64);
  calls.memorySearch("nothing", 0);
  calls.profile();
  expect(Buffer.compare(before, all)).toBe(0);
});

test("registers have their ABI names, and addresses their symbols", () => {
  const { calls } = create();
  calls.addSymbols("map", new TextEncoder().encode("80000000 T start\n"));
  const { x, pc, symbol, mode, stack, f } = calls.cpuState();
  expect([mode, pc, symbol]).toEqual(["M", BigInt(RAM + 4), "start+0x4"]);
  expect(x[10]).toMatchObject({ number: "x10", name: "a0", value: 42n });
  expect(f[8]).toMatchObject({ number: "f8", name: "fs0", double: 0 });
  expect(stack[0]).toMatchObject({ origin: "pc", symbol: "start+0x4" });
  expect(() => calls.cpuState(1)).toThrow("there is no hart 1");
  expect(() => calls.cpuWalk("nowhere")).toThrow("neither a symbol nor a hex number");
});
