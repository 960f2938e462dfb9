import { beforeEach, describe, expect, it } from "vitest";
import { GuestMemory } from "../memory/guest-memory.ts";
import type { HartPort, HartStart } from "./hart-port.ts";
import { MAX_CONSOLE_TRANSFER, Sbi, SbiError, SbiExtension } from "./sbi.ts";

const BASE = 0x8000_0000;
const RAM = 256 * 1024;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

class FakeHart implements HartPort {
  readonly id: number;
  readonly x = new Array<bigint>(32).fill(0n);
  readonly log: string[] = [];
  start: HartStart | undefined;

  constructor(id: number) {
    this.id = id;
  }
  reset(start: HartStart): void {
    this.start = start;
  }
  save(): never {
    throw new Error("firmware does not ask");
  }
  load(): void {}
  run(): "budget" {
    return "budget";
  }
  requestStop(): void {
    this.log.push("stop");
  }
  setInterrupt(cause: number, high: boolean): void {
    this.log.push(`interrupt ${cause} ${high}`);
  }
  nextTimerTick(): number {
    return Infinity;
  }
  updateTimer(): void {}
  instructionCount(): number {
    return 0;
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
  peekCsr(csr: number): bigint | undefined {
    return csr === 0xf12 ? 77n : undefined;
  }
  getF(): bigint {
    return 0n;
  }
  setF(): void {}
  tlb(): never {
    throw new Error("firmware does not ask");
  }
  readonly translation = undefined;
  setTimer(tick: bigint): void {
    this.log.push(`timer ${tick}`);
  }
  flushTlb(): void {
    this.log.push("flush tlb");
  }
  flushCode(): void {
    this.log.push("flush code");
  }
}

let harts: FakeHart[];
let memory: GuestMemory;
let sbi: Sbi;
let output: number[];
let typed: number[];
let resets: string[];

beforeEach(() => {
  harts = [new FakeHart(0), new FakeHart(1)];
  memory = new GuestMemory({ buffer: new ArrayBuffer(RAM) }, [
    { base: BASE, size: RAM, offset: 0 },
  ]);
  output = [];
  typed = [];
  resets = [];
  sbi = new Sbi({
    harts,
    memory,
    output: (bytes) => output.push(...bytes),
    input: (maximum) => Uint8Array.from(typed.splice(0, maximum)),
    reset: (kind, failed) => resets.push(`${kind} ${failed}`),
  });
  sbi.reset(0);
});

/** Makes a call on hart 0: error and value as signed and unsigned numbers. */
function call(extension: number, fn: number, ...args: (number | bigint)[]): [bigint, bigint] {
  const { x } = harts[0];
  x.fill(0xdeadn, 10, 18);
  args.forEach((arg, i) => {
    x[10 + i] = BigInt.asUintN(64, BigInt(arg));
  });
  x[17] = BigInt(extension);
  x[16] = BigInt(fn);
  sbi.ecall(harts[0]);
  return [BigInt.asIntN(64, x[10]), x[11]];
}

const E = SbiExtension;

describe("base", () => {
  it("says version 2.0 and reads the machine's identity", () => {
    expect(call(E.base, 0)).toEqual([0n, 0x0200_0000n]);
    expect(call(E.base, 4)).toEqual([0n, 0n]);
    expect(call(E.base, 5)).toEqual([0n, 77n]);
    expect(call(E.base, 7)[0]).toBe(SbiError.notSupported);
  });

  it("probes exactly what is there", () => {
    for (const extension of Object.values(E)) {
      expect(call(E.base, 3, extension)).toEqual([0n, 1n]);
    }
    expect(call(E.base, 3, 0x50_4d55)).toEqual([0n, 0n]);
    expect(call(E.base, 3, ALL_ONES)).toEqual([0n, 0n]);
  });
});

it("does not support unknown extensions and functions", () => {
  expect(call(0x1234, 0)[0]).toBe(SbiError.notSupported);
  for (const extension of [E.time, E.ipi, E.rfence, E.hsm, E.reset, E.debugConsole]) {
    expect(call(extension, 99)[0]).toBe(SbiError.notSupported);
  }
});

it("sets the timer", () => {
  expect(call(E.time, 0, 123456789012345n)[0]).toBe(0n);
  expect(call(E.time, 0, ALL_ONES)[0]).toBe(0n);
  expect(harts[0].log).toEqual(["timer 123456789012345", `timer ${ALL_ONES}`]);
});

describe("hart masks", () => {
  it("select harts from a base, or all of them", () => {
    expect(call(E.ipi, 0, 0b11, 0)[0]).toBe(0n);
    expect(call(E.ipi, 0, 0b1, 1)[0]).toBe(0n);
    expect(call(E.ipi, 0, 0, ALL_ONES)[0]).toBe(0n);
    expect(harts[0].log).toHaveLength(2);
    expect(harts[1].log).toEqual(new Array(3).fill("interrupt 1 true"));
  });

  it("with a hart that does not exist do nothing", () => {
    expect(call(E.ipi, 0, 0b101, 0)[0]).toBe(SbiError.invalidParam);
    expect(call(E.ipi, 0, 1, ALL_ONES - 1n)[0]).toBe(SbiError.invalidParam);
    expect(harts[0].log).toEqual([]);
  });

  it("serve remote fences", () => {
    call(E.rfence, 0, 0b10, 0);
    call(E.rfence, 1, 0b10, 0, 0, ALL_ONES);
    call(E.rfence, 2, 0b10, 0, 0x1000, 0x1000, 5);
    expect(harts[1].log).toEqual(["flush code", "flush tlb", "flush tlb"]);
    expect(call(E.rfence, 3, 0b10, 0)[0]).toBe(SbiError.notSupported);
  });
});

describe("hart state management", () => {
  it("starts a stopped hart with its argument", () => {
    expect(call(E.hsm, 2, 1)).toEqual([0n, 1n]);
    expect(call(E.hsm, 0, 1, BASE + 16, 0x1234_5678_9abc_def0n)[0]).toBe(0n);
    expect(harts[1].start).toEqual({ pc: BASE + 16, mode: "S", a0: 1, a1: 0 });
    expect(harts[1].x[11]).toBe(0x1234_5678_9abc_def0n);
    expect(call(E.hsm, 2, 1)).toEqual([0n, 0n]);
    expect(call(E.hsm, 0, 1, BASE, 0)[0]).toBe(SbiError.alreadyAvailable);
  });

  it("refuses harts and addresses that are not", () => {
    expect(call(E.hsm, 0, 2, BASE, 0)[0]).toBe(SbiError.invalidParam);
    expect(call(E.hsm, 2, ALL_ONES)[0]).toBe(SbiError.invalidParam);
    expect(call(E.hsm, 0, 1, 0x1000, 0)[0]).toBe(SbiError.invalidAddress);
  });

  it("stops the calling hart and suspends only in ways that keep its state", () => {
    call(E.hsm, 1);
    expect(sbi.isStarted(0)).toBe(false);
    expect(harts[0].log).toEqual(["stop"]);
    expect(call(E.hsm, 3, 0)[0]).toBe(0n);
    // As the calling convention has 32 bits, too.
    for (const nonRetentive of [0x8000_0000, -0x8000_0000]) {
      expect(call(E.hsm, 3, nonRetentive)[0]).toBe(SbiError.notSupported);
    }
    for (const reserved of [1, 0x1000_0000, 0x8000_0001]) {
      expect(call(E.hsm, 3, reserved)[0]).toBe(SbiError.invalidParam);
    }
  });
});

describe("system reset", () => {
  it("powers off and reboots, with the reason", () => {
    call(E.reset, 0, 0, 0);
    call(E.reset, 0, 0, 1);
    call(E.reset, 0, 1, 0);
    call(E.reset, 0, 2, 0);
    expect(resets).toEqual(["poweroff false", "poweroff true", "reboot false", "reboot false"]);
    expect(harts[0].log).toEqual(["stop", "stop", "stop", "stop"]);
  });

  it("refuses reserved types and reasons", () => {
    expect(call(E.reset, 0, 3, 0)[0]).toBe(SbiError.invalidParam);
    expect(call(E.reset, 0, 0, 2)[0]).toBe(SbiError.invalidParam);
    expect(call(E.reset, 0, 0, -0x8000_0000)[0]).toBe(SbiError.invalidParam);
    expect(call(E.reset, 0, 0xf000_0001, 0)[0]).toBe(SbiError.notSupported);
    expect(resets).toEqual([]);
  });
});

describe("debug console", () => {
  it("writes from and reads into guest memory", () => {
    memory.write(BASE + 8, Uint8Array.of(104, 105));
    expect(call(E.debugConsole, 0, 2, BASE + 8, 0)).toEqual([0n, 2n]);
    expect(output).toEqual([104, 105]);
    typed = [1, 2, 3];
    expect(call(E.debugConsole, 1, 2, BASE + 100, 0)).toEqual([0n, 2n]);
    expect(call(E.debugConsole, 1, 2, BASE + 102, 0)).toEqual([0n, 1n]);
    expect(call(E.debugConsole, 1, 2, BASE + 103, 0)).toEqual([0n, 0n]);
    expect([...memory.view(BASE + 100, 4)!]).toEqual([1, 2, 3, 0]);
    call(E.debugConsole, 2, 0x141);
    expect(output).toEqual([104, 105, 0x41]);
  });

  it("refuses buffers that are not wholly RAM", () => {
    const bad: (number | bigint)[][] = [
      [1, 0x1000, 0],
      [2, BASE + RAM - 1, 0],
      [1, BASE, 1],
      [ALL_ONES, BASE, 0],
      [16, ALL_ONES - 7n, 0],
    ];
    for (const fn of [0, 1]) {
      for (const args of bad) {
        expect(call(E.debugConsole, fn, ...args)[0]).toBe(SbiError.invalidParam);
      }
    }
    expect(output).toEqual([]);
  });

  it("moves a bounded number of bytes at once", () => {
    expect(call(E.debugConsole, 0, RAM, BASE, 0)).toEqual([0n, BigInt(MAX_CONSOLE_TRANSFER)]);
    expect(output).toHaveLength(MAX_CONSOLE_TRANSFER);
  });
});

describe("legacy calls", () => {
  it("answer in a0 alone", () => {
    expect(call(E.legacyPutchar, 0, 0x42)).toEqual([0n, 0xdeadn]);
    typed = [9];
    expect(call(E.legacyGetchar, 0)[0]).toBe(9n);
    expect(call(E.legacyGetchar, 0)[0]).toBe(-1n);
    call(E.legacySetTimer, 0, 5);
    call(E.legacyShutdown, 0);
    expect(output).toEqual([0x42]);
    expect(harts[0].log).toEqual(["timer 5", "stop"]);
    expect(resets).toEqual(["poweroff false"]);
  });
});
