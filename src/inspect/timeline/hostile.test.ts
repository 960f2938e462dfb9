/** Whatever a guest asks of whatever device: it is recorded, can be looked at and saved. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settle } from "../../virtio/testing/driver.ts";
import { SPECIMENS } from "../../virtio/testing/specimens.ts";
import { chromeTrace } from "./chrome-trace.ts";
import { jsonExport } from "./json-export.ts";
import { pcapng } from "./pcapng.ts";
import { Part } from "./request-log.ts";
import { recordedDriver } from "./testing/recorded-driver.ts";
import { TimelineView } from "./view.ts";

/** Less than the requests of a test, so that the oldest make room. */
const CAPACITY = 16;

const part = fc.uint8Array({ maxLength: 300 });
const request = fc.record({
  queue: fc.nat(8),
  readable: fc.array(part, { maxLength: 3 }),
  writable: fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 3 }),
});

const WITH_QUEUES = Object.keys(SPECIMENS).filter(
  (name) => SPECIMENS[name]().device.queueSizes.length > 0,
);

describe.each(WITH_QUEUES)("the timeline of %s", (name) => {
  it("holds any request", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 30 }), async (requests) => {
        const specimen = SPECIMENS[name]();
        const options = { capacity: CAPACITY, sampleBytes: 1 << 17, ramSize: 0x40_0000 };
        const { driver, recorder, reader, intid } = recordedDriver(specimen.device, options);
        const view = new TimelineView("text:a or op:b or latency>1us or ok:no", reader);
        for (const { queue: index, readable, writable } of [...specimen.requests, ...requests]) {
          const queue = driver.queues[index % driver.queues.length];
          queue.add([...(readable ?? [])], [...(writable ?? [])]);
          queue.kick();
          recorder.claimed(1, intid);
          recorder.completed(1, intid);
          view.update(() => true);
          queue.poll();
        }
        specimen.stir?.();
        await settle();
        const { log } = recorder;
        const all = Array.from({ length: log.end - log.first }, (_, i) => log.first + i);
        expect(all.length).toBeLessThanOrEqual(CAPACITY);
        for (const seq of all) {
          expect(reader.decode(seq).op).toBeTypeOf("string");
          expect(reader.sample(seq, Part.WRITTEN)?.length ?? 0).toBeLessThanOrEqual(1 << 17);
        }
        for (const file of [pcapng, chromeTrace, jsonExport]) {
          expect(Buffer.concat([...file(reader, all)]).length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 25 },
    );
  });
});
