/** A hart without a processor for tests of the machine: each run is one call of a function. */
import type { HartPort, HartStart, Interrupt, RunExit } from "../../cpu/hart-port.ts";
import type { TlbStats } from "../../cpu/tlb-stats.ts";
import type { HartModel, HartParts } from "../hart-model.ts";

export class FakeHart implements HartPort {
  readonly id = 0;
  readonly parts: HartParts;
  readonly x = new Array<bigint>(32).fill(0n);
  /** Wires that are high. */
  readonly wires = new Set<Interrupt>();
  readonly starts: HartStart[] = [];
  /** What the guest does in a run; default: it idles. */
  program: (hart: FakeHart, maxInstructions: number) => RunExit = () => "wfi";
  timerTick = Infinity;
  instructions = 0;
  stopped = false;

  constructor(parts: HartParts) {
    this.parts = parts;
  }

  reset(start: HartStart): void {
    this.starts.push(start);
    this.x.fill(0n);
    this.stopped = false;
  }
  save(): never {
    throw new Error("there is no state to save");
  }
  load(): void {}
  run(maxInstructions: number): RunExit {
    const exit = this.program(this, maxInstructions);
    return this.stopped ? "stop" : exit;
  }
  requestStop(): void {
    this.stopped = true;
  }
  setInterrupt(cause: Interrupt, high: boolean): void {
    if (high) this.wires.add(cause);
    else this.wires.delete(cause);
  }
  nextTimerTick(): number {
    return this.timerTick;
  }
  updateTimer(): void {}
  instructionCount(): number {
    return this.instructions;
  }
  mode(): "S" {
    return "S";
  }
  pc(): bigint {
    return 0n;
  }
  getX(index: number): bigint {
    return this.x[index];
  }
  setX(index: number, value: bigint): void {
    this.x[index] = value;
  }
  getF(): bigint {
    return 0n;
  }
  setF(): void {}
  peekCsr(): undefined {}
  setTimer(tick: bigint): void {
    this.timerTick = Number(tick);
  }
  flushTlb(): void {}
  flushCode(): void {}
  tlb(): TlbStats {
    return { entries: 0, contexts: [], fills: 0, flushes: 0, pageFlushes: 0 };
  }
  readonly translation = undefined;

  /** A store by the guest to a device. */
  store(gpa: number, value: number, size: 1 | 2 | 4 = 4): void {
    const region = this.parts.bus.find(gpa, size)!;
    region.handler.write(gpa - region.base, size, value);
  }

  fetch(gpa: number, size: 1 | 2 | 4 = 4): number {
    const region = this.parts.bus.find(gpa, size)!;
    return region.handler.read(gpa - region.base, size);
  }

  /** An SBI call. */
  ecall(extension: number, fn: number, ...args: bigint[]): bigint {
    args.forEach((arg, i) => {
      this.x[10 + i] = arg;
    });
    this.x[16] = BigInt(fn);
    this.x[17] = BigInt(extension);
    this.parts.ecall!.ecall(this);
    return this.x[10];
  }
}

/** A model whose hart is kept in `hart` once the machine has made it. */
export class FakeHartModel implements HartModel {
  readonly memoryBytes = 65_536;
  readonly cpu = { extensions: ["i", "m", "a", "c"], mmu: "sv39" } as const;
  hart!: FakeHart;

  create(parts: HartParts): FakeHart {
    this.hart = new FakeHart(parts);
    return this.hart;
  }
}
