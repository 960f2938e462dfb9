/**
 * Watches a machine and records its requests. It looks only: the guest's memory is read and never
 * written, and whatever a guest does, what is kept stays within fixed bounds.
 */
import { SPI_BASE } from "../../irq/distributor.ts";
import type { MachineObserver } from "../../machine/observers.ts";
import type { DescriptorChain } from "../../virtio/chain.ts";
import type { RequestSource } from "../../virtio/observer.ts";
import { Lease, type Observe } from "../lease.ts";
import type { Sleep } from "../subject.ts";
import { Allowance } from "./allowance.ts";
import { Digest } from "./digest.ts";
import { EventKind, Journal } from "./journal.ts";
import { Outcome, RequestLog } from "./request-log.ts";
import { Samples } from "./samples.ts";
import { Tracked, type TrackedQueue } from "./tracked.ts";

/** Who is recorded, and by which clock. */
export interface Recorded {
  readonly observe: Observe;
  /** Microseconds from any origin. */
  nowUs(): number;
  /** Milliseconds since 1970. */
  wallClockMs(): number;
  readonly sleep: Sleep;
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

export class Recorder implements MachineObserver {
  readonly samples: Samples;
  /** Devices that were seen, those too that are gone; a request names them by their index. */
  readonly sources: RequestSource[] = [];
  readonly events: DeviceEvent[] = [];
  /** When the record began by the host's calendar, in ms since 1970. */
  readonly startedAtMs: number;
  readonly #recorded: Recorded;
  readonly #originUs: number;
  readonly #log: RequestLog;
  readonly #journal = new Journal();
  readonly #digest: Digest;
  readonly #bySlot: (Tracked | undefined)[] = [];
  readonly #flaws = new Map<number, string>();
  readonly #lease: Lease;
  readonly #allowance = new Allowance();
  /** It was stopped because nobody looked. */
  #isResting = false;
  /** Ends the wait for more to be allowed; undefined while there is none. */
  #endPause: (() => void) | undefined;
  /** Of the next request; the log has it too when the journal has been read. */
  #nextSeq = 0;
  /** When the last chain was given back. */
  #pushedAt = 0;
  /** Whose queue was published last while the driver wanted to know, and the journal's end then; or none. */
  #notifying = NONE;
  #notifiedAt = NONE;
  /** The queue that an event was of last. */
  #last: TrackedQueue | undefined;

  constructor(recorded: Recorded, log = new RequestLog(), samples = new Samples()) {
    this.#recorded = recorded;
    this.#lease = new Lease(recorded.observe, this, LEASE_US);
    this.#originUs = recorded.nowUs();
    this.startedAtMs = recorded.wallClockMs();
    this.#log = log;
    this.#digest = new Digest(this.#journal, log, this.#bySlot);
    this.samples = samples;
  }

  /** All that has happened until now. */
  get log(): RequestLog {
    if (this.#journal.end > 0) this.#flush();
    return this.#log;
  }

  get isRecording(): boolean {
    return this.#lease.isHeld || this.#endPause !== undefined;
  }

  /** µs since the record's beginning. */
  now(): number {
    return this.#recorded.nowUs() - this.#originUs;
  }

  start(): void {
    this.#isResting = false;
    const now = this.now();
    this.#endPause?.();
    this.#allowance.look(now);
    this.#lease.renew(now);
  }

  stop(): void {
    this.#isResting = false;
    this.#endPause?.();
    this.#lease.end();
    for (const tracked of this.#bySlot) {
      if (tracked === undefined) continue;
      tracked.queues.forEach((_, queue) => {
        this.#settle(tracked, queue, Outcome.UNSEEN);
      });
    }
    this.#bySlot.length = 0;
    this.#last = undefined;
  }

  clear(): void {
    this.log.clear();
    this.events.length = 0;
    this.#flaws.clear();
  }

  /** Nobody looks any more: it is stopped until somebody does. */
  rest(): void {
    if (!this.isRecording) return;
    this.stop();
    this.#isResting = true;
  }

  /** Somebody looks: the record goes on, for another while. */
  touch(): void {
    if (this.isRecording || this.#isResting) this.start();
  }

  /** Why a request is malformed, if that is still known. */
  flaw(seq: number): string | undefined {
    return this.#flaws.get(seq);
  }

  kicked(source: RequestSource, queue: number): void {
    this.#queueOf(source, queue).kickedAt = this.now();
  }

  popped(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    flaw: string | undefined,
    isAtOnce: boolean,
  ): void {
    const now = isAtOnce ? this.#queueOf(source, queue).kickedAt : this.now();
    if (this.#lease.hasExpired(now)) {
      this.stop();
      return;
    }
    if (!this.#allowance.allows(now)) {
      this.#pause(now);
      return;
    }
    if (flaw === undefined) {
      this.#take(EventKind.POPPED, source, queue, features, chain, now);
    } else {
      this.#keepFlaw(this.#nextSeq, flaw);
      this.#take(EventKind.POPPED_MALFORMED, source, queue, features, chain, now);
    }
  }

  pushed(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    bytesWritten: number,
  ): void {
    const now = this.now();
    const { inFlight } = this.#queueOf(source, queue);
    let seq = inFlight[chain.id] ?? NONE;
    // What was taken before the record began is first seen now.
    if (seq === NONE) seq = this.#take(EventKind.FOUND, source, queue, features, chain, now);
    inFlight[chain.id] = NONE;
    this.#pushedAt = now;
    const { samples } = this;
    const length = samples.keepWritten(source.type, chain, bytesWritten);
    const kind = samples.hasFailed ? EventKind.PUSHED_FAILED : EventKind.PUSHED;
    this.#journal.addPush(kind, source.slot, queue, now, seq, bytesWritten, samples.at, length);
    if (this.#journal.isFull) this.#flush();
  }

  published(source: RequestSource, queue: number, isNotified: boolean): void {
    const kind = isNotified ? EventKind.NOTIFIED : EventKind.SUPPRESSED;
    // Devices publish as soon as they have pushed the last of several.
    this.#note(kind, source.slot, queue, this.#pushedAt);
    this.#notifying = isNotified ? source.slot : NONE;
    this.#notifiedAt = this.#journal.end;
  }

  stopped(source: RequestSource, queue: number): void {
    this.#settle(this.#track(source), queue, Outcome.DROPPED);
  }

  configChanged(source: RequestSource): void {
    this.#notifying = NONE;
    this.#keepEvent(source, "config");
  }

  statusChanged(source: RequestSource, status: number): void {
    this.#keepEvent(source, status);
  }

  pulsed(intid: number): void {
    const slot = this.#slotOf(intid);
    if (slot === NONE) return;
    // Right behind what it tells of, another look at the clock would say the same.
    if (this.#notifying === slot && this.#notifiedAt === this.#journal.end)
      this.#journal.addPulse();
    else this.#note(EventKind.PULSED, slot, 0, this.now());
    this.#notifying = NONE;
  }

  claimed(_target: number, intid: number): void {
    const slot = this.#slotOf(intid);
    if (slot !== NONE) this.#note(EventKind.CLAIMED, slot, 0, this.now());
  }

  completed(_target: number, intid: number): void {
    const slot = this.#slotOf(intid);
    if (slot !== NONE) this.#note(EventKind.COMPLETED, slot, 0, this.now());
  }

  /** Nobody looks and too much happens: requests are left out until others are allowed. */
  #pause(now: number): void {
    this.stop();
    this.#digest.seqAfterGap = this.#nextSeq;
    // A timer, as there is nobody then who would look at the clock whenever something is asked.
    const cancel = this.#recorded.sleep((this.#allowance.renewedAt - now) / 1000, () => {
      this.#endPause?.();
      this.#lease.resume();
    });
    const end = this.#recorded.observe({
      configChanged: (source) => this.#keepEvent(source, "config"),
      statusChanged: (source, status) => this.#keepEvent(source, status),
    });
    this.#endPause = () => {
      this.#endPause = undefined;
      cancel();
      end();
    };
  }

  #flush(): void {
    this.#digest.run();
    this.#notifying = NONE;
  }

  #note(kind: EventKind, slot: number, queue: number, time: number): void {
    this.#journal.add(kind, slot, queue, time);
    if (this.#journal.isFull) this.#flush();
  }

  /** Its number as a request. */
  #take(
    kind: EventKind,
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    time: number,
  ): number {
    const tracked = this.#queueOf(source, queue);
    tracked.features ??= features;
    const seq = this.#nextSeq++;
    tracked.inFlight[chain.id] = seq;
    const { samples } = this;
    const { kickedAt } = tracked;
    const length = samples.keepReadable(source.type, chain);
    this.#journal.addPop(kind, source.slot, queue, time, kickedAt, chain, samples.at, length);
    if (this.#journal.isFull) this.#flush();
    return seq;
  }

  /** What the queue has in flight never comes back, or will not be seen to. */
  #settle(tracked: Tracked, index: number, outcome: Outcome): void {
    const { log } = this;
    const queue = tracked.queue(index);
    queue.inFlight.forEach((seq) => {
      if (seq === NONE) return;
      if (log.outcome(seq) === Outcome.IN_FLIGHT) log.setOutcome(seq, outcome);
    });
    queue.inFlight.length = 0;
    queue.pushed.clear();
    queue.features = undefined;
  }

  #queueOf(source: RequestSource, index: number): TrackedQueue {
    const last = this.#last;
    if (last?.source === source && last.index === index) return last;
    this.#last = this.#track(source).queue(index);
    return this.#last;
  }

  #track(source: RequestSource): Tracked {
    const known = this.#bySlot[source.slot];
    if (known?.source === source) return known;
    if (this.#journal.end > 0) this.#flush();
    let index = this.sources.indexOf(source);
    if (index < 0) index = this.sources.push(source) - 1;
    const tracked = new Tracked(source, index);
    this.#bySlot[source.slot] = tracked;
    this.#last = undefined;
    return tracked;
  }

  /** Of a device that is recorded, by its interrupt; or none. */
  #slotOf(intid: number): number {
    const slot = intid - SPI_BASE - this.#recorded.firstSpi;
    if (slot < 0 || slot >= this.#bySlot.length) return NONE;
    return this.#bySlot[slot] === undefined ? NONE : slot;
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
