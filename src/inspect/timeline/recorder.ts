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
import { hasFailed } from "./failure.ts";
import { Mark, Moment, Outcome, RequestLog } from "./request-log.ts";
import { Samples } from "./samples.ts";

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

/**
 * Requests of a device that wait for the driver to take their interrupt. An honest driver takes it for
 * all of a ring at once; more wait only for one that has masked the interrupt and polls.
 */
const MAX_WAITING = 4096;

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

/** A device, and its requests on their way to an interrupt. */
interface Tracked {
  readonly index: number;
  readonly source: RequestSource;
  /** By queue. */
  readonly kicks: number[];
  readonly pushed: number[][];
  /** In the used ring, with an interrupt to come. */
  notified: number[];
  pulsed: number[];
  claimed: number[];
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
  readonly #tracked = new Map<RequestSource, Tracked>();
  readonly #bySlot: (Tracked | undefined)[] = [];
  readonly #inFlight = new Map<DescriptorChain, number>();
  readonly #flaws = new Map<number, string>();
  readonly #lease: Lease;

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
    for (const seq of this.#inFlight.values()) this.log.setOutcome(seq, Outcome.UNSEEN);
    this.#inFlight.clear();
    this.#tracked.clear();
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
    this.#track(source).kicks[queue] = this.now();
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
    this.log.setTime(seq, Moment.KICK, tracked.kicks[queue] ?? Number.NaN);
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
    const seq =
      this.#inFlight.get(chain) ?? this.#add(tracked, queue, features, chain, Outcome.IN_FLIGHT);
    this.#inFlight.delete(chain);
    if (!this.log.has(seq)) return;
    this.log.setTime(seq, Moment.PUSH, this.now());
    this.log.setWritten(seq, bytesWritten);
    const sample = this.samples.keepWritten(seq, source.type, chain, bytesWritten);
    if (this.log.outcome(seq) === Outcome.IN_FLIGHT) {
      this.log.setOutcome(seq, Outcome.DONE);
      if (hasFailed(source.type, sample)) this.log.mark(seq, Mark.FAILED);
    }
    tracked.pushed[queue] ??= [];
    keep(tracked.pushed[queue], [seq]);
  }

  published(source: RequestSource, queue: number, isNotified: boolean): void {
    const tracked = this.#track(source);
    const now = this.now();
    const seqs = tracked.pushed[queue] ?? [];
    tracked.pushed[queue] = [];
    for (const seq of seqs) {
      this.log.setTime(seq, Moment.USED, now);
      if (!isNotified) this.log.mark(seq, Mark.SUPPRESSED);
    }
    if (isNotified) keep(tracked.notified, seqs);
  }

  stopped(source: RequestSource, queue: number): void {
    const { index, pushed } = this.#track(source);
    pushed[queue] = [];
    for (const [chain, seq] of this.#inFlight) {
      const isOf = this.log.source(seq) === index && this.log.queue(seq) === queue;
      // Of a request that had to make room nothing is known any more, nor will it matter.
      if (this.log.has(seq) && !isOf) continue;
      this.#inFlight.delete(chain);
      if (this.log.outcome(seq) === Outcome.IN_FLIGHT) this.log.setOutcome(seq, Outcome.DROPPED);
    }
  }

  raised(source: RequestSource, cause: number): void {
    if (cause === InterruptBit.CONFIG_CHANGE) this.#keepEvent(source, "config");
  }

  statusChanged(source: RequestSource, status: number): void {
    this.#keepEvent(source, status);
  }

  pulsed(intid: number): void {
    const tracked = this.#ofInterrupt(intid);
    if (tracked === undefined || tracked.notified.length === 0) return;
    const now = this.now();
    for (const seq of tracked.notified) this.log.setTime(seq, Moment.PULSE, now);
    keep(tracked.pulsed, tracked.notified);
    tracked.notified = [];
  }

  /** The driver looks at all that is in the used ring, also at what a line that was high tells of. */
  claimed(_target: number, intid: number): void {
    const tracked = this.#ofInterrupt(intid);
    if (tracked === undefined) return;
    const seqs = [...tracked.pulsed, ...tracked.notified];
    tracked.pulsed = [];
    tracked.notified = [];
    const now = this.now();
    for (const seq of seqs) this.log.setTime(seq, Moment.CLAIM, now);
    tracked.claimed = seqs;
  }

  completed(_target: number, intid: number): void {
    const tracked = this.#ofInterrupt(intid);
    if (tracked === undefined) return;
    const now = this.now();
    for (const seq of tracked.claimed) this.log.setTime(seq, Moment.COMPLETE, now);
    tracked.claimed = [];
  }

  #add(
    { index: source, source: { type } }: Tracked,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    outcome: Outcome,
  ): number {
    const { id, readableLength, writableLength } = chain;
    const taken = { source, queue, chain: id, features, readableLength, writableLength, outcome };
    const seq = this.log.add(taken);
    this.samples.keepReadable(seq, type, chain);
    this.#inFlight.set(chain, seq);
    return seq;
  }

  #track(source: RequestSource): Tracked {
    const known = this.#tracked.get(source);
    if (known !== undefined) return known;
    let index = this.sources.indexOf(source);
    if (index < 0) index = this.sources.push(source) - 1;
    const waiting = { notified: [], pulsed: [], claimed: [] };
    const tracked: Tracked = { index, source, kicks: [], pushed: [], ...waiting };
    this.#tracked.set(source, tracked);
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

/** Appends, and forgets the oldest of too many: their interrupt will not be known. */
function keep(waiting: number[], seqs: readonly number[]): void {
  waiting.push(...seqs);
  if (waiting.length > MAX_WAITING) waiting.splice(0, waiting.length - MAX_WAITING);
}
