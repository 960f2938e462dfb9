/** A virtqueue as devices see it, whatever its layout (virtio 2.6 to 2.8). */
import type { ChainState, DescriptorChain } from "./chain.ts";

export interface Virtqueue {
  readonly index: number;
  /** Descriptors; 0 while the queue is not ready. */
  readonly size: number;
  /** Set up by the driver and not stopped since. */
  readonly ready: boolean;
  /** The next available chain, or undefined. Malformed chains are completed here, with length 0. */
  pop(): DescriptorChain | undefined;
  /**
   * Gives a chain back in any order, with the number of bytes written from the start of its
   * writable part, and notifies the driver unless it asked for quiet. A dead chain is ignored.
   */
  push(chain: DescriptorChain, bytesWritten: number): void;
  /** `push` in two steps: several staged chains become visible to the driver at once. */
  stage(chain: DescriptorChain, bytesWritten: number): void;
  publish(): void;
  /** Asks the driver not to kick while the device is looking anyway. */
  disableNotification(): void;
  /** Asks for kicks again; true if chains arrived meanwhile, which will not be kicked for. */
  enableNotification(): boolean;
  inspect(): QueueSnapshot;
}

/** Where the driver put a queue: guest physical addresses of its three areas (2.6). */
export interface QueueAddresses {
  readonly size: number;
  readonly desc: number;
  readonly driver: number;
  readonly device: number;
}

/** Structured-clonable state of a queue in use. Chains in flight are taken again after a load. */
export interface QueueState {
  readonly addresses: QueueAddresses;
  /** Positions as the layout counts them. */
  readonly next: number;
  readonly used: number;
  readonly inFlight: readonly ChainState[];
}

/** Since the device was attached. */
export interface QueueCounters {
  /** Kicks heeded. */
  kicks: number;
  /** Chains taken and given back, malformed ones included. */
  chains: number;
  completed: number;
  malformed: number;
  /** Used buffer notifications, which are interrupts: sent, and those that the driver did not want. */
  notified: number;
  suppressed: number;
}

export interface QueueSnapshot extends Readonly<QueueCounters> {
  readonly index: number;
  /** Undefined while the queue is not ready, as are the addresses. */
  readonly layout: "split" | "packed" | undefined;
  readonly addresses: QueueAddresses | undefined;
  /** Positions of the next chain to take and to give back, as the layout counts them. */
  readonly next: number;
  readonly used: number;
  readonly inFlight: number;
  /** Why the last malformed chain was. */
  readonly lastMalformed: string | undefined;
}

/**
 * Chains taken per `drain`, in multiples of the queue's size. An honest driver that runs between
 * the device's turns has one queue full available at most; more appear only when a request
 * overwrites the ring itself, and that must not keep the host busy for ever.
 */
const DRAIN_ROUNDS = 2;

/**
 * Hands every available chain to `take` until it answers false (the device is full and keeps
 * kicks off until it drains again) or none is left, and without losing a kick.
 */
export function drain(queue: Virtqueue, take: (chain: DescriptorChain) => boolean): void {
  queue.disableNotification();
  for (let budget = DRAIN_ROUNDS * queue.size; budget > 0; budget--) {
    const chain = queue.pop();
    if (chain !== undefined) {
      if (!take(chain)) return;
    } else if (!queue.enableNotification()) {
      return;
    }
  }
  queue.enableNotification();
}
