import { beforeEach, describe, expect, it } from "vitest";
import { Machine } from "../machine/machine.ts";
import { MIN_RAM_BYTES } from "../machine/machine-types.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { EntropyDevice } from "../virtio/devices/entropy.ts";
import { interruptCalls } from "./interrupts.ts";

let nowMs: number;
const clock = { nowMs: () => nowMs, wallClockMs: () => 0 };
const RNG = 48;
const UART = 42;
const NOBODY = 33;
/** S-mode of hart 0 at the PLIC. */
const S_MODE = 1;

let machine: Machine;
let calls: ReturnType<typeof interruptCalls>;

beforeEach(() => {
  nowMs = 50;
  const entropy = (bytes: Uint8Array): void => void bytes.fill(1);
  machine = new Machine({ hart: new FakeHartModel(), clock, entropy, ramBytes: MIN_RAM_BYTES });
  calls = interruptCalls({ machine, clock });
  machine.attach(new EntropyDevice("rng0", { fill: () => {} }));
});

it("names the device behind each source, and shows its state", () => {
  expect(calls.interrupts().spis).toEqual([]);
  const { distributor } = machine.interrupts;
  distributor.setPriority(RNG, 3);
  distributor.setPriority(NOBODY, 1);
  distributor.setEnabled(S_MODE, RNG, true);
  distributor.pulseSpi(RNG);
  distributor.setSpiLevel(UART, true);
  const { spis, targets } = calls.interrupts();
  expect(spis.map(({ intid, source }) => [intid, source])).toEqual([
    [UART, { name: "serial" }],
    [RNG, { name: "rng0", slot: 0 }],
  ]);
  expect(spis[1]).toMatchObject({
    spi: 16,
    trigger: "edge",
    pending: true,
    priority: 3,
    pulses: 1,
  });
  expect(targets).toEqual([
    { target: 0, name: "hart 0 M-mode", threshold: 0, isHigh: false },
    { target: 1, name: "hart 0 S-mode", threshold: 0, isHigh: true },
  ]);
});

it("takes nothing: what was to be claimed still is", () => {
  const { distributor } = machine.interrupts;
  distributor.setPriority(RNG, 1);
  distributor.setEnabled(S_MODE, RNG, true);
  distributor.pulseSpi(RNG);
  const before = distributor.save();
  structuredClone(calls.interrupts());
  expect(distributor.save()).toEqual(before);
  expect(distributor.claim(S_MODE)).toBe(RNG);
});

it("tells when the timer of a hart is due", () => {
  const timer = () => calls.interrupts().harts[0].timers[0];
  expect(timer()).toEqual({ name: "mtimecmp", tick: undefined, inMs: undefined });
  const { aclint } = machine.interrupts;
  aclint.write(0x4004, 4, 0);
  aclint.write(0x4000, 4, machine.timebase.ticks() + 20_000);
  expect(timer().inMs).toBeCloseTo(2);
});

describe("from claim to completion", () => {
  /** Times of one interrupt after another, in ms. */
  function serve(times: readonly number[]): void {
    const { distributor } = machine.interrupts;
    distributor.setPriority(RNG, 1);
    distributor.setEnabled(S_MODE, RNG, true);
    for (const ms of times) {
      distributor.pulseSpi(RNG);
      distributor.claim(S_MODE);
      nowMs += ms;
      distributor.complete(S_MODE, RNG);
    }
  }
  const service = () => calls.interrupts().spis.find(({ intid }) => intid === RNG)?.service;

  it("is measured from the first look on", () => {
    serve([5]);
    expect(service()).toBeUndefined();
    serve([0.5, 0.25, 2]);
    expect(service()).toMatchObject({ count: 3, max: 2000 });
    expect(service()?.p50).toBeCloseTo(500, -2);
  });

  it("ends when nobody has looked for a while, and begins anew", () => {
    service();
    serve([1]);
    nowMs += 60_000;
    serve([1, 1]);
    expect(machine.interrupts.distributor.observers).toEqual([]);
    expect(service()).toBeUndefined();
    serve([4]);
    expect(service()).toMatchObject({ count: 1, max: 4000 });
  });

  it("counts no service whose beginning or end was not seen", () => {
    const { distributor } = machine.interrupts;
    serve([]);
    distributor.pulseSpi(RNG);
    distributor.claim(S_MODE);
    expect(service()).toBeUndefined();
    distributor.complete(S_MODE, RNG);
    distributor.complete(S_MODE, RNG);
    expect(service()).toBeUndefined();
  });
});

it("names the wires of the machine with an APLIC", () => {
  const entropy = (): void => {};
  const hart = new FakeHartModel();
  const options = { hart, clock, entropy, ramBytes: MIN_RAM_BYTES };
  const other = new Machine({ ...options, interruptController: "aplic" });
  const { controller, targets } = interruptCalls({ machine: other, clock }).interrupts();
  expect(controller).toBe("aplic");
  expect(targets.map(({ name }) => name)).toEqual(["hart 0 S-mode"]);
  // Its handshake is over with the claim: there is nothing to measure.
  expect(other.interrupts.distributor.observers).toEqual([]);
});
