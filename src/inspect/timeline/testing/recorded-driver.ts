/** A device with its driver and a record of what goes on between them, by a clock of the test's own. */
import { SPI_BASE } from "../../../irq/distributor.ts";
import type { VirtioDevice } from "../../../virtio/device.ts";
import { VirtioTap } from "../../../virtio/observer.ts";
import {
  type StartOptions,
  TestDriver,
  type TestDriverOptions,
} from "../../../virtio/testing/driver.ts";
import { RequestReader } from "../reader.ts";
import { Recorder } from "../recorder.ts";
import { RequestLog } from "../request-log.ts";
import { Samples } from "../samples.ts";

const FIRST_SPI = 16;
const SLOT = 3;

/** 2023-11-14T22:13:20Z. */
export const STARTED_AT_MS = 1_700_000_000_000;

export interface RecordedOptions extends TestDriverOptions, StartOptions {
  /** Requests that are kept. */
  readonly capacity?: number;
  /** Bytes that are kept of heads, and of packets. */
  readonly sampleBytes?: number;
}

export function recordedDriver(device: VirtioDevice, options: RecordedOptions = {}) {
  const tap = new VirtioTap();
  const driver = new TestDriver(device, { ...options, slot: SLOT, tap }).start(options);
  const clock = { us: 0 };
  const timers = new Map<() => void, number>();
  const { sampleBytes } = options;
  const recorder = new Recorder(
    {
      observe: (observer) => {
        tap.observers = [observer];
        return () => {
          tap.observers = [];
        };
      },
      nowUs: () => 5_000_000 + clock.us,
      wallClockMs: () => STARTED_AT_MS,
      sleep: (ms, callback) => {
        timers.set(callback, clock.us + ms * 1000);
        return () => timers.delete(callback);
      },
      firstSpi: FIRST_SPI,
    },
    new RequestLog(options.capacity),
    new Samples(sampleBytes, sampleBytes),
  );
  recorder.start();
  const elapse = (us: number): void => {
    clock.us += us;
    for (const [callback, at] of timers) {
      if (at > clock.us) continue;
      timers.delete(callback);
      callback();
    }
  };
  const intid = SPI_BASE + FIRST_SPI + SLOT;
  return { driver, tap, clock, elapse, recorder, reader: new RequestReader(recorder), intid };
}
