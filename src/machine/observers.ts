/** Who watches a machine: usually nobody, which then costs a comparison for each event. */

import type { IrqObserver } from "../irq/observer.ts";
import type { DescriptorChain } from "../virtio/chain.ts";
import type { RequestSource, VirtioObserver } from "../virtio/observer.ts";

export interface MachineObserver extends VirtioObserver, IrqObserver {}

/** Tells several observers, in the order in which they came. */
class Everyone implements MachineObserver {
  readonly #all: readonly MachineObserver[];

  constructor(all: readonly MachineObserver[]) {
    this.#all = all;
  }

  kicked(source: RequestSource, queue: number): void {
    for (const one of this.#all) one.kicked(source, queue);
  }

  popped(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    flaw: string | undefined,
  ): void {
    for (const one of this.#all) one.popped(source, queue, features, chain, flaw);
  }

  pushed(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    bytesWritten: number,
  ): void {
    for (const one of this.#all) one.pushed(source, queue, features, chain, bytesWritten);
  }

  published(source: RequestSource, queue: number, isNotified: boolean): void {
    for (const one of this.#all) one.published(source, queue, isNotified);
  }

  stopped(source: RequestSource, queue: number): void {
    for (const one of this.#all) one.stopped(source, queue);
  }

  raised(source: RequestSource, cause: number): void {
    for (const one of this.#all) one.raised(source, cause);
  }

  statusChanged(source: RequestSource, status: number): void {
    for (const one of this.#all) one.statusChanged(source, status);
  }

  pulsed(intid: number): void {
    for (const one of this.#all) one.pulsed(intid);
  }

  claimed(target: number, intid: number): void {
    for (const one of this.#all) one.claimed(target, intid);
  }

  completed(target: number, intid: number): void {
    for (const one of this.#all) one.completed(target, intid);
  }
}

/** Those who watch; whenever they change, `apply` is given what to call for all of them. */
export class Observers {
  readonly #apply: (all: MachineObserver | undefined) => void;
  #all: readonly MachineObserver[] = [];

  constructor(apply: (all: MachineObserver | undefined) => void) {
    this.#apply = apply;
  }

  /** The returned function ends it. */
  add(observer: MachineObserver): () => void {
    this.#set([...this.#all, observer]);
    return () => this.#set(this.#all.filter((other) => other !== observer));
  }

  #set(all: readonly MachineObserver[]): void {
    this.#all = all;
    this.#apply(all.length > 1 ? new Everyone(all) : all[0]);
  }
}
