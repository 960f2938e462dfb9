import { expect, it } from "vitest";
import { ActivityMeter } from "./activity-meter.ts";

it("measures speed, load and traffic since the last reading", () => {
  let now = 1000;
  const meter = new ActivityMeter(() => now);
  const run = (ms: number) =>
    meter.timed(() => {
      now += ms;
    });
  meter.count("disk", 512);
  meter.count("disk", 512);
  run(100);
  now += 100;
  const first = meter.read(40_000_000);
  expect(first).toEqual({
    mips: 200,
    busy: 0.5,
    isIdle: false,
    activity: { console: 0, disk: 1024, network: 0, entropy: 0 },
  });
  now += 200;
  expect(meter.read(40_000_000)).toMatchObject({ mips: 0, busy: 0, isIdle: true });
  // Between the two thresholds the state stays what it was.
  run(40);
  now += 160;
  expect(meter.read(40_000_000).isIdle).toBe(true);
  run(80);
  now += 120;
  expect(meter.read(40_000_000).isIdle).toBe(false);
  run(40);
  now += 160;
  expect(meter.read(1).isIdle).toBe(false);
});
