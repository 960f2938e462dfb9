import { describe, expect, it } from "vitest";
import { type VirtioObserver, VirtioTap } from "./observer.ts";
import { bit, Feature, Register, Status } from "./spec.ts";
import { TestDriver } from "./testing/driver.ts";
import { ManualDevice, taken } from "./testing/manual-device.ts";

/** Writes down what it is told, as one line each. */
function logger(): { log: string[]; observer: VirtioObserver } {
  const log: string[] = [];
  const observer: VirtioObserver = {
    kicked: ({ name }, queue) => log.push(`${name} kicked ${queue}`),
    popped: (_source, queue, _features, chain, flaw) =>
      log.push(
        `popped ${queue}/${chain.id} ${chain.readableLength}+${chain.writableLength} ${flaw ?? "whole"}`,
      ),
    pushed: (_source, queue, _features, chain, written) =>
      log.push(`pushed ${queue}/${chain.id} ${written}`),
    published: (_source, queue, isNotified) =>
      log.push(`published ${queue} ${isNotified ? "notified" : "suppressed"}`),
    stopped: (_source, queue) => log.push(`stopped ${queue}`),
    configChanged: ({ name }) => log.push(`${name} changed`),
    statusChanged: ({ slot }, status) => log.push(`slot ${slot} status ${status}`),
  };
  return { log, observer };
}

describe.each(["split", "packed"] as const)("whoever watches a transport (%s)", (layout) => {
  function create() {
    const { log, observer } = logger();
    const tap = new VirtioTap([{}, observer]);
    const device = new ManualDevice();
    const driver = new TestDriver(device, { packed: layout === "packed", slot: 3, tap });
    driver.start({ accept: ~bit(Feature.EVENT_IDX) });
    const [queue] = driver.queues;
    return { log, tap, device, driver, queue };
  }

  it("sees the status as the driver sets it up", () => {
    const { ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK } = Status;
    const { log } = create();
    const driving = ACKNOWLEDGE | DRIVER;
    expect(log.filter((line) => line.startsWith("slot"))).toEqual([
      `slot 3 status ${ACKNOWLEDGE}`,
      `slot 3 status ${driving}`,
      `slot 3 status ${driving | FEATURES_OK}`,
      `slot 3 status ${driving | FEATURES_OK | DRIVER_OK}`,
    ]);
  });

  it("sees a request from its kick to its interrupt", () => {
    const { log, device, queue } = create();
    log.length = 0;
    const { id } = queue.add([Uint8Array.of(1, 2, 3)], [4]);
    queue.kick();
    device.queue.push(taken(device.queue.pop()), 2);
    expect(log).toEqual([
      `${device.name} kicked 0`,
      `popped 0/${id} 3+4 whole`,
      `pushed 0/${id} 2`,
      "published 0 notified",
    ]);
  });

  it("sees what ends with the queue, and a reset", () => {
    const { log, device, driver, queue } = create();
    queue.add([], [1]);
    const chain = taken(device.queue.pop());
    log.length = 0;
    driver.write(Register.Status, 0);
    device.queue.push(chain, 1);
    expect(log.slice(0, 1)).toEqual(["stopped 0"]);
    expect(log.at(-1)).toBe("slot 3 status 0");
  });

  it("sees nothing after it has left", () => {
    const { log, tap, device, queue } = create();
    tap.observers = [];
    log.length = 0;
    queue.add([], [1]);
    queue.kick();
    device.queue.push(taken(device.queue.pop()), 1);
    expect(log).toEqual([]);
  });
});

describe("whoever watches a split queue", () => {
  it("sees a malformed chain come and go, and why it is", () => {
    const { log, observer } = logger();
    const device = new ManualDevice();
    const driver = new TestDriver(device, { tap: new VirtioTap([observer]) });
    driver.start({ accept: bit(Feature.VERSION_1) });
    const [queue] = driver.splitQueues;
    const { id } = queue.add([Uint8Array.of(1)], [1]);
    queue.setDescriptor(id, { address: 0, length: 1 });
    log.length = 0;
    expect(device.queue.pop()).toBeUndefined();
    expect(log[0]).toMatch(new RegExp(`^popped 0/${id} 0\\+0 .*RAM`));
    expect(log[1]).toBe(`pushed 0/${id} 0`);
  });
});
