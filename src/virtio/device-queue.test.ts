import { describe, expect, it } from "vitest";
import { bit, Feature, Register } from "./spec.ts";
import { TestDriver } from "./testing/driver.ts";
import { ManualDevice, taken } from "./testing/manual-device.ts";
import type { TransportState } from "./transport-state.ts";

describe.each(["split", "packed"] as const)("a %s queue", (layout) => {
  function create(accept = ~bit(Feature.EVENT_IDX), inOrder = false) {
    const device = new ManualDevice();
    const options = { packed: layout === "packed", inOrder };
    const driver = new TestDriver(device, options).start({ accept });
    const [queue] = driver.queues;
    const pop = () => device.queue.pop();
    return { device, driver, queue, pop };
  }

  it("has the layout negotiated", () => {
    expect(create().device.queue.inspect().layout).toBe(layout);
  });

  it("hands out parts in order and reports what was written", () => {
    const { device, queue, pop } = create();
    const request = queue.add([Uint8Array.of(1, 2), Uint8Array.of(3)], [4, 2]);
    const chain = taken(pop());
    expect([chain.readableLength, chain.writableLength]).toEqual([3, 6]);
    const read = new Uint8Array(3);
    expect(chain.readAt(0, read)).toBe(3);
    expect([...read]).toEqual([1, 2, 3]);
    expect(chain.writeAt(2, Uint8Array.of(7, 8, 9, 10, 11))).toBe(4);
    device.queue.push(chain, 6);
    expect(queue.poll()).toEqual([{ id: request.id, length: 6 }]);
    expect([...queue.written(request)]).toEqual([0, 0, 7, 8, 9, 10]);
    expect(pop()).toBeUndefined();
  });

  it("follows indirect tables", () => {
    const { device, queue, pop } = create();
    const request = queue.add([Uint8Array.of(1), Uint8Array.of(2)], [4, 2], { indirect: true });
    const chain = taken(pop());
    expect([chain.readableLength, chain.writableLength]).toEqual([2, 6]);
    device.queue.push(chain, 0);
    expect(queue.poll()).toEqual([{ id: request.id, length: 0 }]);
  });

  it("gives chains back in any order, and no chain twice", () => {
    const { device, queue, pop } = create();
    const first = queue.add([], [1]);
    const second = queue.add([], [1, 1, 1]);
    const [a, b] = [taken(pop()), taken(pop())];
    device.queue.push(b, 1);
    device.queue.push(a, 0);
    device.queue.push(a, 0);
    expect(a.alive).toBe(false);
    expect(queue.poll()).toEqual([
      { id: second.id, length: 1 },
      { id: first.id, length: 0 },
    ]);
    expect(device.queue.inspect().inFlight).toBe(0);
  });

  it("gives chains back in the order in which they were taken, if IN_ORDER is negotiated", () => {
    const { device, driver, queue, pop } = create(~bit(Feature.EVENT_IDX), true);
    const requests = [queue.add([], [4]), queue.add([], [1, 1]), queue.add([], [4])];
    const chains = [taken(pop()), taken(pop()), taken(pop())];
    device.queue.push(chains[2], 3);
    device.queue.push(chains[1], 2);
    expect(queue.poll()).toEqual([]);
    expect(driver.irq.pulses).toBe(0);
    expect(chains[1].alive).toBe(false);
    expect(device.queue.inspect().inFlight).toBe(3);
    device.queue.push(chains[0], 1);
    expect(queue.poll()).toEqual(requests.map(({ id }, i) => ({ id, length: i + 1 })));
    expect(driver.irq.pulses).toBe(1);
    expect(device.queue.inspect().inFlight).toBe(0);
  });

  it("gives a malformed chain back in its turn, if IN_ORDER is negotiated", () => {
    const { device, queue, pop } = create(-1n, true);
    const first = queue.add([], [4]);
    const empty = queue.add([], [0]);
    const chain = taken(pop());
    expect(pop()).toBeUndefined();
    expect(queue.poll()).toEqual([]);
    device.queue.push(chain, 4);
    expect(queue.poll()).toEqual([
      { id: first.id, length: 4 },
      { id: empty.id, length: 0 },
    ]);
  });

  it("is saved with chains that wait for their turn", () => {
    const { device, driver, queue, pop } = create(-1n, true);
    const requests = [queue.add([], [4]), queue.add([], [4])];
    taken(pop());
    device.queue.push(taken(pop()), 2);
    driver.transport.load(structuredClone(driver.transport.save()));
    device.queue.push(taken(pop()), 1);
    expect(queue.poll()).toEqual(requests.map(({ id }, i) => ({ id, length: i + 1 })));
    expect(device.queue.inspect().inFlight).toBe(0);
  });

  it("goes around the ring many times, with chains of different lengths", () => {
    const { device, queue, pop } = create();
    for (let i = 0; i < 200; i++) {
      const first = queue.add([Uint8Array.of(i)], new Array(i % 3).fill(1));
      const second = queue.add([], new Array(1 + (i % 4)).fill(2));
      const chains = [taken(pop()), taken(pop())];
      expect(chains[0].readableLength).toBe(1);
      if (i % 2 === 0) chains.reverse();
      for (const chain of chains) device.queue.stage(chain, 0);
      device.queue.publish();
      const ids = [first.id, second.id];
      if (i % 2 === 0) ids.reverse();
      expect(queue.poll().map(({ id }) => id)).toEqual(ids);
    }
  });

  it("shows several staged chains at once, with one notification", () => {
    const { device, driver, queue, pop } = create();
    queue.add([], [1]);
    queue.add([], [1]);
    device.queue.stage(taken(pop()), 1);
    device.queue.stage(taken(pop()), 1);
    expect(queue.poll()).toEqual([]);
    device.queue.publish();
    device.queue.publish();
    expect(queue.poll()).toHaveLength(2);
    expect(driver.irq.pulses).toBe(1);
    expect(device.queue.inspect()).toMatchObject({ notified: 1, suppressed: 0 });
  });

  it("counts kicks, and chains that are taken and given back", () => {
    const { device, queue, pop } = create();
    for (let i = 0; i < 3; i++) queue.add([], [1]);
    queue.kick();
    const chain = taken(pop());
    pop();
    expect(device.queue.inspect()).toMatchObject({ kicks: 1, chains: 2, completed: 0 });
    device.queue.push(chain, 1);
    expect(device.queue.inspect()).toMatchObject({ chains: 2, completed: 1, notified: 1 });
  });

  it("announces what was written at the time of completion", () => {
    const { device, driver, queue, pop } = create();
    const request = queue.add([], [4, 4]);
    const chain = taken(pop());
    driver.announced.length = 0;
    chain.writeAt(0, Uint8Array.of(1, 2, 3, 4, 5));
    device.queue.push(chain, 0);
    const [one, two] = request.writable;
    expect(driver.announced).toContainEqual([one.gpa, 4]);
    expect(driver.announced).toContainEqual([two.gpa, 1]);
  });

  it("makes every chain dead on a reset, and writes through it are lost", () => {
    const { device, driver, queue, pop } = create();
    const request = queue.add([], [4]);
    const chain = taken(pop());
    driver.write(Register.Status, 0);
    expect(chain.alive).toBe(false);
    expect(chain.writeAt(0, Uint8Array.of(1))).toBe(0);
    chain.fillAt(0, 4, 1);
    device.queue.push(chain, 4);
    expect([...queue.written(request)]).toEqual([0, 0, 0, 0]);
    expect(queue.poll()).toEqual([]);
  });

  it("finds what came while kicks were off", () => {
    const { device, queue } = create();
    device.queue.disableNotification();
    queue.add([], [1]);
    expect(device.queue.enableNotification()).toBe(true);
    device.queue.pop();
    expect(device.queue.enableNotification()).toBe(false);
  });

  it("goes on where it was saved, with the chains in flight handed out again", () => {
    const { device, driver, queue, pop } = create();
    const held = queue.add([Uint8Array.of(5)], [4]);
    const early = queue.add([], [4]);
    const waiting = queue.add([], [4]);
    const before = taken(pop());
    device.queue.push(taken(pop()), 4);
    driver.transport.load(structuredClone(driver.transport.save()));
    expect(before.alive).toBe(false);
    const chains = [taken(pop()), taken(pop())];
    expect(chains.map((chain) => chain.id)).toEqual([held.id, waiting.id]);
    expect([chains[0].readableLength, chains[0].writableLength]).toEqual([1, 4]);
    for (const chain of chains) device.queue.push(chain, 1);
    expect(queue.poll().map(({ id }) => id)).toEqual([early.id, held.id, waiting.id]);
    expect(pop()).toBeUndefined();
  });

  it("needs a reset when loaded from an impossible state", () => {
    const { driver } = create();
    const state = driver.transport.save();
    const [saved] = state.queues;
    if (saved === undefined) throw new Error("the queue was ready");
    const chain = { id: 1, slots: 1, readable: [], writable: [[0x1000, 4]] as const };
    const whole = { ...chain, writable: [] };
    const impossible: TransportState["queues"][number][] = [
      { ...saved, inFlight: [chain] },
      { ...saved, inFlight: [whole, whole] },
      { ...saved, inFlight: [{ ...whole, slots: 9 }] },
      { ...saved, next: 0x1_0000 },
      { ...saved, used: -1 },
      { ...saved, addresses: { ...saved.addresses, desc: 0 } },
    ];
    for (const queue of impossible) {
      driver.transport.load({ ...state, queues: [queue] });
      expect(driver.transport.inspect().needsReset).toMatch(/queue 0: /);
    }
    const foreign = { ...state, driverFeatures: bit(99) };
    expect(() => driver.transport.load(foreign)).toThrow(/not offered/);
  });
});
