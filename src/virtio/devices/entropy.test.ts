import { describe, expect, it } from "vitest";
import { TestDriver } from "../testing/driver.ts";
import { ENTROPY_REQUEST_MAX, EntropyDevice } from "./entropy.ts";

function create() {
  const device = new EntropyDevice("rng", { fill: (bytes) => void bytes.fill(0x5a) });
  const driver = new TestDriver(device).start();
  const [queue] = driver.splitQueues;
  const run = (readable: Uint8Array[], writable: number[]) => {
    const request = queue.add(readable, writable);
    queue.kick();
    const [used] = queue.poll();
    return { length: used.length, data: queue.written(request) };
  };
  return { device, driver, run };
}

describe("entropy", () => {
  it("fills buffers", () => {
    const { device, run } = create();
    const { length, data } = run([], [1, 7]);
    expect(length).toBe(8);
    expect(data.every((byte) => byte === 0x5a)).toBe(true);
    expect(device.counters()).toEqual({ requests: 1, bytes: 8 });
  });

  it("fills a long buffer in part", () => {
    const { run } = create();
    const { length, data } = run([], [ENTROPY_REQUEST_MAX + 1]);
    expect(length).toBe(ENTROPY_REQUEST_MAX);
    expect(data[ENTROPY_REQUEST_MAX]).toBe(0);
  });

  it("completes a request without room", () => {
    const { run } = create();
    expect(run([Uint8Array.of(1)], []).length).toBe(0);
  });
});
