/** Makes scenarios, and others from them. */
import { Register } from "../src/virtio/spec.ts";
import { STEP_KINDS, type Step, StepKind } from "../src/virtio/testing/scenario.ts";

/** A longer one reaches nothing that two shorter ones do not. */
const STEPS_MAX = 48;

const INTERESTING = [
  0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 17, 20, 24, 44, 63, 64, 127, 128, 255, 256, 512, 4095, 4096,
  0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

/** Weights of new steps: requests reach most, registers least. */
const KINDS = [
  ...new Array<number>(6).fill(StepKind.REQUEST),
  ...new Array<number>(4).fill(StepKind.CHAIN),
  ...new Array<number>(3).fill(StepKind.STIR),
  ...Object.values(StepKind),
];

export class Mutator {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer from 0 to below `limit`; the generator is Mulberry32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  /** A new scenario, or a changed one of `corpus`. */
  next(corpus: readonly (readonly Step[])[]): Step[] {
    const steps =
      corpus.length === 0 || this.below(20) === 0 ? [this.#step()] : [...this.pick(corpus)];
    for (let changes = 1 + this.below(6); changes > 0; changes--) this.#change(steps, corpus);
    return steps.slice(0, STEPS_MAX);
  }

  #change(steps: Step[], corpus: readonly (readonly Step[])[]): void {
    const at = this.below(steps.length + 1);
    switch (this.below(8)) {
      case 0:
      case 1:
        steps.splice(at, 0, this.#step());
        break;
      case 2:
        steps.splice(at, 1 + this.below(3));
        break;
      case 3: {
        const other = corpus.length === 0 ? [] : this.pick(corpus);
        const from = this.below(other.length + 1);
        steps.splice(at, 0, ...other.slice(from, from + 1 + this.below(8)));
        break;
      }
      case 4:
        if (at < steps.length) steps.splice(at, 0, steps[at]);
        break;
      default:
        if (at < steps.length) steps[at] = this.#tweak(steps[at]);
    }
  }

  #tweak(step: Step): Step {
    const at = 1 + this.below(step.length + 1);
    const numbers = [...step];
    while (numbers.length <= at) numbers.push(0);
    numbers[at] = this.#near(numbers[at]);
    return numbers;
  }

  #near(value: number): number {
    switch (this.below(4)) {
      case 0:
        return this.pick(INTERESTING);
      case 1:
        return (value ^ (1 << this.below(32))) >>> 0;
      case 2:
        return (value + this.below(33) - 16) >>> 0;
      default:
        return this.below(256);
    }
  }

  #word(): number {
    return this.below(4) === 0 ? this.below(2 ** 32) : this.pick(INTERESTING);
  }

  #step(): Step {
    const kind = this.pick(KINDS) % STEP_KINDS;
    const queue = this.below(9);
    switch (kind) {
      case StepKind.CHAIN: {
        const part = () => [this.below(0x1_8000), this.#word(), this.pick([0, 0, 2, 2, 2, 4, 7])];
        const parts = Array.from({ length: 1 + this.below(4) }, part);
        return [kind, queue, this.below(32), ...parts.flat()];
      }
      case StepKind.REQUEST: {
        const change = this.below(3) === 0 ? this.#word() : 0;
        const edits = Array.from({ length: 2 * this.below(4) }, () => this.below(256));
        return [kind, this.below(32), this.below(32) | 2, change, ...edits];
      }
      case StepKind.WRITE:
        return [kind, this.#register(), this.below(3), this.#word()];
      case StepKind.READ:
        return [kind, this.#register(), this.below(3)];
      case StepKind.RESTART: {
        const bits = () => (1 << this.below(32)) >>> 0;
        return [kind, bits(), this.below(2) === 0 ? bits() : 0, 0, this.below(20)];
      }
      default:
        return [kind, queue, this.#word(), this.#word()];
    }
  }

  #register(): number {
    const isConfig = this.below(3) === 0;
    return isConfig ? Register.Config + this.below(64) : this.pick(Object.values(Register));
  }
}
