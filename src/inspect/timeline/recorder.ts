/**
 * Watches a machine and records its requests. It looks only: the guest's memory is read and never
 * written, and whatever a guest does, what is kept stays within fixed bounds.
 */
import { SPI_BASE } from "../../irq/distributor.ts";
import type { MachineObserver } from "../../machine/observers.ts";
import type { DescriptorChain } from "../../virtio/chain.ts";
import type { RequestSource } from "../../virtio/observer.ts";
import { InterruptBit } from "../../virtio/spec.ts";
import { Lease, type Observe } from "../lease.ts";
import { Mark, Moment, Outcome, RequestLog } from "./request-log.ts";
import { Samples } from "./samples.ts";
import { Waiting } from "./waiting.ts";

/** Who is recorded, and by which clock. */
export interface Recorded {
  readonly observe: Observe;
  /** Microseconds from any origin. */
  nowUs(): number;
  /** Milliseconds since 1970. */
  wallClockMs(): number;
  /** SPI of slot 0; the others follow. */
  readonly firstSpi: number;
}

/** How long a record goes on when nobody has looked at it, in µs: the inspector is closed. */
export const LEASE_US = 5 * 60_000_000;

/** Changes of a device's status or configuration that are kept: a driver makes ten when it starts. */
const MAX_EVENTS = 4096;

/** Reasons of malformed chains that are kept, the newest. */
const MAX_FLAWS = 1024;

/** Something that happened to a device and not to one of its requests. */
export interface DeviceEvent {
  /** µs since the record's beginning. */
  readonly at: number;
  readonly source: RequestSource;
  /** The new value of the status register, or "config" for a configuration change interrupt. */
  readonly what: number | "config";
}

const NONE = -1;

/** A queue, and its requests on their way to the used ring. */
class TrackedQueue {
  kickedAt = Number.NaN;
  /**
   * By the chain's id, of which there are 2^16 at most: no two of a queue that are in flight have the same.
   * -1 is none.
   */
  readonly inFlight: number[] = [];
  readonly pushed = new Waiting();
}

/** A device, and its requests on their way to an interrupt. */
class Tracked {
  readonly source: RequestSource;
  /** In the recorder's list. */
  readonly index: number;
  readonly queues: TrackedQueue[] = [];
  /** In the used ring, until the driver claims the interrupt; those are reached for which the line rose. */
  notified = new Waiting();
  claimed = new Waiting();

  constructor(source: RequestSource, index: number) {
    this.source = source;
    this.index = index;
  }

  queue(index: number): TrackedQueue {
    this.queues[index] ??= new TrackedQueue();
    return this.queues[index];
  }
}

export class Recorder implements MachineObserver {
  readonly log: RequestLog;
  readonly samples: Samples;
  /** Devices that were seen, those too that are gone; a request names them by their index. */
  readonly sources: RequestSource[] = [];
  readonly events: DeviceEvent[] = [];
  /** When the record began by the host's calendar, in ms since 1970. */
  readonly startedAtMs: number;
  readonly #recorded: Recorded;
  readonly #originUs: number;
  readonly #bySlot: (Tracked | undefined)[] = [];
  readonly #flaws = new Map<number, string>();
  readonly #lease: Lease;
  /** When the last chain was given back. */
  #pushedAt = 0;

  constructor(recorded: Recorded, log = new RequestLog(), samples = new Samples(log)) {
    this.#recorded = recorded;
    this.#lease = new Lease(recorded.observe, this, LEASE_US);
    this.#originUs = recorded.nowUs();
    this.startedAtMs = recorded.wallClockMs();
    this.log = log;
    this.samples = samples;
  }

  get isRecording(): boolean {
    return this.#lease.isHeld;
  }

  /** µs since the record's beginning. */
  now(): number {
    return this.#recorded.nowUs() - this.#originUs;
  }

  start(): void {
    this.#lease.renew(this.now());
  }

  stop(): void {
    this.#lease.end();
    for (const tracked of this.#bySlot) {
      for (const queue of tracked?.queues ?? []) this.#settle(queue, Outcome.UNSEEN);
    }
    this.#bySlot.length = 0;
  }

  clear(): void {
    this.log.clear();
    this.events.length = 0;
    this.#flaws.clear();
  }

  /** Somebody looks: the record goes on for another while. */
  touch(): void {
    if (this.isRecording) this.#lease.renew(this.now());
  }

  /** Why a request is malformed, if that is still known. */
  flaw(seq: number): string | undefined {
    return this.#flaws.get(seq);
  }

  kicked(source: RequestSource, queue: number): void {
    this.#track(source).queue(queue).kickedAt = this.now();
  }

  popped(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    flaw: string | undefined,
  ): void {
    const now = this.now();
    if (this.#lease.hasExpired(now)) {
      this.stop();
      return;
    }
    const outcome = flaw === undefined ? Outcome.IN_FLIGHT : Outcome.MALFORMED;
    const tracked = this.#track(source);
    const seq = this.#add(tracked, queue, features, chain, outcome);
    this.log.setTime(seq, Moment.POP, now);
    this.log.setTime(seq, Moment.KICK, tracked.queue(queue).kickedAt);
    if (flaw !== undefined) this.#keepFlaw(seq, flaw);
  }

  pushed(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    bytesWritten: number,
  ): void {
    // What was taken before the record began is first seen now.
    const tracked = this.#track(source);
    const { inFlight, pushed } = tracked.queue(queue);
    let seq = inFlight[chain.id] ?? NONE;
    if (seq === NONE) seq = this.#add(tracked, queue, features, chain, Outcome.IN_FLIGHT);
    inFlight[chain.id] = NONE;
    if (!this.log.has(seq)) return;
    this.#pushedAt = this.now();
    this.log.setTime(seq, Moment.PUSH, this.#pushedAt);
    this.log.setWritten(seq, bytesWritten);
    const hasFailed = this.samples.keepWritten(seq, source.type, chain, bytesWritten);
    if (this.log.outcome(seq) === Outcome.IN_FLIGHT) {
      this.log.setOutcome(seq, Outcome.DONE);
      if (hasFailed) this.log.mark(seq, Mark.FAILED);
    }
    pushed.add(seq);
  }

  published(source: RequestSource, queue: number, isNotified: boolean): void {
    const tracked = this.#track(source);
    const { pushed } = tracked.queue(queue);
    // Devices publish as soon as they have pushed the last of several.
    this.#setTimes(pushed, 0, Moment.USED, this.#pushedAt);
    if (isNotified) pushed.moveTo(tracked.notified);
    for (let i = 0; i < pushed.length; i++) this.log.mark(pushed.at(i), Mark.SUPPRESSED);
    pushed.clear();
  }

  stopped(source: RequestSource, queue: number): void {
    this.#settle(this.#track(source).queue(queue), Outcome.DROPPED);
  }

  raised(source: RequestSource, cause: number): void {
    if (cause === InterruptBit.CONFIG_CHANGE) this.#keepEvent(source, "config");
  }

  statusChanged(source: RequestSource, status: number): void {
    this.#keepEvent(source, status);
  }

  pulsed(intid: number): void {
    const tracked = this.#ofInterrupt(intid);
    if (tracked === undefined) return;
    const { notified } = tracked;
    if (notified.reached === notified.length) return;
    this.#setTimes(notified, notified.reached, Moment.PULSE, this.now());
    notified.reached = notified.length;
  }

  /** The driver looks at all that is in the used ring, also at what a line that was high tells of. */
  claimed(_target: number, intid: number): void {
    const tracked = this.#ofInterrupt(intid);
    if (tracked === undefined) return;
    const { notified, claimed } = tracked;
    claimed.clear();
    tracked.claimed = notified;
    tracked.notified = claimed;
    if (notified.length > 0) this.#setTimes(notified, 0, Moment.CLAIM, this.now());
  }

  completed(_target: number, intid: number): void {
    const tracked = this.#ofInterrupt(intid);
    if (tracked === undefined || tracked.claimed.length === 0) return;
    this.#setTimes(tracked.claimed, 0, Moment.COMPLETE, this.now());
    tracked.claimed.clear();
  }

  #add(
    tracked: Tracked,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    outcome: Outcome,
  ): number {
    const seq = this.log.add(tracked.index, queue, features, chain, outcome);
    this.samples.keepReadable(seq, tracked.source.type, chain);
    tracked.queue(queue).inFlight[chain.id] = seq;
    return seq;
  }

  #setTimes(requests: Waiting, from: number, moment: Moment, now: number): void {
    for (let i = from; i < requests.length; i++) this.log.setTime(requests.at(i), moment, now);
  }

  /** What the queue has in flight never comes back, or will not be seen to. */
  #settle({ inFlight, pushed }: TrackedQueue, outcome: Outcome): void {
    inFlight.forEach((seq) => {
      if (seq === NONE) return;
      if (this.log.outcome(seq) === Outcome.IN_FLIGHT) this.log.setOutcome(seq, outcome);
    });
    inFlight.length = 0;
    pushed.clear();
  }

  #track(source: RequestSource): Tracked {
    const known = this.#bySlot[source.slot];
    if (known?.source === source) return known;
    let index = this.sources.indexOf(source);
    if (index < 0) index = this.sources.push(source) - 1;
    const tracked = new Tracked(source, index);
    this.#bySlot[source.slot] = tracked;
    return tracked;
  }

  #ofInterrupt(intid: number): Tracked | undefined {
    return this.#bySlot[intid - SPI_BASE - this.#recorded.firstSpi];
  }

  #keepEvent(source: RequestSource, what: number | "config"): void {
    this.events.push({ at: this.now(), source, what });
    if (this.events.length > MAX_EVENTS) this.events.shift();
  }

  #keepFlaw(seq: number, flaw: string): void {
    this.#flaws.set(seq, flaw);
    if (this.#flaws.size <= MAX_FLAWS) return;
    for (const oldest of this.#flaws.keys()) {
      this.#flaws.delete(oldest);
      return;
    }
  }
}
