/** Makes rows of what the journal says: which of its events are of the same request, and when what happened to it. */
import { EventKind, type Journal } from "./journal.ts";
import { Mark, Moment, Outcome, Part, type RequestLog } from "./request-log.ts";
import type { Tracked } from "./tracked.ts";
import type { Waiting } from "./waiting.ts";

export class Digest {
  /** Before this request others were not recorded. */
  seqAfterGap: number | undefined;
  readonly #journal: Journal;
  readonly #log: RequestLog;
  readonly #bySlot: readonly (Tracked | undefined)[];

  /** @param bySlot whose events are in the journal; it changes only while that is empty */
  constructor(journal: Journal, log: RequestLog, bySlot: readonly (Tracked | undefined)[]) {
    this.#journal = journal;
    this.#log = log;
    this.#bySlot = bySlot;
  }

  /** Reads all of the journal, and empties it. */
  run(): void {
    const journal = this.#journal;
    for (let event = 0; event < journal.end; event = journal.next(event)) {
      const tracked = this.#bySlot[journal.slot(event)];
      if (tracked !== undefined) this.#apply(event, tracked);
    }
    journal.clear();
  }

  #apply(event: number, tracked: Tracked): void {
    const time = this.#journal.time(event);
    switch (this.#journal.kind(event)) {
      case EventKind.POPPED:
        this.#pop(event, tracked, Outcome.IN_FLIGHT);
        break;
      case EventKind.POPPED_MALFORMED:
        this.#pop(event, tracked, Outcome.MALFORMED);
        break;
      case EventKind.FOUND:
        this.#add(event, tracked, Outcome.IN_FLIGHT);
        break;
      case EventKind.PUSHED:
        this.#push(event, tracked, false);
        break;
      case EventKind.PUSHED_FAILED:
        this.#push(event, tracked, true);
        break;
      case EventKind.NOTIFIED:
        this.#publish(tracked.queue(this.#journal.queue(event)).pushed, time, tracked.notified);
        break;
      case EventKind.NOTIFIED_PULSED:
        this.#publish(tracked.queue(this.#journal.queue(event)).pushed, time, tracked.notified);
        this.#pulse(tracked.notified, time);
        break;
      case EventKind.SUPPRESSED:
        this.#publish(tracked.queue(this.#journal.queue(event)).pushed, time);
        break;
      case EventKind.PULSED:
        this.#pulse(tracked.notified, time);
        break;
      case EventKind.CLAIMED:
        this.#claim(tracked, time);
        break;
      case EventKind.COMPLETED:
        this.#setTimes(tracked.claimed, Moment.COMPLETE, time);
        tracked.claimed.clear();
        break;
    }
  }

  #add(event: number, tracked: Tracked, outcome: Outcome): number {
    const journal = this.#journal;
    const queue = journal.queue(event);
    const seq = this.#log.add(
      tracked.index,
      queue,
      tracked.queue(queue).features ?? 0n,
      journal.chain(event),
      journal.readableLength(event),
      journal.writableLength(event),
      outcome,
    );
    if (seq === this.seqAfterGap) this.#log.mark(seq, Mark.AFTER_GAP);
    this.#setSample(event, seq, Part.READABLE);
    return seq;
  }

  #pop(event: number, tracked: Tracked, outcome: Outcome): void {
    const seq = this.#add(event, tracked, outcome);
    this.#log.setTime(seq, Moment.POP, this.#journal.time(event));
    this.#log.setTime(seq, Moment.KICK, this.#journal.kickedAt(event));
  }

  #push(event: number, tracked: Tracked, hasFailed: boolean): void {
    const log = this.#log;
    const seq = this.#journal.seq(event);
    if (!log.has(seq)) return;
    log.setTime(seq, Moment.PUSH, this.#journal.time(event));
    log.setWritten(seq, this.#journal.bytesWritten(event));
    this.#setSample(event, seq, Part.WRITTEN);
    if (log.outcome(seq) === Outcome.IN_FLIGHT) {
      log.setOutcome(seq, Outcome.DONE);
      if (hasFailed) log.mark(seq, Mark.FAILED);
    }
    tracked.queue(this.#journal.queue(event)).pushed.add(seq);
  }

  #setSample(event: number, seq: number, part: Part): void {
    const length = this.#journal.sampleLength(event);
    if (length > 0) this.#log.setSample(seq, part, this.#journal.sampleAt(event), length);
  }

  /** @param notified where those wait for whom there will be an interrupt */
  #publish(pushed: Waiting, time: number, notified?: Waiting): void {
    this.#setTimes(pushed, Moment.USED, time);
    if (notified !== undefined) pushed.moveTo(notified);
    for (let i = 0; i < pushed.length; i++) this.#log.mark(pushed.at(i), Mark.SUPPRESSED);
    pushed.clear();
  }

  #pulse(notified: Waiting, time: number): void {
    this.#setTimes(notified, Moment.PULSE, time, notified.reached);
    notified.reached = notified.length;
  }

  /** The driver looks at all that is in the used ring, also at what a line that was high tells of. */
  #claim(tracked: Tracked, time: number): void {
    const { notified, claimed } = tracked;
    claimed.clear();
    tracked.claimed = notified;
    tracked.notified = claimed;
    this.#setTimes(notified, Moment.CLAIM, time);
  }

  #setTimes(requests: Waiting, moment: Moment, time: number, from = 0): void {
    for (let i = from; i < requests.length; i++) this.#log.setTime(requests.at(i), moment, time);
  }
}
