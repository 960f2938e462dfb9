/** Who watches a machine: usually nobody. */
import type { IrqObserver } from "../irq/observer.ts";
import type { VirtioObserver } from "../virtio/observer.ts";

export interface MachineObserver extends VirtioObserver, IrqObserver {}

/** Those who watch, in the order in which they came; `apply` is given them whenever they change. */
export class Observers {
  readonly #apply: (all: readonly MachineObserver[]) => void;
  #all: readonly MachineObserver[] = [];

  constructor(apply: (all: readonly MachineObserver[]) => void) {
    this.#apply = apply;
  }

  /** The returned function ends it. */
  add(observer: MachineObserver): () => void {
    this.#set([...this.#all, observer]);
    return () => this.#set(this.#all.filter((other) => other !== observer));
  }

  #set(all: readonly MachineObserver[]): void {
    this.#all = all;
    this.#apply(all);
  }
}
