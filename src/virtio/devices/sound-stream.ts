/** One PCM stream of the sound device: its life from SET_PARAMS to RELEASE (virtio 5.14.6.6). */
import type { DescriptorChain } from "../chain.ts";
import type { Virtqueue } from "../queue.ts";
import type { PcmCapture, PcmFormat, PcmPlayback, SoundBackend } from "./sound-backend.ts";
import {
  CHANNELS_MAX,
  CHANNELS_MIN,
  Direction,
  RATES,
  SAMPLE_FORMATS,
  SOUND_STATUS_SIZE,
  SOUND_XFER_SIZE,
  SoundCode,
  SoundStatus,
} from "./sound-protocol.ts";

/** Samples that a driver may have on their way, in bytes: five seconds of the dearest format. */
export const SOUND_BUFFER_MAX = 4 * 1024 * 1024;

/** States are the names of the command that led there. */
type PcmState = "initial" | "set" | "prepared" | "started" | "stopped" | "released";

/** The states in which a command may come (5.14.6.6.1). */
const ALLOWED: { readonly [code: number]: readonly PcmState[] } = {
  [SoundCode.PCM_SET_PARAMS]: ["initial", "set", "prepared", "released"],
  [SoundCode.PCM_PREPARE]: ["set", "prepared", "released"],
  [SoundCode.PCM_START]: ["prepared", "stopped"],
  [SoundCode.PCM_STOP]: ["started"],
  [SoundCode.PCM_RELEASE]: ["prepared", "stopped"],
};

/** Structured-clonable. */
export interface SoundStreamState {
  readonly state: PcmState;
  readonly format: PcmFormat | undefined;
  readonly bufferBytes: number;
}

export class SoundStream {
  readonly #direction: Direction;
  readonly #backend: SoundBackend;
  #state: PcmState = "initial";
  #format: PcmFormat | undefined;
  #bufferBytes = 0;
  #playback: PcmPlayback | undefined;
  #capture: PcmCapture | undefined;
  /** Buffers that the backend has, and their bytes. */
  readonly #pending = new Map<DescriptorChain, Virtqueue>();
  #pendingBytes = 0;
  bytes = 0;

  constructor(direction: Direction, backend: SoundBackend) {
    this.#direction = direction;
    this.#backend = backend;
  }

  get state(): PcmState {
    return this.#state;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** SET_PARAMS; `data` is the whole request. */
  setParams(data: DataView): SoundStatus {
    if (!this.#allows(SoundCode.PCM_SET_PARAMS)) return SoundStatus.BAD_MSG;
    const bufferBytes = data.getUint32(8, true);
    const periodBytes = data.getUint32(12, true);
    const features = data.getUint32(16, true);
    const channels = data.getUint8(20);
    const sample = SAMPLE_FORMATS[data.getUint8(21)];
    const rate = RATES[data.getUint8(22)];
    const isSupported = features === 0 && channels >= CHANNELS_MIN && channels <= CHANNELS_MAX;
    if (!isSupported || sample === undefined || rate === undefined) return SoundStatus.NOT_SUPP;
    if (periodBytes === 0 || bufferBytes % periodBytes !== 0 || bufferBytes > SOUND_BUFFER_MAX) {
      return SoundStatus.BAD_MSG;
    }
    this.#close();
    this.#format = { sample, channels, rate };
    this.#bufferBytes = bufferBytes;
    this.#state = "set";
    return SoundStatus.OK;
  }

  /** Any other of the stream's commands. */
  command(code: number): SoundStatus {
    if (!this.#allows(code)) return SoundStatus.BAD_MSG;
    switch (code) {
      case SoundCode.PCM_PREPARE:
        this.#open();
        break;
      case SoundCode.PCM_START:
        this.#state = "started";
        this.#playback?.start();
        this.#capture?.start();
        break;
      case SoundCode.PCM_STOP:
        this.#state = "stopped";
        this.#playback?.stop();
        this.#capture?.stop();
        break;
      case SoundCode.PCM_RELEASE:
        this.#close();
        this.#state = "released";
        break;
      default:
        return SoundStatus.NOT_SUPP;
    }
    return SoundStatus.OK;
  }

  /** Takes samples to play, or a buffer to record into. It is given back when that has happened. */
  transfer(queue: Virtqueue, chain: DescriptorChain): void {
    const isOutput = this.#direction === Direction.OUTPUT;
    const length = isOutput
      ? chain.readableLength - SOUND_XFER_SIZE
      : chain.writableLength - SOUND_STATUS_SIZE;
    const isOpen = this.#playback !== undefined || this.#capture !== undefined;
    if (!isOpen || length <= 0) {
      finish(queue, chain, SoundStatus.BAD_MSG, 0, 0);
      return;
    }
    if (length > this.#bufferBytes - this.#pendingBytes) {
      finish(queue, chain, SoundStatus.IO_ERR, 0, 0);
      return;
    }
    this.#pending.set(chain, queue);
    this.#pendingBytes += length;
    const settle = (latency: number, written: number): void => {
      if (!this.#pending.delete(chain)) return;
      this.#pendingBytes -= length;
      this.bytes += length;
      finish(queue, chain, SoundStatus.OK, latency, written);
    };
    if (isOutput) {
      const samples = new Uint8Array(length);
      chain.readAt(SOUND_XFER_SIZE, samples);
      this.#playback?.write(samples, (latency) => settle(latency, 0));
    } else {
      this.#capture?.read(length, (samples, latency) => {
        const whole = samples.subarray(0, length);
        settle(latency, chain.writeAt(0, whole));
      });
    }
  }

  reset(): void {
    this.#close();
    this.#state = "initial";
    this.#format = undefined;
  }

  save(): SoundStreamState {
    return { state: this.#state, format: this.#format, bufferBytes: this.#bufferBytes };
  }

  /** The buffers in flight are taken from the queue again. */
  load({ state, format, bufferBytes }: SoundStreamState): void {
    this.#format = format;
    this.#bufferBytes = bufferBytes;
    this.#state = state;
    if (state !== "prepared" && state !== "started" && state !== "stopped") return;
    this.#open();
    this.#state = state;
    if (state !== "started") return;
    this.#playback?.start();
    this.#capture?.start();
  }

  #allows(code: number): boolean {
    return ALLOWED[code]?.includes(this.#state) ?? false;
  }

  #open(): void {
    this.#close();
    this.#state = "prepared";
    const format = this.#format!;
    if (this.#direction === Direction.OUTPUT) this.#playback = this.#backend.openPlayback(format);
    else this.#capture = this.#backend.openCapture(format);
  }

  /** Every buffer is given back before the answer to the command that ends the stream (5.14.6.6.5). */
  #close(): void {
    this.#playback?.close();
    this.#capture?.close();
    this.#playback = undefined;
    this.#capture = undefined;
    for (const [chain, queue] of this.#pending) finish(queue, chain, SoundStatus.OK, 0, 0);
    this.#pending.clear();
    this.#pendingBytes = 0;
  }
}

/** Gives a buffer of samples back; its last eight bytes say how it went (5.14.6.8). */
export function finish(
  queue: Virtqueue,
  chain: DescriptorChain,
  status: SoundStatus,
  latency: number,
  written: number,
): void {
  const at = chain.writableLength - SOUND_STATUS_SIZE;
  if (at < 0) {
    queue.push(chain, 0);
    return;
  }
  chain.writeAt(at, new Uint8Array(Uint32Array.of(status, latency).buffer));
  // The length counts from the start, so a status behind samples that were not written is not in it.
  queue.push(chain, written === at ? chain.writableLength : written);
}
