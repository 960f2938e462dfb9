/** Sound that takes no time of its own: what is due happens when the test says so. */
import type { PcmCapture, PcmFormat, PcmPlayback, SoundBackend } from "../devices/sound-backend.ts";

export class TestSound implements SoundBackend {
  /** What happened to the streams, in order. */
  readonly log: string[] = [];
  /** All bytes that were played, and how many were recorded: those count up. */
  readonly played: number[] = [];
  recorded = 0;
  readonly #streams = new Set<TestStream>();

  openPlayback({ sample, channels, rate }: PcmFormat): PcmPlayback {
    const stream = this.#open("play", `${sample} ${channels} ${rate}`);
    return Object.assign(stream, {
      write: (bytes: Uint8Array, played: (latency: number) => void) =>
        stream.when(() => {
          this.played.push(...bytes);
          played(bytes.length);
        }),
    });
  }

  openCapture({ sample, channels, rate }: PcmFormat): PcmCapture {
    const stream = this.#open("record", `${sample} ${channels} ${rate}`);
    return Object.assign(stream, {
      read: (length: number, recorded: (bytes: Uint8Array, latency: number) => void) =>
        stream.when(() => {
          const bytes = Uint8Array.from({ length }, () => this.recorded++ & 0xff);
          recorded(bytes, 0);
        }),
    });
  }

  /** Lets time pass: each running stream plays or records its next `buffers`. */
  pass(buffers = Infinity): void {
    for (const stream of this.#streams) stream.pass(buffers);
  }

  #open(kind: string, format: string): TestStream {
    this.log.push(`${kind} ${format}`);
    const stream = new TestStream((what) => {
      this.log.push(`${what} ${kind}`);
      if (what === "close") this.#streams.delete(stream);
    });
    this.#streams.add(stream);
    return stream;
  }
}

class TestStream {
  readonly #tell: (what: string) => void;
  readonly #due: (() => void)[] = [];
  #isRunning = false;

  constructor(tell: (what: string) => void) {
    this.#tell = tell;
  }

  start(): void {
    this.#isRunning = true;
    this.#tell("start");
  }

  stop(): void {
    this.#isRunning = false;
    this.#tell("stop");
  }

  close(): void {
    this.#due.length = 0;
    this.#tell("close");
  }

  when(due: () => void): void {
    this.#due.push(due);
  }

  pass(buffers: number): void {
    for (let left = buffers; left > 0 && this.#isRunning && this.#due.length > 0; left--) {
      this.#due.shift()?.();
    }
  }
}
