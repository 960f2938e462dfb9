/**
 * Sound at the speed of the host's clock: what is played goes to a listener, if there is one, and
 * what is recorded is silence. So a guest's sound takes the time that it should, heard or not.
 */
import {
  type PcmCapture,
  type PcmFormat,
  type PcmPlayback,
  SAMPLE_BYTES,
  type SoundBackend,
} from "../virtio/devices/sound-backend.ts";
import { Pacer, type PacerHost } from "./pacer.ts";

/** Hears one stream. */
export interface PcmListener {
  /** Samples that will be played after those before. */
  queued?(bytes: Uint8Array<ArrayBuffer>): void;
  /** Samples whose time is over. */
  played?(bytes: Uint8Array<ArrayBuffer>): void;
  /** The stream ends; `isCut` says that not all that was queued has been played. */
  closed(isCut: boolean): void;
}

type PcmListen = (format: PcmFormat) => PcmListener | undefined;

export class PacedSound implements SoundBackend {
  readonly #host: PacerHost;
  readonly #listen: PcmListen;

  constructor(host: PacerHost, listen: PcmListen = () => undefined) {
    this.#host = host;
    this.#listen = listen;
  }

  openPlayback(format: PcmFormat): PcmPlayback {
    const pacer = new Pacer(this.#host);
    const listener = this.#listen(format);
    return {
      start: () => pacer.start(),
      stop: () => pacer.stop(),
      close: () => {
        listener?.closed(pacer.length > 0);
        pacer.close();
      },
      write: (bytes, played) => {
        listener?.queued?.(bytes);
        pacer.add(durationMs(format, bytes.length), () => {
          listener?.played?.(bytes);
          played(0);
        });
      },
    };
  }

  openCapture(format: PcmFormat): PcmCapture {
    const pacer = new Pacer(this.#host);
    return {
      start: () => pacer.start(),
      stop: () => pacer.stop(),
      close: () => pacer.close(),
      read: (length, recorded) => {
        pacer.add(durationMs(format, length), () => recorded(silence(format, length), 0));
      },
    };
  }
}

function durationMs({ sample, channels, rate }: PcmFormat, bytes: number): number {
  return (1000 * bytes) / (SAMPLE_BYTES[sample] * channels * rate);
}

function silence({ sample }: PcmFormat, length: number): Uint8Array {
  return new Uint8Array(length).fill(sample === "u8" ? 0x80 : 0);
}
