/** What is behind a sound device: something that plays, and something that records. */

/** How a sample is stored, little-endian. */
export type SampleFormat = "u8" | "s16" | "s32" | "float";

export const SAMPLE_BYTES: { readonly [format in SampleFormat]: number } = {
  u8: 1,
  s16: 2,
  s32: 4,
  float: 4,
};

/** One sample of each channel, interleaved, makes a frame. */
export interface PcmFormat {
  readonly sample: SampleFormat;
  readonly channels: number;
  /** Frames per second. */
  readonly rate: number;
}

/** A stream from PREPARE to RELEASE; at first it stands still. */
interface PcmStream {
  /** From now on time passes, in which samples are played or recorded. */
  start(): void;
  /** Stands still; what is not yet played or recorded stays. */
  stop(): void;
  /** For good: nothing is called back any more. */
  close(): void;
}

export interface PcmPlayback extends PcmStream {
  /**
   * Plays `bytes`, a copy that it may keep, after those before. Calls back, but not from here, when
   * they have been played, or are certain to be; `latency` is how many bytes of them one still
   * cannot hear.
   */
  write(bytes: Uint8Array<ArrayBuffer>, played: (latency: number) => void): void;
}

export interface PcmCapture extends PcmStream {
  /** Calls back, but not from here, with the next `length` bytes when they have been recorded. */
  read(length: number, recorded: (bytes: Uint8Array, latency: number) => void): void;
}

export interface SoundBackend {
  openPlayback(format: PcmFormat): PcmPlayback;
  openCapture(format: PcmFormat): PcmCapture;
}
