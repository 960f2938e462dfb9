import { describe, expect, it } from "vitest";
import { SPI_BASE } from "../irq/distributor.ts";
import { EntropyDevice } from "../virtio/devices/entropy.ts";
import { Register, Status } from "../virtio/spec.ts";
import { Machine } from "./machine.ts";
import { MIN_RAM_BYTES } from "./machine-types.ts";
import type { MachineObserver } from "./observers.ts";
import { FakeHartModel } from "./testing/fake-hart.ts";

/** Writes down the names of what it is told. */
function logger(name: string, log: string[]): Required<MachineObserver> {
  const told = (what: string) => () => void log.push(`${name} ${what}`);
  return {
    kicked: told("kicked"),
    popped: told("popped"),
    pushed: told("pushed"),
    published: told("published"),
    stopped: told("stopped"),
    configChanged: told("configChanged"),
    statusChanged: told("statusChanged"),
    pulsed: told("pulsed"),
    claimed: told("claimed"),
    completed: told("completed"),
  };
}

function create() {
  const machine = new Machine({
    hart: new FakeHartModel(),
    clock: { nowMs: () => 0, wallClockMs: () => 0 },
    entropy: () => {},
    ramBytes: MIN_RAM_BYTES,
  });
  /** The driver's first step with a device that has just come. */
  const plug = (name: string): void => {
    const { transport } = machine.attach(new EntropyDevice(name, { fill: () => {} }));
    transport.write(Register.Status, 4, Status.ACKNOWLEDGE);
  };
  return { machine, plug };
}

describe("observers of a machine", () => {
  it("are told of devices and interrupts, also of devices that come later", () => {
    const { machine, plug } = create();
    const log: string[] = [];
    const leave = machine.observe(logger("a", log));
    plug("rng0");
    machine.interrupts.distributor.pulseSpi(SPI_BASE + 16);
    expect(log).toEqual(["a statusChanged", "a pulsed"]);
    leave();
    plug("rng1");
    expect(log).toHaveLength(2);
  });

  it("are in nobody's way who do not want to be told", () => {
    const { machine } = create();
    const { slots, interrupts } = machine;
    const all = logger("a", []);
    const { pulsed, claimed, completed, configChanged, statusChanged, ...ofRequests } = all;
    const ofInterrupts = { pulsed, claimed, completed };
    const ofDevices = { configChanged, statusChanged };
    for (const one of [ofRequests, ofInterrupts, ofDevices]) machine.observe(one);
    expect(slots.tap.observers).toEqual([ofRequests, ofInterrupts, ofDevices]);
    expect(slots.tap.ofRequests).toEqual([ofRequests]);
    expect(interrupts.distributor.observers).toEqual([ofInterrupts]);
  });

  it("may be several, and leave in any order", () => {
    const { machine, plug } = create();
    const log: string[] = [];
    const [leaveA, leaveB] = ["a", "b"].map((name) => machine.observe(logger(name, log)));
    plug("rng0");
    expect(log.splice(0)).toEqual(["a statusChanged", "b statusChanged"]);
    leaveA();
    plug("rng1");
    expect(log.splice(0)).toEqual(["b statusChanged"]);
    leaveB();
    leaveB();
    plug("rng2");
    expect(log).toEqual([]);
  });
});
