import { beforeEach, expect, it } from "vitest";
import { RunLoop, type SliceResult } from "./run-loop.ts";

let queue: (() => void)[];
let sleeps: { ms: number; callback: () => void }[];
let results: SliceResult[];
let wake: number;
let slices: number;
let loop: RunLoop;

const step = () => queue.shift()?.();

beforeEach(() => {
  queue = [];
  sleeps = [];
  results = [];
  wake = Infinity;
  slices = 0;
  const machine = {
    runSlice: () => {
      slices += 1;
      return results.shift() ?? "idle";
    },
    msUntilWake: () => wake,
  };
  loop = new RunLoop(machine, {
    defer: (callback) => queue.push(callback),
    sleep: (ms, callback) => {
      const entry = { ms, callback };
      sleeps.push(entry);
      return () => sleeps.splice(sleeps.indexOf(entry), 1);
    },
  });
});

it("runs slice after slice through the event loop while the guest is busy", () => {
  results = ["running", "running", "running"];
  loop.start();
  expect(slices).toBe(0);
  for (let i = 0; i < 3; i++) step();
  expect(slices).toBe(3);
  expect(queue).toHaveLength(1);
});

it("sleeps while it idles, until the timer", () => {
  wake = 12.5;
  loop.start();
  step();
  expect(queue).toHaveLength(0);
  expect(sleeps.map((s) => s.ms)).toEqual([12.5]);
  sleeps.shift()!.callback();
  step();
  expect(slices).toBe(2);
});

it("is woken by a device, once", () => {
  loop.start();
  step();
  loop.wake();
  loop.wake();
  expect(sleeps).toHaveLength(0);
  expect(queue).toHaveLength(1);
});

it("does not leave a very short wait to the host's coarse timers", () => {
  wake = 0.1;
  loop.start();
  step();
  expect(sleeps).toHaveLength(0);
  expect(queue).toHaveLength(1);
});

it("ends with the machine, and starts again after a reset", () => {
  results = ["stopped", "running"];
  loop.start();
  step();
  expect(loop.running).toBe(false);
  loop.wake();
  expect(queue).toHaveLength(0);
  loop.start();
  step();
  expect(slices).toBe(2);
});

it("runs nothing after stop", () => {
  results = ["running"];
  loop.start();
  loop.stop();
  step();
  expect(slices).toBe(0);
  wake = 5;
  loop.start();
  step();
  step();
  loop.stop();
  expect(sleeps).toHaveLength(0);
});
