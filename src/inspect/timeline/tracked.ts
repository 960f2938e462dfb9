/** What is known of the devices and queues that are recorded. */
import type { RequestSource } from "../../virtio/observer.ts";
import { Waiting } from "./waiting.ts";

/** A queue, and its requests on their way to the used ring. */
export class TrackedQueue {
  readonly source: RequestSource;
  readonly index: number;
  /** Those that the driver accepted; undefined until a chain was seen since the queue was set up. */
  features: bigint | undefined;
  /**
   * Requests by their chain's id, of which there are 2^16 at most: no two of a queue that are in flight have the
   * same. -1 is none.
   */
  readonly inFlight: number[] = [];
  kickedAt = Number.NaN;
  readonly pushed = new Waiting();

  constructor(source: RequestSource, index: number) {
    this.source = source;
    this.index = index;
  }
}

/** A device, and its requests on their way to an interrupt. */
export class Tracked {
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
    this.queues[index] ??= new TrackedQueue(this.source, index);
    return this.queues[index];
  }
}
