import { describe, expect, it } from "vitest";
import { bit, Feature } from "../../virtio/spec.ts";
import { ManualDevice, taken } from "../../virtio/testing/manual-device.ts";
import { recordedDriver } from "./testing/recorded-driver.ts";
import { TimelineView } from "./view.ts";

const NEVER = () => false;

function create(capacity?: number) {
  const device = new ManualDevice();
  const recorded = recordedDriver(device, {
    accept: ~bit(Feature.EVENT_IDX),
    ...(capacity !== undefined && { capacity }),
  });
  const [queue] = recorded.driver.queues;
  const take = (bytes: number) => {
    queue.add([new Uint8Array(bytes)], [1]);
    return taken(device.queue.pop());
  };
  const serve = (bytes: number): void => {
    device.queue.push(take(bytes), 0);
    queue.poll();
    recorded.recorder.claimed(1, recorded.intid);
  };
  return { ...recorded, device, queue, take, serve };
}

const all = (view: TimelineView): number[] => [...view.matches()];

describe("a view", () => {
  it("has the matches in their order, as they come", () => {
    const { reader, serve } = create();
    const view = new TimelineView("readable>2", reader);
    for (const bytes of [1, 5, 2, 3]) serve(bytes);
    view.update(NEVER);
    expect(all(view)).toEqual([1, 3]);
    serve(9);
    view.update(NEVER);
    expect([view.first, view.end, view.at(2)]).toEqual([0, 3, 4]);
    expect([view.indexOf(1), view.indexOf(2), view.indexOf(3), view.indexOf(9)]).toEqual([
      ...[0, 1, 1, 3],
    ]);
  });

  it("follows requests until they are settled, backwards too", () => {
    const { reader, device, queue, take, recorder, intid } = create();
    const flying = new TimelineView("is:in-flight", reader);
    const done = new TimelineView("is:done", reader);
    const [first, second] = [take(1), take(1)];
    for (const view of [flying, done]) view.update(NEVER);
    expect([all(flying), all(done)]).toEqual([[0, 1], []]);
    device.queue.push(second, 0);
    for (const view of [flying, done]) view.update(NEVER);
    expect([all(flying), all(done)]).toEqual([[0], [1]]);
    device.queue.push(first, 0);
    queue.poll();
    recorder.claimed(1, intid);
    for (const view of [flying, done]) view.update(NEVER);
    expect([all(flying), all(done)]).toEqual([[], [0, 1]]);
  });

  it("counts on as the oldest make room", () => {
    const { reader, serve } = create(8);
    const view = new TimelineView("", reader);
    for (let i = 0; i < 30; i++) {
      serve(1);
      view.update(NEVER);
      expect(view.end).toBe(i + 1);
      expect(view.at(view.first)).toBe(Math.max(0, i - 7));
      expect(view.at(view.end - 1)).toBe(i);
    }
    expect(view.first).toBe(22);
    expect(all(view)).toEqual([22, 23, 24, 25, 26, 27, 28, 29]);
  });

  it("forgets what was cleared", () => {
    const { recorder, reader, serve } = create();
    const view = new TimelineView("", reader);
    for (let i = 0; i < 5; i++) serve(1);
    view.update(NEVER);
    recorder.clear();
    view.update(NEVER);
    expect([view.end - view.first, view.progress]).toEqual([0, 1]);
  });

  it("reads a little at a time", () => {
    const { reader, serve } = create();
    for (let i = 0; i < 1000; i++) serve(1);
    const view = new TimelineView("", reader);
    view.update(() => true);
    expect(view.end).toBeGreaterThan(0);
    expect(view.end).toBeLessThan(1000);
    expect(view.progress).toBe(view.end / 1000);
    while (view.progress < 1) view.update(() => true);
    expect(view.end).toBe(1000);
  });
});
