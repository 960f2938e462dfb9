import { describe, expect, it } from "vitest";
import { Machine } from "../machine/machine.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { assemble, HANG } from "../machine/testing/program.ts";
import { ProfileTree } from "./profile-tree.ts";
import { profilerCalls } from "./profiler.ts";
import { symbolCalls } from "./symbols.ts";

const frame = (name: string) => ({ name, kind: "kernel" as const });
const stack = (text: string) => text.split(" ").map(frame);

describe("a tree of stacks", () => {
  it("counts a function that calls itself once", () => {
    const tree = new ProfileTree();
    tree.add(stack("a b a"));
    tree.add(stack("a"));
    const counts = tree.top().map(({ name, self, total }) => [name, self, total]);
    expect(counts).toEqual([
      ["a", 2, 2],
      ["b", 0, 1],
    ]);
  });

  it("is written for other tools", () => {
    const tree = new ProfileTree();
    tree.add(stack("a b;c"));
    tree.add(stack("a b;c"));
    tree.add(stack("a"));
    expect(tree.folded()).toBe("a 1\na;b:c 2\n");
    const { shared, profiles } = JSON.parse(tree.speedscope("guest", 2));
    expect(shared.frames).toEqual([{ name: "a" }, { name: "b;c" }]);
    expect(profiles[0]).toMatchObject({ samples: [[0], [0, 1]], weights: [2, 4], endValue: 6 });
  });

  it("has an end, and goes on counting", () => {
    const tree = new ProfileTree();
    for (let k = 0; k < 15_000; k++) tree.add(stack(`a${k} b`));
    expect(tree.isFull).toBe(true);
    expect(tree.samples).toBe(15_000);
    const { parent, total, self } = tree.pack();
    expect(parent.length).toBeLessThanOrEqual(20_000);
    expect(total[0]).toBe(15_000);
    expect(self.reduce((sum, count) => sum + count)).toBe(15_000);
  });
});

/** A machine whose guest runs in a loop; each look at the clock is a little later. */
function looping() {
  let now = 0;
  const clock = { nowMs: () => (now += 0.05), wallClockMs: () => 0 };
  const machine = new Machine({ clock, entropy: () => {}, ramBytes: 32 << 20 });
  machine.boot({ firmware: assemble([["addi", { rd: 5, rs1: 5, imm: 1 }], HANG]) });
  return {
    machine,
    calls: { ...profilerCalls({ machine, clock }), ...symbolCalls({ machine, clock }) },
  };
}

describe("a profiler", () => {
  it("takes samples while it is on, and none else", () => {
    const { machine, calls } = looping();
    calls.addSymbols("map", new TextEncoder().encode("80000000 T start\n80000004 T loop\n"));
    machine.runSlice(20);
    expect(calls.profile().samples).toBe(0);
    calls.startProfile();
    expect(machine.sampler).toBeDefined();
    machine.runSlice(20);
    calls.stopProfile();
    expect(machine.sampler).toBeUndefined();
    const { samples, top, intervalMs, elapsedMs } = calls.profile();
    expect(samples).toBeGreaterThan((0.5 * elapsedMs) / intervalMs);
    expect(samples).toBeLessThan((1.5 * elapsedMs) / intervalMs);
    expect(top).toMatchObject([{ name: "loop", kind: "machine", self: samples }]);
    machine.runSlice(20);
    expect(calls.profile().samples).toBe(samples);
    calls.clearProfile();
    expect(calls.profile()).toMatchObject({ samples: 0, elapsedMs: 0, top: [] });
  });

  it("does not count what it was not there for", () => {
    const hart = new FakeHartModel();
    let now = 0;
    const clock = { nowMs: () => now, wallClockMs: () => 0 };
    const machine = new Machine({ hart, clock, entropy: () => {}, ramBytes: 32 << 20 });
    const calls = profilerCalls({ machine, clock });
    calls.startProfile();
    // Wakes up for an instant every 10 ms: a hundredth of the samples of a busy guest is about right.
    for (let k = 0; k < 1000; k++) {
      machine.sampler!.idle();
      now += 10;
      for (let turn = 0; turn < 2; turn++) {
        now += 0.05;
        if (now >= machine.sampler!.dueMs) machine.sampler!.sample(now);
      }
    }
    const { samples, intervalMs } = calls.profile();
    const busyMs = samples * intervalMs;
    expect(busyMs).toBeGreaterThan(20);
    expect(busyMs).toBeLessThan(250);
  });
});
