import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockDevice } from "../../virtio/devices/block.ts";
import { BlockType } from "../../virtio/devices/block-request.ts";
import { EntropyDevice } from "../../virtio/devices/entropy.ts";
import { MemoryBlockBackend } from "../../virtio/devices/memory-block-backend.ts";
import { bit, Feature, Register } from "../../virtio/spec.ts";
import { header } from "../../virtio/testing/block-driver.ts";
import { ManualDevice, taken } from "../../virtio/testing/manual-device.ts";
import { REQUESTS_PER_WINDOW, UNWATCHED_US } from "./allowance.ts";
import { LEASE_US } from "./recorder.ts";
import { Moment, Part } from "./request-log.ts";
import { type RecordedOptions, recordedDriver } from "./testing/recorded-driver.ts";

const NO_EVENT_IDX = ~bit(Feature.EVENT_IDX);

function create(options: RecordedOptions = {}) {
  const device = new ManualDevice();
  const recorded = recordedDriver(device, { accept: NO_EVENT_IDX, ...options });
  const [queue] = recorded.driver.splitQueues;
  /** Takes one request at once, of which `written` bytes are given back. */
  const serve = (readable: number[], written = 0): void => {
    queue.add([Uint8Array.from(readable)], [8]);
    device.queue.push(taken(device.queue.pop()), written);
    queue.poll();
  };
  return { ...recorded, device, queue, serve };
}

describe("a recorder", () => {
  it("knows each moment of a request", () => {
    const { recorder, reader, clock, device, queue, intid } = create();
    queue.add([Uint8Array.of(1, 2, 3)], [4]);
    clock.us = 10;
    queue.kick();
    clock.us = 12;
    const chain = taken(device.queue.pop());
    expect(reader.outcome(0)).toBe("in-flight");
    expect(reader.isSettled(0)).toBe(false);
    clock.us = 50;
    chain.writeAt(0, Uint8Array.of(9, 8));
    device.queue.push(chain, 2);
    clock.us = 51;
    recorder.pulsed(intid);
    clock.us = 60;
    recorder.claimed(1, intid);
    clock.us = 75;
    recorder.completed(1, intid);
    const moments = Object.values(Moment).map((moment) => recorder.log.time(0, moment));
    // The line rises with what it tells of.
    expect(moments).toEqual([10, 12, 50, 50, 50, 60, 75]);
    expect(reader.latency(0)).toBe(50);
    expect(reader.outcome(0)).toBe("done");
    expect(reader.isSettled(0)).toBe(true);
    expect([reader.slot(0), reader.queue(0), reader.chain(0)]).toEqual([3, 0, chain.id]);
    expect([reader.readable(0), reader.writable(0), reader.written(0)]).toEqual([3, 4, 2]);
    expect(reader.sample(0, Part.READABLE)).toEqual(Uint8Array.of(1, 2, 3));
    expect(reader.sample(0, Part.WRITTEN)).toEqual(Uint8Array.of(9, 8));
  });

  it("gives one interrupt to all that it tells of, and to no other", () => {
    const { recorder, clock, serve, intid } = create();
    serve([1]);
    serve([2]);
    recorder.pulsed(intid + 1);
    expect(recorder.log.time(0, Moment.PULSE)).toBeNaN();
    clock.us = 5;
    recorder.pulsed(intid);
    recorder.claimed(1, intid);
    serve([3]);
    clock.us = 9;
    recorder.completed(1, intid);
    expect([0, 1, 2].map((seq) => recorder.log.time(seq, Moment.CLAIM))).toEqual([
      5,
      5,
      Number.NaN,
    ]);
    expect(recorder.log.time(1, Moment.COMPLETE)).toBe(9);
  });

  it("looks at the clock for a line that rises later", () => {
    const { recorder, clock, serve, queue, intid } = create();
    serve([1]);
    queue.kick();
    recorder.configChanged({ slot: 3, type: 0, name: "manual" });
    clock.us = 4;
    recorder.pulsed(intid);
    expect(recorder.log.time(0, Moment.PULSE)).toBe(4);
    serve([2]);
    expect(recorder.log.end).toBe(2);
    clock.us = 6;
    recorder.pulsed(intid);
    expect([0, 1].map((seq) => recorder.log.time(seq, Moment.PULSE))).toEqual([4, 6]);
  });

  it("takes what is taken at once to be taken with the kick, and the rest when it is", () => {
    const device = new ManualDevice();
    const { driver, recorder, clock } = recordedDriver(device, { accept: NO_EVENT_IDX });
    const [queue] = driver.splitQueues;
    device.notify = () => {
      clock.us += 5;
      taken(device.queue.pop());
      clock.us += 5;
      taken(device.queue.pop());
    };
    for (let i = 0; i < 3; i++) queue.add([], [4]);
    queue.kick();
    taken(device.queue.pop());
    const { log } = recorder;
    expect([0, 1, 2].map((seq) => log.time(seq, Moment.KICK))).toEqual([0, 0, 0]);
    expect([0, 1, 2].map((seq) => log.time(seq, Moment.POP))).toEqual([0, 10, 10]);
  });

  it("knows which requests the driver wanted no interrupt for", () => {
    const { recorder, reader, serve, queue, intid } = create();
    queue.setAvailFlags(1);
    serve([1]);
    recorder.claimed(1, intid);
    expect(reader.isSuppressed(0)).toBe(true);
    expect(reader.isSettled(0)).toBe(true);
    expect(recorder.log.time(0, Moment.CLAIM)).toBeNaN();
  });

  it("says what a reset dropped, and takes no later answer", () => {
    const { reader, driver, device, queue } = create();
    queue.add([], [4]);
    const chain = taken(device.queue.pop());
    driver.write(Register.Status, 0);
    device.queue.push(chain, 4);
    expect(reader.outcome(0)).toBe("dropped");
    expect(reader.recorder.log.end).toBe(1);
    expect(reader.recorder.events.at(-1)).toMatchObject({ what: 0, source: { name: "manual" } });
  });

  it("records a malformed chain with the reason", () => {
    const { reader, device, queue } = create();
    queue.setDescriptor(0, { address: 0, length: 4 });
    queue.offer(0);
    expect(device.queue.pop()).toBeUndefined();
    expect(reader.outcome(0)).toBe("malformed");
    expect(reader.decode(0)).toMatchObject({
      op: "malformed",
      summary: expect.stringMatching(/RAM/),
    });
  });

  it("knows of a read that failed why it did", () => {
    const { reader, driver } = recordedDriver(
      new BlockDevice("blk0", {
        ...{ sectors: 8, readOnly: false, id: "broken" },
        read: () => {
          throw new Error("broken");
        },
        write: () => {},
        flush: () => {},
      }),
    );
    const [queue] = driver.queues;
    queue.add([header(BlockType.IN, 3)], [512, 1]);
    queue.kick();
    expect(reader.outcome(0)).toBe("failed");
    expect(reader.decode(0)).toMatchObject({ op: "read", summary: "sector 3, 512 bytes IOERR" });
  });

  it("takes up what was in flight before it began", () => {
    const { recorder, reader, device, queue, clock } = create();
    recorder.stop();
    queue.add([Uint8Array.of(7)], [4]);
    const chain = taken(device.queue.pop());
    recorder.start();
    clock.us = 30;
    device.queue.push(chain, 1);
    expect(recorder.log.time(0, Moment.POP)).toBeNaN();
    expect([reader.start(0), reader.outcome(0)]).toEqual([30, "done"]);
  });

  it("does not know what became of requests when it was stopped", () => {
    const { recorder, reader, device, queue } = create();
    queue.add([], [4]);
    const chain = taken(device.queue.pop());
    recorder.stop();
    device.queue.push(chain, 1);
    expect(reader.outcome(0)).toBe("unseen");
    recorder.start();
    expect(recorder.isRecording).toBe(true);
  });

  it("stops by itself when nobody looks for a while", () => {
    const { recorder, clock, serve } = create();
    clock.us = LEASE_US - 1;
    recorder.touch();
    clock.us += LEASE_US;
    serve([1]);
    expect(recorder.isRecording).toBe(true);
    clock.us += 1;
    serve([2]);
    expect(recorder.isRecording).toBe(false);
    expect(recorder.log.end).toBe(1);
  });

  it("rests until somebody looks again, unless it was stopped", () => {
    const { recorder, serve } = create();
    recorder.rest();
    serve([1]);
    expect([recorder.isRecording, recorder.log.end]).toEqual([false, 0]);
    recorder.touch();
    serve([2]);
    expect([recorder.isRecording, recorder.log.end]).toEqual([true, 1]);
    recorder.stop();
    recorder.rest();
    recorder.touch();
    expect(recorder.isRecording).toBe(false);
  });

  it("leaves out what is too much while nobody looks, and says where", () => {
    const { recorder, reader, tap, clock, elapse, queue, serve } = create();
    const several = (count: number): void => {
      for (let i = 0; i < count; i++) {
        clock.us += 10;
        queue.kick();
        serve([1]);
      }
    };
    several(2 * REQUESTS_PER_WINDOW);
    expect(recorder.log.end).toBe(2 * REQUESTS_PER_WINDOW);
    clock.us = UNWATCHED_US + 1;
    several(2 * REQUESTS_PER_WINDOW);
    expect(recorder.log.end).toBe(3 * REQUESTS_PER_WINDOW);
    expect(recorder.isRecording).toBe(true);
    // What becomes of requests, nobody asks for.
    expect([tap.observers.length, tap.ofRequests]).toEqual([1, []]);
    elapse(1_000_000 - 10 * 2 * REQUESTS_PER_WINDOW);
    several(1);
    expect(recorder.log.end).toBe(3 * REQUESTS_PER_WINDOW);
    elapse(0);
    several(REQUESTS_PER_WINDOW);
    const { end } = recorder.log;
    expect(end).toBe(4 * REQUESTS_PER_WINDOW);
    const gaps = Array.from({ length: end }, (_, seq) => seq).filter((seq) =>
      reader.isAfterGap(seq),
    );
    expect(gaps).toEqual([3 * REQUESTS_PER_WINDOW]);
    several(1);
    recorder.touch();
    several(2);
    expect(recorder.log.end).toBe(end + 2);
    expect(reader.isAfterGap(end)).toBe(true);
    expect(reader.outcome(end + 1)).toBe("done");
  });

  it("sees a reset also while it leaves requests out", () => {
    const { recorder, driver, clock, serve } = create();
    clock.us = UNWATCHED_US + 1;
    for (let i = 0; i <= REQUESTS_PER_WINDOW; i++) serve([1]);
    expect(recorder.log.end).toBe(REQUESTS_PER_WINDOW);
    driver.write(Register.Status, 0);
    expect(recorder.events.at(-1)).toMatchObject({ what: 0, source: { name: "manual" } });
    recorder.stop();
    expect(recorder.isRecording).toBe(false);
    recorder.touch();
    expect(recorder.isRecording).toBe(false);
  });

  it("keeps the header of a long transfer, some of its data, and its status", () => {
    const { reader, driver } = recordedDriver(
      new BlockDevice("blk0", new MemoryBlockBackend({ sectors: 8 })),
    );
    const [queue] = driver.queues;
    queue.add([header(BlockType.OUT, 3), new Uint8Array(512).fill(7)], [1]);
    queue.kick();
    queue.add([header(BlockType.IN, 3)], [512, 1]);
    queue.kick();
    expect(reader.sample(0, Part.READABLE)).toEqual(
      Uint8Array.of(...header(BlockType.OUT, 3), ...new Uint8Array(16).fill(7)),
    );
    expect(reader.sample(1, Part.WRITTEN)).toEqual(Uint8Array.of(...new Uint8Array(31).fill(7), 0));
    expect(reader.decode(1).summary).toBe("sector 3, 512 bytes");
  });

  it("keeps the newest requests, and of those the newest bytes", () => {
    const { recorder, reader, serve } = create({ capacity: 8, sampleBytes: 64 });
    for (let i = 0; i < 20; i++) serve(new Array(10).fill(i));
    const { log } = recorder;
    expect([log.first, log.end]).toEqual([12, 20]);
    expect([log.has(11), log.has(12), log.has(19), log.has(20)]).toEqual([
      ...[false, true, true, false],
    ]);
    expect(reader.sample(19, Part.READABLE)).toEqual(new Uint8Array(10).fill(19));
    expect(reader.sample(12, Part.READABLE)).toBeUndefined();
    expect(reader.decode(12).summary).toContain("make room");
  });

  it("forgets requests that had to make room while they were in flight", () => {
    const { recorder, reader, device, queue, driver, serve } = create({ capacity: 4 });
    queue.add([], [4]);
    const chain = taken(device.queue.pop());
    for (let i = 0; i < 6; i++) serve([i]);
    device.queue.push(chain, 4);
    expect([recorder.log.first, recorder.log.end]).toEqual([3, 7]);
    driver.write(Register.Status, 0);
    for (const seq of [3, 4, 5, 6]) expect(reader.outcome(seq)).toBe("done");
  });

  it("keeps no more than a driver that takes no interrupt may leave", () => {
    const { recorder, clock, serve, intid } = create();
    for (let i = 0; i < 5000; i++) serve([1]);
    clock.us = 3;
    recorder.claimed(1, intid);
    expect(recorder.log.time(0, Moment.CLAIM)).toBeNaN();
    expect(recorder.log.time(4999, Moment.CLAIM)).toBe(3);
  });

  it("changes nothing that the driver can see", () => {
    const run = (isWatched: boolean, lengths: readonly number[]) => {
      const device = new EntropyDevice("rng0", { fill: (bytes) => bytes.fill(0x5a) });
      const { driver, recorder } = recordedDriver(device, { accept: NO_EVENT_IDX });
      if (!isWatched) recorder.stop();
      const [queue] = driver.queues;
      const seen = lengths.map((length) => {
        const request = queue.add([], [length]);
        queue.kick();
        return [queue.poll(), [...queue.written(request)]];
      });
      const transport = driver.transport.inspect();
      return { seen, transport, pulses: driver.irq.pulses, ram: driver.announced };
    };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 20 }), (lengths) => {
        expect(run(true, lengths)).toEqual(run(false, lengths));
      }),
      { numRuns: 30 },
    );
  });
});
