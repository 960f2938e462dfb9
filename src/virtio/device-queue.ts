/**
 * A virtqueue of either layout: which chains are in flight, what happens to malformed ones, and
 * when the driver is notified. The layouts are `split-ring.ts` and `packed-ring.ts`.
 *
 * A malformed chain is completed with length 0 and the device lives on; a malformed ring ends in
 * DEVICE_NEEDS_RESET, because there progress can no longer be defined.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";
import { type ChainOwner, DescriptorChain } from "./chain.ts";
import { DescriptorWalk } from "./descriptor-walk.ts";
import type { RequestSource, VirtioTap } from "./observer.ts";
import { createPackedRing } from "./packed-ring.ts";
import type {
  QueueAddresses,
  QueueCounters,
  QueueSnapshot,
  QueueState,
  Virtqueue,
} from "./queue.ts";
import { type Ring, Taken } from "./ring.ts";
import { bit, Feature } from "./spec.ts";
import { createSplitRing } from "./split-ring.ts";
import { Work, type WorkBudget } from "./work.ts";

/** What a queue needs around it. */
export interface QueueHost {
  readonly memory: GuestMemory;
  /** A used buffer notification that the driver wants. */
  notifyUsed(): void;
  readonly work: WorkBudget;
  readonly tap: VirtioTap;
  readonly source: RequestSource;
  /** Has the device look at queue `index` again in a later turn. */
  defer(index: number): void;
  /** The ring is broken: DEVICE_NEEDS_RESET. */
  fail(reason: string): void;
}

export class DeviceQueue implements Virtqueue, ChainOwner {
  readonly index: number;
  readonly memory: GuestMemory;
  generation = 0;
  readonly #host: QueueHost;
  readonly #walk: DescriptorWalk;
  #ring: Ring | undefined;
  #features = 0n;
  /** By id; no more than the ring has places, since every chain takes up at least one. */
  readonly #inFlight = new Map<number, DescriptorChain>();
  /** Places in the ring that the chains in flight take up. */
  #slotsInFlight = 0;
  /** Chains of a loaded state, handed out again before anything else. */
  #again: DescriptorChain[] = [];
  /** Places in the ring of what is staged. */
  #slotsStaged = 0;
  /** IN_ORDER: a chain that is given back waits for those that were taken before it (2.7.9). */
  #inOrder = false;
  /** The last chain taken was not whole: what is available waits for another kick. */
  #incomplete = false;
  /** The driver has just kicked, and nothing has been taken since. */
  #isKicked = false;
  /** There is more, but the guest has had its share of this turn. */
  #deferred = false;
  #lastMalformed: string | undefined;
  readonly #counters: QueueCounters = {
    kicks: 0,
    chains: 0,
    completed: 0,
    malformed: 0,
    notified: 0,
    suppressed: 0,
  };

  constructor(index: number, host: QueueHost) {
    this.index = index;
    this.memory = host.memory;
    this.#host = host;
    this.#walk = new DescriptorWalk(host.memory);
  }

  get size(): number {
    return this.#ring?.addresses.size ?? 0;
  }

  get ready(): boolean {
    return this.#ring !== undefined;
  }

  /** Starts using the driver's areas from their beginning; returns why not if they are unusable. */
  enable(addresses: QueueAddresses, features: bigint): string | undefined {
    this.disable();
    const packed = (features & bit(Feature.RING_PACKED)) !== 0n;
    const create = packed ? createPackedRing : createSplitRing;
    const ring = create(this.memory, addresses, features);
    if (typeof ring === "string") return ring;
    this.#ring = ring;
    this.#features = features;
    this.#inOrder = (features & bit(Feature.IN_ORDER)) !== 0n;
    this.#walk.indirect = (features & bit(Feature.INDIRECT_DESC)) !== 0n;
    return undefined;
  }

  /** Never touches the areas again; every chain taken is dead. */
  disable(): void {
    this.generation++;
    for (const observer of this.#host.tap.ofRequests) {
      observer.stopped?.(this.#host.source, this.index);
    }
    this.#ring = undefined;
    this.#inFlight.clear();
    this.#slotsInFlight = 0;
    this.#again = [];
    this.#slotsStaged = 0;
    this.#incomplete = false;
    this.#deferred = false;
  }

  /** The driver wrote QueueNotify, of which `tell` tells the device. */
  kick(tell: () => void): void {
    this.#counters.kicks++;
    const { tap, source } = this.#host;
    for (const observer of tap.ofRequests) observer.kicked?.(source, this.index);
    this.#isKicked = true;
    tell();
    this.#isKicked = false;
  }

  pop(): DescriptorChain | undefined {
    if (this.#again.length > 0) return this.#takeAgain();
    const { work } = this.#host;
    this.#incomplete = false;
    this.#deferred = false;
    // One more malformed chain than the ring can hold means that the ring is rewriting itself.
    for (let malformed = 0; malformed <= this.size; malformed++) {
      const ring = this.#ring;
      if (ring === undefined || !ring.available()) return undefined;
      if (work.isSpent) {
        this.#deferred = true;
        this.#host.defer(this.index);
        return undefined;
      }
      const chain = new DescriptorChain(this);
      chain.position = ring.next;
      const taken = ring.take(chain, this.#walk);
      const bytes = chain.readableLength + chain.writableLength;
      work.spend(Work.CHAIN + Work.DESCRIPTOR * this.#walk.count + bytes);
      if (taken === Taken.INCOMPLETE) {
        this.#incomplete = true;
        return undefined;
      }
      if (taken === Taken.BROKEN) return this.#fail(ring.reason);
      if (!this.#admit(chain)) return undefined;
      const flaw = taken === Taken.WHOLE ? undefined : ring.reason;
      this.#tellTaken(chain, flaw);
      if (flaw === undefined) return chain;
      this.#counters.malformed++;
      this.#lastMalformed = flaw;
      this.push(chain, 0);
    }
    return this.#fail("more malformed chains than the queue has descriptors");
  }

  push(chain: DescriptorChain, bytesWritten: number): void {
    this.stage(chain, bytesWritten);
    this.publish();
  }

  stage(chain: DescriptorChain, bytesWritten: number): void {
    if (this.#ring === undefined || !chain.complete(bytesWritten)) return;
    const { tap, source } = this.#host;
    for (const observer of tap.ofRequests) {
      observer.pushed?.(source, this.index, this.#features, chain, bytesWritten);
    }
    if (!this.#inOrder) {
      this.#stageInRing(this.#ring, chain);
      return;
    }
    for (const first of this.#inFlight.values()) {
      if (first.result < 0) return;
      this.#stageInRing(this.#ring, first);
    }
  }

  publish(): void {
    if (this.#ring === undefined || this.#slotsStaged === 0) return;
    this.#slotsStaged = 0;
    const isNotified = this.#ring.publish();
    for (const observer of this.#host.tap.ofRequests) {
      observer.published?.(this.#host.source, this.index, isNotified);
    }
    if (isNotified) {
      this.#counters.notified++;
      this.#host.notifyUsed();
    } else {
      this.#counters.suppressed++;
    }
  }

  disableNotification(): void {
    this.#ring?.setKicks(false);
  }

  enableNotification(): boolean {
    const ring = this.#ring;
    if (ring === undefined) return false;
    ring.setKicks(true);
    return ring.available() && !this.#incomplete && !this.#deferred;
  }

  inspect(): QueueSnapshot {
    return {
      ...this.#counters,
      index: this.index,
      layout: this.#ring?.layout,
      addresses: this.#ring?.addresses,
      next: this.#ring?.next ?? 0,
      used: this.#ring?.used ?? 0,
      inFlight: this.#inFlight.size,
      lastMalformed: this.#lastMalformed,
    };
  }

  /** What the device has at hand, oldest first. */
  get chainsInFlight(): Iterable<DescriptorChain> {
    return this.#inFlight.values();
  }

  /** Undefined while the queue is not ready. */
  save(): QueueState | undefined {
    const ring = this.#ring;
    if (ring === undefined) return undefined;
    this.publish();
    const inFlight = [...this.#inFlight.values()].map((chain) => chain.save());
    return { addresses: ring.addresses, next: ring.next, used: ring.used, inFlight };
  }

  /** As `enable`, from where a saved queue was. */
  load(state: QueueState, features: bigint): string | undefined {
    const refusal = this.enable(state.addresses, features);
    if (refusal !== undefined || this.#ring === undefined) return refusal;
    if (!this.#ring.restore(state.next, state.used)) {
      this.disable();
      return "its positions are impossible";
    }
    for (const saved of state.inFlight) {
      const chain = DescriptorChain.load(this, saved);
      if (chain === undefined || !this.#admit(chain)) {
        this.disable();
        return "a chain in flight is impossible";
      }
      if (saved.result === undefined) this.#again.push(chain);
      else chain.complete(saved.result);
    }
    return undefined;
  }

  #takeAgain(): DescriptorChain | undefined {
    const chain = this.#again.shift();
    if (chain !== undefined) this.#tellTaken(chain, undefined);
    return chain;
  }

  #tellTaken(chain: DescriptorChain, flaw: string | undefined): void {
    const { tap, source } = this.#host;
    for (const observer of tap.ofRequests) {
      observer.popped?.(source, this.index, this.#features, chain, flaw, this.#isKicked);
    }
    this.#isKicked = false;
  }

  #stageInRing(ring: Ring, chain: DescriptorChain): void {
    // No more can be staged than the ring has places, however much goes through it in one turn.
    if (this.#slotsStaged + chain.slots > this.size) this.publish();
    this.#inFlight.delete(chain.id);
    this.#slotsInFlight -= chain.slots;
    ring.stage(chain, chain.result);
    this.#counters.completed++;
    this.#slotsStaged += chain.slots;
  }

  /** Counts a chain as in flight; false if that cannot be, and then the ring is broken. */
  #admit(chain: DescriptorChain): boolean {
    if (this.#inFlight.has(chain.id)) {
      this.#fail(`chain ${chain.id} was made available while in flight`);
      return false;
    }
    if (this.#slotsInFlight + chain.slots > this.size) {
      this.#fail(`more than ${this.size} descriptors are in flight`);
      return false;
    }
    this.#inFlight.set(chain.id, chain);
    this.#slotsInFlight += chain.slots;
    this.#counters.chains++;
    return true;
  }

  #fail(reason: string): undefined {
    this.#host.fail(`queue ${this.index}: ${reason}`);
  }
}
