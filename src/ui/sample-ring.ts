/** Samples on their way to a loudspeaker of another rate: kept in order, read by interpolation. */
import type { SoundFormat } from "../worker/protocol.ts";

/** Channels that come out. */
const CHANNELS = 2;

/**
 * Seconds of sound that may wait. A guest's buffer is shorter; more only gathers when the
 * loudspeaker's clock is slower than the host's, and then the oldest go.
 */
export const RING_SECONDS = 2;

/** Sound that must wait before playing begins, in seconds: late messages make no gap in it. */
export const PREROLL_SECONDS = 0.06;

export class SampleRing {
  readonly #outRate: number;
  /** Left and right, as floats, at the rate of the guest. */
  #frames: Float32Array = new Float32Array(0);
  #rate = 0;
  /** Frames that wait, from the start of `#frames`; where reading is, in parts of a frame. */
  #length = 0;
  #at = 0;
  #isPlaying = false;

  /** @param outRate frames per second of the loudspeaker. */
  constructor(outRate: number) {
    this.#outRate = outRate;
  }

  /** Seconds of sound that wait. */
  get seconds(): number {
    return this.#rate === 0 ? 0 : (this.#length - this.#at) / this.#rate;
  }

  push(format: SoundFormat, bytes: Uint8Array<ArrayBuffer>): void {
    if (format.rate !== this.#rate) this.#restart(format.rate);
    this.#compact();
    const frames = decode(format, bytes);
    const capacity = this.#frames.length / CHANNELS;
    const excess = Math.max(0, this.#length + frames.length / CHANNELS - capacity);
    const drop = Math.min(excess, this.#length);
    this.#frames.copyWithin(0, drop * CHANNELS, this.#length * CHANNELS);
    this.#length -= drop;
    const room = (capacity - this.#length) * CHANNELS;
    const kept = frames.subarray(Math.max(0, frames.length - room));
    this.#frames.set(kept, this.#length * CHANNELS);
    this.#length += kept.length / CHANNELS;
    if (this.seconds >= PREROLL_SECONDS) this.#isPlaying = true;
  }

  /** Fills both channels; with silence where there is nothing to play. */
  pull(left: Float32Array, right: Float32Array): void {
    const step = this.#rate / this.#outRate;
    for (let i = 0; i < left.length; i++) {
      const index = Math.floor(this.#at);
      if (!this.#isPlaying || index + 1 >= this.#length) {
        // The next sound is waited for like the first.
        this.#isPlaying = false;
        left.fill(0, i);
        right.fill(0, i);
        return;
      }
      const part = this.#at - index;
      const here = index * CHANNELS;
      left[i] = this.#frames[here] * (1 - part) + this.#frames[here + CHANNELS] * part;
      right[i] = this.#frames[here + 1] * (1 - part) + this.#frames[here + CHANNELS + 1] * part;
      this.#at += step;
    }
  }

  clear(): void {
    this.#length = 0;
    this.#at = 0;
    this.#isPlaying = false;
  }

  #restart(rate: number): void {
    this.clear();
    this.#rate = rate;
    this.#frames = new Float32Array(rate * RING_SECONDS * CHANNELS);
  }

  #compact(): void {
    const done = Math.min(Math.floor(this.#at), this.#length);
    this.#frames.copyWithin(0, done * CHANNELS, this.#length * CHANNELS);
    this.#length -= done;
    this.#at -= done;
  }
}

/** Left and right of every frame; one channel is both. */
function decode({ sample, channels }: SoundFormat, bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const samples = toFloats(sample, bytes);
  const frames = Math.floor(samples.length / channels);
  const pairs = new Float32Array(frames * CHANNELS);
  for (let i = 0; i < frames; i++) {
    pairs[CHANNELS * i] = samples[channels * i];
    pairs[CHANNELS * i + 1] = samples[channels * i + (channels > 1 ? 1 : 0)];
  }
  return pairs;
}

function toFloats(sample: SoundFormat["sample"], bytes: Uint8Array<ArrayBuffer>): Float32Array {
  // A message's bytes are a buffer of their own, so that words in it are aligned.
  const { buffer } = bytes;
  const words = Math.floor(buffer.byteLength / 4);
  switch (sample) {
    case "u8":
      return Float32Array.from(bytes, (value) => (value - 0x80) / 0x80);
    case "s16": {
      const values = new Int16Array(buffer, 0, Math.floor(buffer.byteLength / 2));
      return Float32Array.from(values, (value) => value / 0x8000);
    }
    case "s32":
      return Float32Array.from(new Int32Array(buffer, 0, words), (value) => value / 0x8000_0000);
    case "float":
      return new Float32Array(buffer, 0, words);
  }
}
