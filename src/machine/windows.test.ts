import { describe, expect, it } from "vitest";
import { WINDOW_BLOCK_BYTES as BLOCK } from "../memory/memory-window.ts";
import { MemDevice } from "../virtio/devices/mem.ts";
import { LoadError } from "./load-error.ts";
import { Machine } from "./machine.ts";
import { MAX_RAM_BYTES } from "./machine-types.ts";
import { elfFile } from "./testing/elf-file.ts";
import { FakeHartModel } from "./testing/fake-hart.ts";

const MIB = 1024 * 1024;
const BASE = 0x8000_0000;

function create(windowBytes: number, ramBytes = 33 * MIB) {
  return new Machine({
    hart: new FakeHartModel(),
    clock: { nowMs: () => 0, wallClockMs: () => 0 },
    entropy: () => {},
    ramBytes,
    windowBytes,
  });
}

describe("windows of a machine", () => {
  it("lie above RAM, one after the other, aligned", () => {
    const machine = create(8 * BLOCK);
    const first = machine.openWindow(1);
    expect([first.base, first.size]).toEqual([BASE + 34 * MIB, BLOCK]);
    const second = machine.openWindow(3 * BLOCK, 128 * MIB);
    expect([second.base, second.size]).toEqual([BASE + 128 * MIB, 3 * BLOCK]);
    expect(second.offset).toBe(first.offset + BLOCK);
    expect(first.offset).toBe(machine.memory.regions[0].offset + 33 * MIB);
    expect(() => machine.openWindow(5 * BLOCK)).toThrow(RangeError);
    expect(machine.openWindow(4 * BLOCK).base).toBe(second.base + 3 * BLOCK);
    expect(() => machine.openWindow(1)).toThrow(RangeError);
  });

  it("have their bounds", () => {
    expect(() => create(BLOCK, MAX_RAM_BYTES)).toThrow(LoadError);
    expect(() => create(BLOCK / 2)).toThrow(LoadError);
    expect(() => create(2 * BLOCK).openWindow(1, 2 ** 40)).toThrow(RangeError);
  });

  it("are empty again when the machine restarts", () => {
    const machine = create(BLOCK);
    const window = machine.openWindow(BLOCK);
    machine.attach(new MemDevice("mem0", machine.memory, window));
    const program = { address: BASE, data: new Uint8Array(4), size: 4 };
    machine.boot({ kernel: elfFile(program) });
    window.setPresent(window.base, BLOCK, true);
    expect(machine.memory.contains(window.base, BLOCK)).toBe(true);
    machine.reset();
    expect(machine.memory.contains(window.base, 1)).toBe(false);
  });
});
