import { describe, expect, it } from "vitest";
import { SmearedClock } from "./smeared-clock.ts";

const START = 1_700_000_000_000;

/** A host whose clocks a test moves. */
function host() {
  const clocks = { uptime: 5, offset: START };
  const clock = new SmearedClock({
    nowMs: () => clocks.uptime,
    wallClockMs: () => clocks.offset + clocks.uptime,
  });
  const behind = () => clocks.offset + clocks.uptime - clock.nowMs();
  return { clocks, clock, behind };
}

describe("the smeared clock", () => {
  it("runs with the host's clock", () => {
    const { clocks, clock, behind } = host();
    expect(clock.nowMs()).toBe(START + 5);
    clocks.uptime += 1234.5;
    expect(behind()).toBe(0);
  });

  it.each([-1000, 1000])("goes over a step of %d ms in 2000 seconds, and never back", (step) => {
    const { clocks, clock, behind } = host();
    clocks.offset += step;
    let last = clock.nowMs();
    expect(behind()).toBeCloseTo(step, 6);
    for (let second = 1; second <= 2000; second++) {
      clocks.uptime += 1000;
      const now = clock.nowMs();
      expect(Math.abs(now - last - 1000)).toBeLessThan(0.501);
      last = now;
      if (second === 1000) expect(behind()).toBeCloseTo(step / 2, 3);
    }
    expect(behind()).toBeCloseTo(0, 3);
  });

  it("is set with the host's clock", () => {
    const { clocks, behind } = host();
    clocks.offset -= 3_600_000;
    expect(behind()).toBe(0);
    clocks.offset += 2000;
    expect(behind()).toBe(0);
  });

  it("goes on at once where the host slept", () => {
    const { clocks, behind } = host();
    clocks.offset += 60_000;
    expect(behind()).toBe(0);
  });
});
