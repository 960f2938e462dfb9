import { describe, expect, it } from "vitest";
import { PREROLL_SECONDS, RING_SECONDS, SampleRing } from "./sample-ring.ts";

const MONO = { sample: "u8", channels: 1, rate: 8000 } as const;
const bytesOf = (values: ArrayBufferView<ArrayBuffer>) => new Uint8Array(values.buffer);

function pull(ring: SampleRing, count: number): { left: number[]; right: number[] } {
  const left = new Float32Array(count);
  const right = new Float32Array(count);
  ring.pull(left, right);
  return { left: [...left], right: [...right] };
}

describe("SampleRing", () => {
  it("waits for enough to begin with, and again after a gap", () => {
    const ring = new SampleRing(8000);
    const part = new Uint8Array(8000 * PREROLL_SECONDS - 1).fill(0xc0);
    ring.push(MONO, part);
    expect(pull(ring, 4).left).toEqual([0, 0, 0, 0]);
    ring.push(MONO, part);
    expect(pull(ring, 4)).toEqual({ left: [0.5, 0.5, 0.5, 0.5], right: [0.5, 0.5, 0.5, 0.5] });
    const rest = pull(ring, 8000).left;
    expect(rest.filter((value) => value !== 0)).toHaveLength(2 * part.length - 5);
    ring.push(MONO, part.slice(2));
    expect(pull(ring, 1).left).toEqual([0]);
  });

  it("understands every format", () => {
    const count = 8000 * PREROLL_SECONDS;
    const cases = [
      ["u8", new Uint8Array(2 * count).fill(0x40)],
      ["s16", new Int16Array(2 * count).fill(-0x4000)],
      ["s32", new Int32Array(2 * count).fill(-0x4000_0000)],
      ["float", new Float32Array(2 * count).fill(-0.5)],
    ] as const;
    for (const [sample, samples] of cases) {
      const ring = new SampleRing(8000);
      ring.push({ sample, channels: 2, rate: 8000 }, bytesOf(samples));
      expect(pull(ring, 2), sample).toEqual({ left: [-0.5, -0.5], right: [-0.5, -0.5] });
    }
  });

  it("keeps left and right apart, and goes between samples at another rate", () => {
    const ring = new SampleRing(16_000);
    const samples = Float32Array.from({ length: 2000 }, (_, i) => (i % 2 ? -1 : 1) * (i >> 1));
    ring.push({ sample: "float", channels: 2, rate: 8000 }, bytesOf(samples));
    const { left, right } = pull(ring, 5);
    expect(left).toEqual([0, 0.5, 1, 1.5, 2]);
    expect(right).toEqual([-0, -0.5, -1, -1.5, -2]);
    expect(pull(ring, 1).left).toEqual([2.5]);
  });

  it("keeps the newest when too much comes", () => {
    const ring = new SampleRing(8000);
    const second = (value: number) => new Uint8Array(8000).fill(value);
    for (let i = 0; i < RING_SECONDS + 2; i++) ring.push(MONO, second(0x80 + i));
    expect(ring.seconds).toBe(RING_SECONDS);
    expect(pull(ring, 1).left).toEqual([2 / 128]);
    ring.push(MONO, new Uint8Array(10 * 8000).fill(0xff));
    expect(ring.seconds).toBe(RING_SECONDS);
    ring.clear();
    expect(pull(ring, 1).left).toEqual([0]);
  });
});
