/** The RTC device (virtio 1.4, 5.23): the host's clocks, each with an alarm. */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bit, DeviceType } from "../spec.ts";
import { type HostClocks, SmearedClock } from "./smeared-clock.ts";

export interface RtcHost extends HostClocks {
  /** Calls back after `ms`; gives what cancels it. */
  sleep(ms: number, callback: () => void): () => void;
}

/** Feature bits (5.23.3). */
const RtcFeature = { ALARM: 0 } as const;

/** Queues (5.23.2). */
const REQUEST = 0;
const ALARM = 1;
const QUEUE_SIZE = 64;

/** Requests (5.23.6.2 to 5.23.6.4), notifications and status. */
export const RtcMessage = {
  READ: 0x0001,
  READ_CROSS: 0x0002,
  CFG: 0x1000,
  CLOCK_CAP: 0x1001,
  CROSS_CAP: 0x1002,
  READ_ALARM: 0x1003,
  SET_ALARM: 0x1004,
  SET_ALARM_ENABLED: 0x1005,
} as const;
export const RtcNotification = { ALARM: 0x2000 } as const;
export const RtcStatus = { OK: 0, EOPNOTSUPP: 2, ENODEV: 3, EINVAL: 4, EIO: 5 } as const;

/** Types of clocks (5.23.6.1.1). */
export const RtcClock = {
  UTC: 0,
  TAI: 1,
  MONOTONIC: 2,
  UTC_SMEARED: 3,
  UTC_MAYBE_SMEARED: 4,
} as const;

/** Counters that cross-timestamps could have (5.23.6.1.3); a RISC-V hart has none of them. */
export const RtcCounter = { ARM_VCT: 0, X86_TSC: 1, INVALID: 0xff } as const;
const COUNTERS: ReadonlySet<number> = new Set(Object.values(RtcCounter));

/** Flags of CLOCK_CAP and of alarms. */
export const RtcFlag = { ALARM_CAP: 1, ALARM_ENABLED: 1 } as const;

const HEAD_BYTES = 8;
const NOTIFICATION_BYTES = 16;
const REQUEST_BYTES_MAX = 24;

interface Layout {
  /** Bytes of the request and of the answer. */
  readonly request: number;
  readonly response: number;
  /** Where the request has its `clock_id`, a counter, and the flags of an alarm. */
  readonly clock?: number;
  readonly counter?: number;
  readonly flags?: number;
  /** Where the request's reserved bytes begin, besides those of the head. */
  readonly end: number;
  readonly isAlarm?: boolean;
}

const LAYOUTS: ReadonlyMap<number, Layout> = new Map<number, Layout>([
  [RtcMessage.READ, { request: 16, response: 16, clock: 8, end: 10 }],
  [RtcMessage.READ_CROSS, { request: 16, response: 24, clock: 8, counter: 10, end: 11 }],
  [RtcMessage.CFG, { request: 8, response: 16, end: 8 }],
  [RtcMessage.CLOCK_CAP, { request: 16, response: 16, clock: 8, end: 10 }],
  [RtcMessage.CROSS_CAP, { request: 16, response: 16, clock: 8, counter: 10, end: 11 }],
  [RtcMessage.READ_ALARM, { request: 16, response: 24, clock: 8, end: 10, isAlarm: true }],
  [
    RtcMessage.SET_ALARM,
    { request: 24, response: 8, clock: 16, flags: 18, end: 19, isAlarm: true },
  ],
  [
    RtcMessage.SET_ALARM_ENABLED,
    { request: 16, response: 8, clock: 8, flags: 10, end: 11, isAlarm: true },
  ],
]);

const NS_PER_MS = 1_000_000n;
const NS_PER_US = 1000n;

/** The longest time between two looks at a clock with an alarm: clocks are set, and computers sleep. */
export const RTC_LOOK_MS = 1000;

interface Clock {
  readonly type: number;
  /** In nanoseconds. */
  now(): bigint;
}

interface Alarm {
  /** In nanoseconds of the clock. */
  time: bigint;
  isEnabled: boolean;
  /** The clock was before the alarm when it was looked at last. */
  isAhead: boolean;
  /** It has expired, and the driver was not told. */
  isDue: boolean;
}

const noAlarm = (): Alarm => ({ time: 0n, isEnabled: false, isAhead: false, isDue: false });

export class RtcDevice implements VirtioDevice {
  readonly type = DeviceType.RTC;
  readonly names = { title: "RTC device", chapter: "5.23", features: RtcFeature };
  readonly name: string;
  readonly features = bit(RtcFeature.ALARM);
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly config = new ConfigFields(0);
  readonly #host: RtcHost;
  /** By `clock_id`. Whether and how the host smears leap seconds is not known. */
  readonly #clocks: readonly Clock[];
  #alarms: Alarm[];
  #io: DeviceIo | undefined;
  #cancel: () => void = () => {};
  /** What the monotonic clock of a restored guest is ahead of the host's, in ns: it never goes back. */
  #monotonicOffset = 0n;
  readonly #request = new DataView(new ArrayBuffer(REQUEST_BYTES_MAX));
  readonly #counters = { requests: 0, refused: 0, expirations: 0 };

  constructor(name: string, host: RtcHost) {
    this.name = name;
    this.#host = host;
    const smeared = new SmearedClock(host);
    this.#clocks = [
      {
        type: RtcClock.UTC_MAYBE_SMEARED,
        now: () => BigInt(Math.floor(host.wallClockMs())) * NS_PER_MS,
      },
      {
        type: RtcClock.MONOTONIC,
        now: () => this.#hostMonotonic() + this.#monotonicOffset,
      },
      {
        type: RtcClock.UTC_SMEARED,
        now: () => BigInt(Math.floor(smeared.nowMs() * 1e3)) * NS_PER_US,
      },
    ];
    this.#alarms = this.#clocks.map(noAlarm);
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(index: number): void {
    if (index === ALARM) {
      this.#tell();
      return;
    }
    const queue = this.#io?.queues[REQUEST];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      this.#counters.requests++;
      queue.push(chain, this.#answer(chain));
      return true;
    });
  }

  reset(): void {
    this.#io = undefined;
    this.#alarms = this.#clocks.map(noAlarm);
    this.#cancel();
  }

  dispose(): void {
    this.#cancel();
  }

  counters(): Counters {
    return {
      ...this.#counters,
      alarms: this.#alarms.filter(({ isEnabled }) => isEnabled).length,
    };
  }

  save(): State {
    const monotonic = this.#hostMonotonic() + this.#monotonicOffset;
    return { version: 2, monotonic, alarms: this.#alarms.map((alarm) => ({ ...alarm })) };
  }

  load(state: State): void {
    this.#monotonicOffset = (state.monotonic as bigint) - this.#hostMonotonic();
    // What was saved before there were three clocks has two alarms.
    const alarms = state.alarms as readonly Alarm[];
    this.#alarms = this.#clocks.map((_, id) => ({ ...(alarms[id] ?? noAlarm()) }));
    this.#look();
  }

  #hostMonotonic(): bigint {
    return BigInt(Math.floor(this.#host.nowMs() * 1e6));
  }

  get #hasAlarms(): boolean {
    return ((this.#io?.features ?? 0n) & bit(RtcFeature.ALARM)) !== 0n;
  }

  /** Executes a request; how many bytes of an answer it wrote. */
  #answer(chain: DescriptorChain): number {
    const request = this.#request;
    const length = chain.readAt(0, new Uint8Array(request.buffer));
    const layout = LAYOUTS.get(length < HEAD_BYTES ? -1 : request.getUint16(0, true));
    const answer = new DataView(new ArrayBuffer(layout?.response ?? HEAD_BYTES));
    const status = this.#check(layout, length, chain.writableLength);
    const isDone = layout !== undefined && status === RtcStatus.OK;
    if (isDone) this.#execute(layout, answer);
    else this.#counters.refused++;
    answer.setUint8(0, status);
    const bytes = new Uint8Array(answer.buffer, 0, isDone ? answer.byteLength : HEAD_BYTES);
    return chain.writeAt(0, bytes);
  }

  /** What is wrong with a request of `length` bytes, for whose answer there is `room`. */
  #check(layout: Layout | undefined, length: number, room: number): number {
    const request = this.#request;
    if (length < HEAD_BYTES) return RtcStatus.EINVAL;
    if (layout === undefined || (layout.isAlarm && !this.#hasAlarms)) return RtcStatus.EOPNOTSUPP;
    if (length < layout.request || room < layout.response) return RtcStatus.EINVAL;
    const { clock, counter, flags, end } = layout;
    if (clock !== undefined && request.getUint16(clock, true) >= this.#clocks.length) {
      return RtcStatus.ENODEV;
    }
    if (request.getUint16(0, true) === RtcMessage.READ_CROSS) return RtcStatus.EOPNOTSUPP;
    if (counter !== undefined && !COUNTERS.has(request.getUint8(counter))) {
      return RtcStatus.EOPNOTSUPP;
    }
    const hasFlags =
      flags !== undefined && (request.getUint8(flags) & ~RtcFlag.ALARM_ENABLED) !== 0;
    const isClean = this.#isZero(2, HEAD_BYTES) && this.#isZero(end, layout.request);
    return hasFlags || !isClean ? RtcStatus.EINVAL : RtcStatus.OK;
  }

  #isZero(from: number, to: number): boolean {
    for (let at = from; at < to; at++) if (this.#request.getUint8(at) !== 0) return false;
    return true;
  }

  /** A request without a flaw. */
  #execute({ clock: place, flags }: Layout, answer: DataView): void {
    const request = this.#request;
    // CFG, which is about all of them.
    if (place === undefined) {
      answer.setUint16(8, this.#clocks.length, true);
      return;
    }
    const id = request.getUint16(place, true);
    const isEnabled =
      flags !== undefined && (request.getUint8(flags) & RtcFlag.ALARM_ENABLED) !== 0;
    const [clock, alarm] = [this.#clocks[id], this.#alarms[id]];
    switch (request.getUint16(0, true)) {
      case RtcMessage.READ:
        answer.setBigUint64(8, clock.now(), true);
        break;
      case RtcMessage.CLOCK_CAP:
        answer.setUint8(8, clock.type);
        answer.setUint8(10, this.#hasAlarms ? RtcFlag.ALARM_CAP : 0);
        break;
      case RtcMessage.READ_ALARM:
        answer.setBigUint64(8, alarm.time, true);
        answer.setUint8(16, alarm.isEnabled ? RtcFlag.ALARM_ENABLED : 0);
        break;
      case RtcMessage.SET_ALARM:
        this.#setAlarm(alarm, request.getBigUint64(8, true), isEnabled);
        break;
      case RtcMessage.SET_ALARM_ENABLED:
        this.#setAlarm(alarm, alarm.time, isEnabled);
        break;
    }
  }

  #setAlarm(alarm: Alarm, time: bigint, isEnabled: boolean): void {
    alarm.time = time;
    alarm.isEnabled = isEnabled;
    // One that is not in the future expires at once (5.23.6.4).
    alarm.isAhead = true;
    alarm.isDue = false;
    this.#look();
  }

  /** Finds alarms that have expired, and comes back for the others. */
  #look(): void {
    this.#cancel();
    let waitMs = Number.POSITIVE_INFINITY;
    for (const [id, alarm] of this.#alarms.entries()) {
      if (!alarm.isEnabled) continue;
      const left = alarm.time - this.#clocks[id].now();
      if (left > 0n) {
        alarm.isAhead = true;
        waitMs = Math.min(waitMs, Number((left + NS_PER_MS - 1n) / NS_PER_MS));
      } else if (alarm.isAhead) {
        alarm.isAhead = false;
        alarm.isDue = true;
        this.#counters.expirations++;
      }
      // A clock that can be set may be before its alarm again.
      if (this.#clocks[id].type !== RtcClock.MONOTONIC) waitMs = Math.min(waitMs, RTC_LOOK_MS);
    }
    this.#cancel =
      waitMs === Number.POSITIVE_INFINITY
        ? () => {}
        : this.#host.sleep(Math.min(waitMs, RTC_LOOK_MS), () => this.#look());
    this.#tell();
  }

  /** Tells the driver of alarms that have expired, as far as it has buffers (5.23.6.4.2). */
  #tell(): void {
    const queue = this.#io?.queues[ALARM];
    if (queue === undefined || !this.#alarms.some(({ isDue }) => isDue)) return;
    drain(queue, (chain) => {
      const id = this.#alarms.findIndex(({ isDue }) => isDue);
      const fits = chain.writableLength >= NOTIFICATION_BYTES;
      if (fits) {
        const message = new DataView(new ArrayBuffer(NOTIFICATION_BYTES));
        message.setUint16(0, RtcNotification.ALARM, true);
        message.setUint16(8, id, true);
        chain.writeAt(0, new Uint8Array(message.buffer));
        this.#alarms[id].isDue = false;
      }
      queue.push(chain, fits ? NOTIFICATION_BYTES : 0);
      return this.#alarms.some(({ isDue }) => isDue);
    });
  }
}
