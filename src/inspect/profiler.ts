/**
 * A sampling profiler of the guest.
 *
 * A sample is due at a regular time, and is taken where the hart next transfers control: the machine
 * has its state exactly there. So a sample tells the function, and in a loop its head, not the very
 * instruction; a leaf that was translated into its caller counts as the caller. Time in which the guest
 * waits for an interrupt has no samples.
 */
import type { Clock } from "../machine/clock.ts";
import type { Machine } from "../machine/machine.ts";
import type { Sampler } from "../machine/machine-types.ts";
import { callStack, isReturn, KnownCode } from "./call-stack.ts";
import { translationState } from "./hart-state.ts";
import { hex } from "./hex.ts";
import { LinuxTasks } from "./linux-task.ts";
import { onePerMachine } from "./one-per-machine.ts";
import {
  type FrameKind,
  type PackedProfile,
  type ProfileFrame,
  ProfileTree,
  type TopFunction,
} from "./profile-tree.ts";
import type { Subject } from "./subject.ts";
import { type Symbols, symbolsOf } from "./symbols.ts";
import { VirtualMemory } from "./virtual-memory.ts";

/** Samples per second: a prime, so that they do not keep time with the guest's own timers. */
const SAMPLES_PER_S = 499;
const INTERVAL_MS = 1000 / SAMPLES_PER_S;

/** A sample is not later than the machine's look at the clock, unless the guest waited. */
const MAX_TURN_MS = 0.2;

/** Multiples of it are spread evenly over the interval from 0 to 1. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** A profile that nobody ends does so itself. */
const MAX_PROFILE_MS = 10 * 60_000;

const KERNEL_HALF = 1n << 63n;

export interface ProfileView {
  readonly isOn: boolean;
  readonly samples: number;
  /** While it was on; samples are `intervalMs` apart while the guest does something. */
  readonly elapsedMs: number;
  readonly intervalMs: number;
  /** What taking the samples took. */
  readonly costMs: number;
  /** There are more different stacks than are told apart. */
  readonly isFull: boolean;
  readonly tree: PackedProfile;
  readonly top: readonly TopFunction[];
}

class Profiler implements Sampler {
  dueMs = 0;
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #symbols: Symbols;
  readonly #tasks: LinuxTasks;
  readonly #knownCode = new KnownCode();
  readonly #tree = new ProfileTree();
  /** The guest has waited since the last sample. */
  #hasWaited = false;
  /** Of the next sample after a wait, as a part of the interval. */
  #phase = 0;
  #startedMs = 0;
  #elapsedMs = 0;
  #costMs = 0;

  constructor(machine: Machine, clock: Clock, symbols: Symbols) {
    this.#machine = machine;
    this.#clock = clock;
    this.#symbols = symbols;
    this.#tasks = new LinuxTasks(symbols);
  }

  get isOn(): boolean {
    return this.#machine.sampler === this;
  }

  start(): void {
    if (this.isOn) return;
    this.#startedMs = this.#clock.nowMs();
    this.dueMs = this.#startedMs;
    this.#machine.sampler = this;
  }

  stop(): void {
    if (!this.isOn) return;
    this.#elapsedMs += this.#clock.nowMs() - this.#startedMs;
    this.#machine.sampler = undefined;
  }

  clear(): void {
    this.#tree.clear();
    this.#startedMs = this.#clock.nowMs();
    this.#elapsedMs = 0;
    this.#costMs = 0;
  }

  idle(): void {
    this.#hasWaited = true;
  }

  sample(nowMs: number): void {
    const late = nowMs - this.dueMs;
    const hasWaited = this.#hasWaited && late > MAX_TURN_MS;
    this.#hasWaited = false;
    this.#phase = (this.#phase + GOLDEN) % 1;
    if (hasWaited) this.dueMs = nowMs + this.#phase * INTERVAL_MS;
    else this.dueMs = late > INTERVAL_MS ? nowMs + INTERVAL_MS : this.dueMs + INTERVAL_MS;
    // It was due while the guest waited. One now would count whatever it does first each time.
    if (hasWaited) return;
    for (const hart of this.#machine.harts) {
      const memory = new VirtualMemory(this.#machine.memory, translationState(hart));
      const frames = callStack(hart, memory, this.#symbols, this.#knownCode).map((frame) =>
        this.#name(frame.pc, isReturn(frame), hart.mode() === "M"),
      );
      const task = this.#tasks.current(hart, memory);
      if (task !== undefined) frames.push({ name: task, kind: "task" });
      this.#tree.add(frames.reverse());
    }
    this.#costMs += this.#clock.nowMs() - nowMs;
    if (nowMs - this.#startedMs > MAX_PROFILE_MS) this.stop();
  }

  view(): ProfileView {
    const running = this.isOn ? this.#clock.nowMs() - this.#startedMs : 0;
    return {
      isOn: this.isOn,
      samples: this.#tree.samples,
      elapsedMs: this.#elapsedMs + running,
      intervalMs: INTERVAL_MS,
      costMs: this.#costMs,
      isFull: this.#tree.isFull,
      tree: this.#tree.pack(),
      top: this.#tree.top(),
    };
  }

  folded(): string {
    return this.#tree.folded();
  }

  speedscope(): string {
    return this.#tree.speedscope("guest", INTERVAL_MS);
  }

  #name(pc: bigint, isReturn: boolean, isMachine: boolean): ProfileFrame {
    const kind: FrameKind = isMachine ? "machine" : pc >= KERNEL_HALF ? "kernel" : "user";
    const symbol = this.#symbols.lookup(isReturn ? pc - 1n : pc);
    return { name: symbol?.name ?? hex(pc), kind };
  }
}

const profilerOf = onePerMachine(
  (subject) => new Profiler(subject.machine, subject.clock, symbolsOf(subject)),
);

export const profilerCalls = (subject: Subject) => {
  const profiler = profilerOf(subject);
  return {
    startProfile: (): void => profiler.start(),
    stopProfile: (): void => profiler.stop(),
    clearProfile: (): void => profiler.clear(),
    profile: (): ProfileView => profiler.view(),
    /** "folded" is one line for each stack, "speedscope" its JSON. */
    exportProfile: (format: "folded" | "speedscope"): string =>
      format === "folded" ? profiler.folded() : profiler.speedscope(),
  };
};
