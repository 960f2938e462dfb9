import { describe, expect, it } from "vitest";
import { DISPLAY_SIZE_MAX, DISPLAY_SIZE_MIN, edidBlock } from "./edid.ts";

const SIZES = [
  [DISPLAY_SIZE_MIN, DISPLAY_SIZE_MIN],
  [640, 480],
  [1024, 768],
  [1920, 1080],
  [3840, 2160],
  [DISPLAY_SIZE_MAX, DISPLAY_SIZE_MAX],
] as const;

/** The preferred mode, read as VESA E-EDID 1.4, table 3.21 has it. */
function preferredMode(block: Uint8Array) {
  const [clockLow, clockHigh, width, hBlank, hHigh, height, vBlank, vHigh] = block.subarray(54);
  const hTotal = width + hBlank + ((hHigh >> 4) << 8) + ((hHigh & 15) << 8);
  const vTotal = height + vBlank + ((vHigh >> 4) << 8) + ((vHigh & 15) << 8);
  return {
    width: width + ((hHigh >> 4) << 8),
    height: height + ((vHigh >> 4) << 8),
    refresh: ((clockLow + (clockHigh << 8)) * 10_000) / (hTotal * vTotal),
  };
}

describe("edidBlock", () => {
  it.each(SIZES)("describes %i by %i pixels", (width, height) => {
    const block = edidBlock(width, height);
    expect(block.length).toBe(128);
    expect([...block.subarray(0, 8)]).toEqual([0, 255, 255, 255, 255, 255, 255, 0]);
    expect(block.reduce((sum, byte) => sum + byte, 0) % 256).toBe(0);
    expect(block[126]).toBe(0);
    expect(new TextDecoder().decode(block.subarray(77, 85))).toBe("tabvisor");
    const mode = preferredMode(block);
    expect(mode).toMatchObject({ width, height });
    // The clock's 16 bits end at 655 MHz.
    const fits = (width + 160) * (height * 1.03) * 60 < 655e6;
    if (fits) expect(Math.abs(mode.refresh - 60)).toBeLessThan(0.5);
    else expect(mode.refresh).toBeGreaterThan(30);
  });

  it("offers only established modes that fit", () => {
    expect(edidBlock(640, 480)[35]).toBe(0x20);
    expect(edidBlock(1024, 600)[35]).toBe(0x21);
    expect([...edidBlock(1024, 768).subarray(35, 38)]).toEqual([0x21, 0x08, 0]);
  });

  it("allows its own rates", () => {
    for (const [width, height] of SIZES) {
      const block = edidBlock(width, height);
      const [minHz, maxHz, minKhz, maxKhz, clock] = block.subarray(90 + 5);
      const { refresh } = preferredMode(block);
      expect(minHz).toBeLessThanOrEqual(refresh);
      expect(maxHz).toBeGreaterThanOrEqual(refresh);
      expect(minKhz).toBeLessThanOrEqual(maxKhz);
      expect(clock * 1000).toBeGreaterThanOrEqual(block[54] + (block[55] << 8));
    }
  });
});
