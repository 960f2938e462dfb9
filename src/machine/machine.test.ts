import { beforeEach, describe, expect, it } from "vitest";
import { type HartPort, Interrupt } from "../cpu/hart-port.ts";
import { SbiExtension } from "../cpu/sbi.ts";
import { LoadError } from "./load-error.ts";
import { Machine } from "./machine.ts";
import {
  MAX_RAM_BYTES,
  type MachineExit,
  type MachineOptions,
  MIN_RAM_BYTES,
} from "./machine-types.ts";
import { elfFile } from "./testing/elf-file.ts";
import { type FakeHart, FakeHartModel } from "./testing/fake-hart.ts";

const BASE = 0x8000_0000;
const KERNEL = BASE + 0x20_0000;
const UART = 0x1000_0000;
const FINISHER = 0x0010_0000;

let nowMs: number;
let model: FakeHartModel;
let exits: MachineExit[];
let panics: string[];
let printed: string;
let wakes: number;

beforeEach(() => {
  nowMs = 1000;
  model = new FakeHartModel();
  exits = [];
  panics = [];
  printed = "";
  wakes = 0;
});

function create(options: Partial<MachineOptions> = {}): Machine {
  return new Machine({
    hart: model,
    clock: { nowMs: () => nowMs, wallClockMs: () => 1_700_000_000_000 + nowMs },
    entropy: (bytes) => bytes.fill(0x5a),
    ramBytes: MIN_RAM_BYTES,
    events: {
      onExit: (exit) => exits.push(exit),
      onPanic: (message) => panics.push(message),
      onConsole: (port, bytes) => {
        printed += `${port}:${new TextDecoder().decode(bytes)} `;
        return true;
      },
      onWake: () => wakes++,
    },
    ...options,
  });
}

const kernel = () => elfFile({ address: KERNEL, data: new Uint8Array(4), size: 64 });

function booted(options: Partial<MachineOptions> = {}): Machine {
  const machine = create(options);
  machine.boot({ kernel: kernel() });
  return machine;
}

/** Runs one slice in which the guest does `program` once, then idles. */
function slice(machine: Machine, program: (hart: FakeHart) => void): string {
  let ran = false;
  model.hart.program = (hart) => {
    if (!ran) program(hart);
    ran = true;
    nowMs += 0.01;
    return "wfi";
  };
  return machine.runSlice(5);
}

describe("boot", () => {
  it("starts a kernel in S-mode with hart id and device tree", () => {
    const machine = create();
    const { deviceTree } = machine.boot({ kernel: kernel(), append: "quiet" });
    expect(model.hart.starts).toEqual([{ pc: KERNEL, mode: "S", a0: 0, a1: deviceTree }]);
    expect(machine.memory.readU32(deviceTree)).toBe(0xedfe_0dd0);
    const tree = new TextDecoder().decode(machine.memory.view(deviceTree, 4096));
    expect(tree).toContain("quiet\0");
    expect(tree).toContain("Z".repeat(64));
  });

  it("starts firmware in M-mode, which answers S-mode itself", () => {
    const machine = create();
    const { dynamicInfo } = machine.boot({ firmware: new Uint8Array(8), kernel: kernel() });
    expect(model.hart.starts[0]).toMatchObject({ pc: BASE, mode: "M" });
    expect(model.hart.x[12]).toBe(BigInt(dynamicInfo));
  });

  it("takes a device tree of the caller's", () => {
    const machine = create();
    const fdtOverride = Uint8Array.of(1, 2, 3, 4);
    const { deviceTree } = machine.boot({ kernel: kernel(), fdtOverride });
    expect(machine.memory.readU32(deviceTree)).toBe(0x0403_0201);
  });

  it("refuses impossible RAM and a second boot", () => {
    for (const ramBytes of [MIN_RAM_BYTES - 1, MIN_RAM_BYTES + 1, MAX_RAM_BYTES * 2, Number.NaN]) {
      expect(() => create({ ramBytes })).toThrow(RangeError);
    }
    const machine = booted();
    expect(() => machine.boot({ kernel: kernel() })).toThrow(/already/);
    expect(() => create().boot({})).toThrow(LoadError);
    expect(() => create().reset()).toThrow(/not been booted/);
  });

  it("has shared RAM exactly when asked to", () => {
    create({ shared: true }).boot({ kernel: kernel() });
    expect(model.hart.parts.memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    booted();
    expect(model.hart.parts.memory.buffer).toBeInstanceOf(ArrayBuffer);
  });
});

describe("slices", () => {
  it("run for the time given, looking at the clock often", () => {
    const machine = booted();
    const budgets: number[] = [];
    model.hart.program = (_, maxInstructions) => {
      budgets.push(maxInstructions);
      nowMs += maxInstructions / 200_000;
      return "budget";
    };
    expect(machine.runSlice(8)).toBe("running");
    expect(nowMs).toBeLessThan(1008.2);
    // At 200,000 instructions per ms the aim of 75 µs is 15,000.
    expect(budgets.at(-1)).toBe(15_000);
  });

  it("end when the guest idles, and say when its timer is due", () => {
    const machine = booted();
    expect(machine.runSlice(5)).toBe("idle");
    expect(machine.msUntilWake()).toBe(Infinity);
    slice(machine, (hart) => hart.setTimer(BigInt(machine.timebase.ticks() + 35_000)));
    expect(machine.msUntilWake()).toBeCloseTo(3.49);
    expect(machine.inspect().state).toBe("idle");
  });

  it("do not spin for a timer that the guest has masked", () => {
    const machine = booted();
    nowMs += 10;
    expect(slice(machine, (hart) => hart.setTimer(1n))).toBe("idle");
    expect(machine.msUntilWake()).toBe(Infinity);
  });

  it("go on at once when a timer became due meanwhile", () => {
    const machine = booted();
    let runs = 0;
    model.hart.program = (hart) => {
      runs += 1;
      if (runs === 1) hart.setTimer(BigInt(machine.timebase.ticks() + 100));
      nowMs += 0.02;
      return "wfi";
    };
    expect(machine.runSlice(5)).toBe("idle");
    expect(runs).toBe(2);
  });

  it("raise the machine timer from the ACLINT", () => {
    const machine = booted();
    slice(machine, (hart) => {
      hart.store(0x0200_4000, machine.timebase.ticks() + 20_000);
      hart.store(0x0200_4004, 0);
    });
    expect(machine.msUntilWake()).toBeCloseTo(1.99);
    expect(model.hart.wires.has(Interrupt.machineTimer)).toBe(false);
    nowMs += 2;
    machine.runSlice(1);
    expect(model.hart.wires.has(Interrupt.machineTimer)).toBe(true);
  });

  it("turn a failure of the monitor into an exit", () => {
    const machine = booted();
    const error = new Error("broken");
    model.hart.program = () => {
      throw error;
    };
    expect(machine.runSlice(5)).toBe("stopped");
    expect(exits).toEqual([{ kind: "error", error }]);
    expect(machine.runSlice(5)).toBe("stopped");
    expect(exits).toHaveLength(1);
  });
});

describe("interrupts", () => {
  const PLIC = 0x0c00_0000;

  it("reach the hart's S-mode wire from the UART, and wake an idle machine once", () => {
    const machine = booted();
    slice(machine, (hart) => {
      hart.store(PLIC + 4 * 10, 1);
      hart.store(PLIC + 0x2080, 1 << 10);
      hart.store(UART + 1, 1, 1);
    });
    machine.consoles.input(new TextEncoder().encode("a"));
    expect(model.hart.wires).toEqual(new Set([Interrupt.supervisorExternal]));
    expect(wakes).toBe(1);
    machine.consoles.input(new TextEncoder().encode("b"));
    expect(wakes).toBe(1);
    slice(machine, (hart) => {
      expect(hart.fetch(PLIC + 0x20_1004)).toBe(10);
      expect(hart.fetch(UART, 1)).toBe(97);
    });
    expect(model.hart.wires.size).toBe(0);
  });
});

describe("the end", () => {
  const end = (program: (hart: FakeHart) => void) => {
    const machine = booted();
    expect(slice(machine, program)).toBe("stopped");
    return exits;
  };

  it("comes from the test finisher", () => {
    expect(end((hart) => hart.store(FINISHER, 0x5555))).toEqual([{ kind: "poweroff" }]);
  });

  it("comes with the code that the guest gives", () => {
    expect(end((hart) => hart.store(FINISHER, 0x7_3333))).toEqual([{ kind: "fail", code: 7 }]);
  });

  it("comes from the SBI", () => {
    expect(end((hart) => void hart.ecall(SbiExtension.reset, 0, 1n, 0n))).toEqual([
      { kind: "reboot" },
    ]);
  });

  it("comes as a failure when the guest gives that as its reason", () => {
    expect(end((hart) => void hart.ecall(SbiExtension.reset, 0, 0n, 1n))).toEqual([
      { kind: "fail", code: 1 },
    ]);
  });

  it("comes when the last hart stops", () => {
    expect(end((hart) => void hart.ecall(SbiExtension.hsm, 1))).toEqual([{ kind: "halt" }]);
  });

  it("may be followed by a reset, from within the event too", () => {
    const machine: Machine = create({ events: { onExit: () => machine.reset() } });
    machine.boot({ kernel: kernel() });
    machine.memory.writeU8(KERNEL, 0xee);
    expect(slice(machine, (hart) => hart.store(FINISHER, 0x7777))).toBe("running");
    expect(model.hart.starts).toHaveLength(2);
    expect(machine.memory.readU8(KERNEL)).toBe(0);
    expect(machine.runSlice(1)).toBe("idle");
  });

  it("is final after dispose", () => {
    const machine = booted();
    machine.dispose();
    expect(machine.runSlice(5)).toBe("stopped");
  });
});

describe("bare-metal tests", () => {
  const TOHOST = BASE + 0x40;
  const program = () =>
    elfFile({ address: BASE, data: new Uint8Array(4), size: 128, symbols: { tohost: TOHOST } });

  function run(low: number, high = 0): MachineExit[] {
    const machine = create();
    machine.boot({ kernel: program() });
    slice(machine, () => {
      machine.memory.writeU32(TOHOST, low);
      machine.memory.writeU32(TOHOST + 4, high);
    });
    expect(machine.memory.readU32(TOHOST)).toBe(0);
    return exits;
  }

  it("pass with 1", () => expect(run(1)).toEqual([{ kind: "poweroff" }]));
  it("fail with a code", () => expect(run((3 << 1) | 1)).toEqual([{ kind: "fail", code: 3 }]));
  it("print through device 1, and unknown commands are dropped", () => {
    expect(run(0x41, 0x0101_0000)).toEqual([]);
    expect(printed).toBe("htif:A ");
    expect(run(0x41, 0x0201_0000)).toEqual([]);
  });
});

describe("consoles", () => {
  it("are heard together, and typed input follows the last that spoke", () => {
    const machine = booted();
    const print = (hart: HartPort & FakeHart) => hart.store(UART, 0x75, 1);
    slice(machine, (hart) => {
      hart.ecall(SbiExtension.debugConsole, 2, 0x73n);
      print(hart);
    });
    expect(printed).toBe("sbi:s uart:u ");
    machine.consoles.input(Uint8Array.of(1));
    slice(machine, (hart) => {
      expect(hart.fetch(UART, 1)).toBe(1);
      hart.ecall(SbiExtension.legacyPutchar, 0, 0x73n);
    });
    machine.consoles.input(Uint8Array.of(2));
    slice(machine, (hart) => expect(hart.ecall(SbiExtension.legacyGetchar, 0)).toBe(2n));
  });

  it("hand on bytes together, and in order", () => {
    const machine = booted();
    const text = (value: string) => new TextEncoder().encode(value);
    machine.memory.write(BASE, text("SBI"));
    slice(machine, (hart) => {
      for (const byte of text("uart")) hart.store(UART, byte, 1);
      hart.ecall(SbiExtension.debugConsole, 0, 3n, BigInt(BASE), 0n);
      for (const byte of text("x".repeat(1500))) hart.store(UART, byte, 1);
    });
    expect(printed).toBe(`uart:uart sbi:SBI uart:${"x".repeat(1024)} uart:${"x".repeat(476)} `);
  });

  it("announce a kernel panic", () => {
    const machine = booted();
    const line = "[ 0.1] Kernel panic - not syncing: no init\r\n";
    slice(machine, (hart) => {
      for (const byte of new TextEncoder().encode(line)) hart.store(UART, byte, 1);
    });
    expect(panics).toEqual(["Kernel panic - not syncing: no init"]);
  });
});
