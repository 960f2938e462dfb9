import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";
import type { BootRequest, MachineExit, MachineOptions } from "./machine-types.ts";
import { elfFile } from "./testing/elf-file.ts";
import {
  A0,
  A1,
  A6,
  A7,
  assemble,
  HANG,
  type Instruction,
  li,
  print,
  store,
} from "./testing/program.ts";

const BASE = 0x8000_0000;
const KERNEL = BASE + 0x20_0000;
const UART = 0x1000_0000;
const FINISHER = 0x0010_0000;

interface Run {
  readonly exits: MachineExit[];
  readonly output: string;
  readonly machine: Machine;
}

/** Runs until the guest ends or waits for ever, at most `limitMs`. */
function run(request: BootRequest, options: Partial<MachineOptions> = {}, limitMs = 10_000): Run {
  const exits: MachineExit[] = [];
  let output = "";
  const machine = new Machine({
    clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
    entropy: (bytes) => bytes.fill(0x33),
    ramBytes: 64 * 1024 * 1024,
    ...options,
    events: {
      onExit: (exit) => exits.push(exit),
      onConsole: (_port, bytes) => {
        output += new TextDecoder().decode(bytes);
        return true;
      },
      ...options.events,
    },
  });
  machine.boot(request);
  const end = performance.now() + limitMs;
  while (machine.runSlice(10) !== "stopped" && performance.now() < end) {
    if (machine.inspect().state === "idle" && machine.msUntilWake() === Infinity) break;
  }
  return { exits, output, machine };
}

const elf = (address: number, instructions: readonly Instruction[], symbols = {}) => {
  const data = assemble(instructions);
  return elfFile({ address, data, size: data.length + 64, symbols });
};

const sbi = (extension: number, fn: number): Instruction[] => [
  ...li(A7, extension),
  ...li(A6, fn),
  ["ecall"],
];

describe("a small guest", () => {
  it("in M-mode prints and fails with its code", () => {
    const kernel = elf(BASE, [
      ...print(UART, "hello"),
      ...store("sw", FINISHER, (42 << 16) | 0x3333),
      HANG,
    ]);
    const { exits, output, machine } = run({ kernel });
    expect(output).toBe("hello");
    expect(exits).toEqual([{ kind: "fail", code: 42 }]);
    expect(machine.inspect()).toMatchObject({ state: "stopped", mode: "M" });
  });

  it("in S-mode calls the monitor's SBI", () => {
    const kernel = elf(KERNEL, [
      ...li(A0, 0x21),
      ...sbi(0x4442_434e, 2),
      ...li(A0, 0),
      ...li(A1, 0),
      ...sbi(0x5352_5354, 0),
      HANG,
    ]);
    const { exits, output } = run({ kernel });
    expect(output).toBe("!");
    expect(exits).toEqual([{ kind: "poweroff" }]);
  });

  it("ends through its tohost word", () => {
    const program = [
      ...li(A0, 7),
      ["auipc", { rd: A1, imm: 0x1000 }],
      ["sw", { rs1: A1, rs2: A0, imm: 0 }],
      HANG,
    ] as Instruction[];
    // The auipc is the third instruction.
    const tohost = BASE + 8 + 0x1000;
    const data = new Uint8Array(0x2000);
    data.set(assemble(program));
    const kernel = elfFile({ address: BASE, data, size: data.length, symbols: { tohost } });
    expect(run({ kernel }).exits).toEqual([{ kind: "fail", code: 3 }]);
  });

  it("idles without being run", () => {
    const { exits, machine } = run({ kernel: elf(BASE, [["wfi"], HANG]) });
    expect(exits).toEqual([]);
    expect(machine.inspect().instructions).toBeLessThan(3);
  });

  it("runs on shared memory too", () => {
    const kernel = elf(BASE, [...print(UART, "ok"), ...store("sw", FINISHER, 0x5555), HANG]);
    expect(run({ kernel }, { shared: true })).toMatchObject({
      output: "ok",
      exits: [{ kind: "poweroff" }],
    });
  });
});

const OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic";

describe.skipIf(!existsSync(`${OPENSBI}/fw_jump.bin`))("OpenSBI (skipped if not installed)", () => {
  for (const name of ["fw_jump.bin", "fw_dynamic.bin"]) {
    it(`as ${name} starts the kernel in S-mode, which powers off through it`, () => {
      const kernel = elf(KERNEL, [
        ...print(UART, "kernel"),
        ...li(A0, 0),
        ...li(A1, 0),
        ...sbi(0x5352_5354, 0),
        HANG,
      ]);
      const { exits, output } = run({
        firmware: readFileSync(`${OPENSBI}/${name}`),
        kernel,
      });
      expect(output).toContain("OpenSBI");
      expect(output).toMatch(/Firmware Base\s*: 0x80000000/);
      expect(output).toMatch(/kernel$/);
      expect(exits).toEqual([{ kind: "poweroff" }]);
    });
  }
});
