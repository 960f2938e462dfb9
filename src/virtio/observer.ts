/**
 * Who is told what becomes of requests, in the order in which it happens. Observers look only: what
 * they do must not reach the guest, and they throw nothing. They are told of what they have a method for.
 */
import type { DescriptorChain } from "./chain.ts";

/** The transport that an event is of; the same object for as long as the device is attached. */
export interface RequestSource {
  readonly slot: number;
  /** Device ID of the virtio specification, chapter 5. */
  readonly type: number;
  /** Of the device, such as `blk0`. */
  readonly name: string;
}

export interface VirtioObserver {
  /** The driver wrote QueueNotify of a queue that is ready. */
  kicked?(source: RequestSource, queue: number): void;
  /**
   * A chain was taken. `flaw` is why it is malformed; the queue then gives it back by itself. `isAtOnce` says that
   * nothing has come between the kick and this.
   */
  popped?(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    flaw: string | undefined,
    isAtOnce: boolean,
  ): void;
  /** The device gave a chain back; the driver sees it only when it is published. */
  pushed?(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    bytesWritten: number,
  ): void;
  /** All that was pushed is in the used ring; `isNotified` is false if the driver wants no interrupt. */
  published?(source: RequestSource, queue: number, isNotified: boolean): void;
  /** No chain of the queue that is in flight will come back. */
  stopped?(source: RequestSource, queue: number): void;
  /** The driver is told next that the configuration changed (2.5). */
  configChanged?(source: RequestSource): void;
  /** The device status register changed (2.1); 0 is a reset. */
  statusChanged?(source: RequestSource, status: number): void;
}

/** Which of the events are of requests: all are named, so that none can be forgotten. */
const IS_OF_REQUESTS: Readonly<Record<keyof VirtioObserver, boolean>> = {
  kicked: true,
  popped: true,
  pushed: true,
  published: true,
  stopped: true,
  configChanged: false,
  statusChanged: false,
};
const EVENTS = Object.keys(IS_OF_REQUESTS) as (keyof VirtioObserver)[];
const OF_REQUESTS = EVENTS.filter((event) => IS_OF_REQUESTS[event]);

/** Where the transports of a machine look for observers, usually in vain. */
export class VirtioTap {
  /** Those who are told of requests: for each, nobody else is even asked. */
  ofRequests!: readonly VirtioObserver[];
  #observers!: readonly VirtioObserver[];

  constructor(observers: readonly VirtioObserver[] = []) {
    this.observers = observers;
  }

  get observers(): readonly VirtioObserver[] {
    return this.#observers;
  }

  set observers(observers) {
    this.#observers = observers;
    this.ofRequests = observers.filter((one) => OF_REQUESTS.some((event) => one[event]));
  }
}
