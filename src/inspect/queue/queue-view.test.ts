import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VirtioTap } from "../../virtio/observer.ts";
import { DescriptorFlag, DeviceType } from "../../virtio/spec.ts";
import { header } from "../../virtio/testing/block-driver.ts";
import { TestDriver } from "../../virtio/testing/driver.ts";
import { ManualDevice, taken } from "../../virtio/testing/manual-device.ts";
import { type QueueSubject, ringOf, viewChain, viewQueue } from "./queue-view.ts";
import { DONE_MAX, QueueWatch } from "./watch.ts";

const SLOT = 3;
const SECTOR = 512;

/** A queue that a person looks at, whose requests are decoded as those of a disk. */
function create(layout: "split" | "packed", ramSize = 0x1_0000) {
  const tap = new VirtioTap();
  const device = new ManualDevice();
  const driver = new TestDriver(device, {
    ...{ packed: layout === "packed", slot: SLOT, tap },
    ramSize,
  }).start();
  const [queue] = driver.queues;
  const clock = { now: 0, nowMs: () => clock.now, wallClockMs: () => 0 };
  const watch = new QueueWatch(driver.memory, clock, (observer) => {
    tap.observers = [observer];
    return () => {
      tap.observers = [];
    };
  });
  const subject = (): QueueSubject => {
    const { driverFeatures: features, queues } = driver.transport.inspect();
    return {
      memory: driver.memory,
      slot: SLOT,
      name: device.name,
      type: DeviceType.BLOCK,
      features,
      queue: queues[0],
      inFlight: [...driver.transport.chainsInFlight(0)],
      done: watch.done,
    };
  };
  const look = () => {
    const now = subject();
    const ring = ringOf(now.queue);
    if (ring !== undefined) watch.look(SLOT, 0, ring);
    return viewQueue(now);
  };
  /** A read of one sector. */
  const offer = (sector: number, options = {}) => {
    const request = queue.add([header(0, sector)], [SECTOR, 1], options);
    queue.kick();
    return request;
  };
  /** The device answers the oldest request. */
  const answer = (fill: number) => {
    const chain = taken(device.queue.pop());
    chain.fillAt(0, SECTOR, fill);
    chain.fillAt(SECTOR, 1, 0);
    device.queue.push(chain, SECTOR + 1);
    return chain;
  };
  const open = (key: string) => viewChain(subject(), key);
  return { tap, device, driver, queue, clock, watch, look, offer, answer, open };
}

const placesIn = (view: ReturnType<typeof viewQueue>, state: string) =>
  view.ring?.states.flatMap((other, place) => (other === state ? [place] : []));

describe.each(["split", "packed"] as const)("a %s queue", (layout) => {
  it("shows where either side is, and that nothing has happened", () => {
    const view = create(layout).look();
    expect(view).toMatchObject({ layout, rows: [], inFlight: 0, waiting: 0 });
    expect(view.ring?.states).toHaveLength(8);
    const values = view.ring?.positions.map(({ name, value }) => `${name} ${value}`);
    expect(values?.slice(0, 3)).toEqual(
      layout === "split"
        ? ["avail.idx 0", "taken 0", "used.idx 0"]
        : ["avail 0 wrap 1", "taken 0 wrap 1", "used 0 wrap 1"],
    );
  });

  it("shows a chain that is offered, and then taken", () => {
    const { look, offer, device, open } = create(layout);
    const { id } = offer(77);
    const offered = look();
    expect(offered.rows).toMatchObject([
      { state: "available", op: "read", summary: "sector 77", readableLength: 16 },
    ]);
    expect(placesIn(offered, "available")).toEqual(layout === "split" ? [0] : [0, 1, 2]);
    taken(device.queue.pop());
    const inFlight = look();
    expect(inFlight.rows).toMatchObject([{ state: "in flight", id, summary: "sector 77" }]);
    expect(placesIn(inFlight, "in flight")).toEqual(inFlight.rows[0].places);
    const detail = open(inFlight.rows[0].key);
    expect(
      detail.descriptors.map(({ length, flags }) => [length, flags.includes("WRITE")]),
    ).toEqual([
      [16, false],
      [SECTOR, true],
      [1, true],
    ]);
    expect(detail.written).toHaveLength(0);
  });

  it("keeps what was given back, whatever the driver does with the memory then", () => {
    const { look, offer, answer, queue, open, driver } = create(layout);
    look();
    const request = offer(5);
    answer(0xab);
    for (const { gpa, length } of request.writable)
      driver.memory.write(gpa, new Uint8Array(length));
    queue.poll();
    const [row] = look().rows;
    expect(row).toMatchObject({
      state: "done",
      summary: "sector 5, 512 bytes",
      usedLength: SECTOR + 1,
    });
    const detail = open(row.key);
    expect(detail.written[0]).toBe(0xab);
    expect(detail.fields.at(-1)).toMatchObject({ name: "status", value: "OK (0)" });
    expect(detail.writtenAt).toBe(16);
  });

  it("keeps the last ones, newest first, after the ring has gone round", () => {
    const { look, offer, answer, queue, clock } = create(layout);
    look();
    const sectors = Array.from({ length: DONE_MAX + 5 }, (_, i) => i);
    for (const sector of sectors) {
      clock.now += 2;
      offer(sector, { indirect: true });
      answer(sector);
      queue.poll();
    }
    const done = look().rows.filter(({ state }) => state === "done");
    expect(done).toHaveLength(DONE_MAX);
    expect(done[0].summary).toBe(`sector ${DONE_MAX + 4}, 512 bytes`);
  });

  it("goes into an indirect table", () => {
    const { look, offer, open } = create(layout);
    offer(9, { indirect: true });
    const { descriptors } = open(look().rows[0].key);
    expect(descriptors.map(({ isIndirect }) => isIndirect)).toEqual([false, true, true, true]);
    expect(descriptors[0].flags).toContain("INDIRECT");
  });

  it("names what is malformed", () => {
    const { look, queue, device } = create(layout);
    look();
    queue.offerParts([{ gpa: 0x100, length: 16, flags: 0 }]);
    expect(look().rows[0].flaw).toBe("0x100+16 is not RAM");
    expect(device.queue.pop()).toBeUndefined();
    const view = look();
    expect(view.counters.malformed).toBe(1);
    expect(view.rows[0]).toMatchObject({ state: "done", flaw: "0x100+16 is not RAM" });
  });

  it("changes nothing by looking", () => {
    const { look, offer, driver, open } = create(layout);
    offer(1);
    offer(2);
    const before = [driver.ram.slice(), driver.transport.inspect()];
    for (const { key } of look().rows) open(key);
    look();
    expect([driver.ram.slice(), driver.transport.inspect()]).toEqual(before);
  });

  it("keeps a burst whole, and of a queue that never rests a share", () => {
    const { look, offer, answer, queue, clock } = create(layout, 0x10_0000);
    const serve = (count: number, everyMs: number) => {
      for (let i = 0; i < count; i++) {
        clock.now += everyMs;
        offer(i);
        answer(1);
        queue.poll();
      }
    };
    clock.now = 1000;
    look();
    serve(DONE_MAX, 0);
    expect(look()).toMatchObject({ skipped: 0 });
    serve(1000, 0.25);
    // In 250 ms as many as the rate allows, of which the last are shown.
    expect(look().skipped).toBe(7 * (DONE_MAX - 1));
    clock.now += 1000;
    serve(DONE_MAX, 0);
    expect(look()).toMatchObject({ skipped: 0 });
  });

  it("stops to keep chains when nobody looks any more", () => {
    const { look, offer, answer, queue, clock, tap, watch } = create(layout);
    look();
    expect(tap.observers).toEqual([watch]);
    clock.now = 60_000;
    offer(1);
    answer(1);
    queue.poll();
    expect(tap.observers).toEqual([]);
    look();
    watch.release();
    expect(tap.observers).toEqual([]);
  });

  it("says that a chain is gone, and that a key was never one", () => {
    const { look, offer, answer, open } = create(layout);
    offer(1);
    const [{ key }] = look().rows;
    answer(1);
    expect(() => open(key)).toThrow("not there any more");
    for (const wrong of [
      "",
      "done:7",
      "used:-1",
      "used:9999",
      "waiting:x",
      "taken:0",
      `${key}9999`,
    ]) {
      expect(() => open(wrong)).toThrow("not there any more");
    }
  });

  it("survives anything that a driver writes into its areas", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 300, maxLength: 300 }), fc.nat(3), (bytes, pops) => {
        const { look, driver, queue, device, open } = create(layout);
        look();
        const ram = driver.ram;
        for (const area of [queue.desc, queue.avail, queue.used]) {
          ram.set(bytes.subarray(0, 160), area - driver.memory.regions[0].base);
        }
        for (let i = 0; i < pops; i++) device.queue.pop();
        const view = look();
        expect(view.rows.length).toBeLessThan(200);
        for (const { key } of view.rows) open(key);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a split queue", () => {
  it("shows what was given back before anybody looked, as far as its memory tells", () => {
    const { look, offer, answer, queue } = create("split");
    for (const sector of [11, 12]) {
      offer(sector);
      answer(1);
    }
    queue.poll();
    const summaries = look().rows.map(({ state, summary }) => `${state} ${summary}`);
    expect(summaries).toEqual(["used sector 12, 512 bytes", "used sector 11, 512 bytes"]);
  });

  it("ends a chain that goes round, and one that leaves the table", () => {
    const { look, driver, open } = create("split");
    const [queue] = driver.splitQueues;
    const address = driver.allocate(16);
    queue.setDescriptor(0, { address, length: 16, flags: DescriptorFlag.NEXT, next: 0 });
    queue.setDescriptor(1, { address, length: 16, flags: DescriptorFlag.NEXT, next: 99 });
    queue.offer(0);
    queue.offer(1);
    const [loop, outside] = look().rows;
    expect(loop.flaw).toBe("128 descriptors, and no end");
    expect(open(loop.key).descriptors).toHaveLength(128);
    expect(outside.flaw).toBe("next 99 is not one of 8 descriptors");
  });
});
