import { describe, expect, it } from "vitest";
import { CongestionWindow, RetransmissionTimeout, RTO_MAX_MS, RTO_MIN_MS } from "./congestion.ts";

const MSS = 1000;

describe("the congestion window", () => {
  it("doubles in slow start, up to its limit", () => {
    const window = new CongestionWindow(MSS);
    expect(window.bytes).toBe(10 * MSS);
    for (let i = 0; i < 10; i += 1) window.acknowledged(MSS, 1e9);
    expect(window.bytes).toBe(20 * MSS);
    window.acknowledged(MSS, 20 * MSS);
    expect(window.bytes).toBe(20 * MSS);
  });

  it("halves after a loss, and then grows by one segment in a round trip", () => {
    const window = new CongestionWindow(MSS);
    window.enterRecovery(20 * MSS);
    expect(window.bytes).toBe(13 * MSS);
    window.inflate();
    window.deflate(3 * MSS);
    expect(window.bytes).toBe(12 * MSS);
    window.leaveRecovery();
    expect(window.bytes).toBe(10 * MSS);
    for (let i = 0; i < 10; i += 1) window.acknowledged(MSS, 1e9);
    expect(window.bytes).toBeGreaterThan(10.9 * MSS);
    expect(window.bytes).toBeLessThanOrEqual(11 * MSS);
  });

  it("starts again from one segment after a timeout", () => {
    const window = new CongestionWindow(MSS);
    window.timedOut(1);
    expect(window.bytes).toBe(MSS);
    window.acknowledged(MSS, 1e9);
    expect(window.bytes).toBe(2 * MSS);
  });
});

describe("the timeout", () => {
  it("follows the round trip within its bounds, and doubles", () => {
    const timeout = new RetransmissionTimeout();
    expect(timeout.ms).toBe(1000);
    for (let i = 0; i < 50; i += 1) timeout.measured(1);
    expect(timeout.ms).toBe(RTO_MIN_MS);
    timeout.backOff();
    expect(timeout.ms).toBe(2 * RTO_MIN_MS);
    for (let i = 0; i < 20; i += 1) timeout.backOff();
    expect(timeout.ms).toBe(RTO_MAX_MS);
    timeout.progressed();
    expect(timeout.ms).toBe(RTO_MIN_MS);
    timeout.measured(1000);
    expect(timeout.ms).toBeGreaterThan(RTO_MIN_MS);
  });
});
