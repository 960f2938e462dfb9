/**
 * Boots Linux twice at once, translated and interpreted, and compares the machines every few thousand
 * instructions. Time stands still within a slice, so that both see the same.
 */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { Hart } from "../cpu/hart.ts";
import type { Interrupt, RunExit } from "../cpu/hart-port.ts";
import type { HartParts } from "./hart-model.ts";
import { Machine } from "./machine.ts";
import { riscvHart } from "./riscv-hart.ts";
import { attachDevices, steadyEntropy } from "./testing/linux-devices.ts";

const GUEST = new URL("../../public/guest/", import.meta.url);
const hasGuest = existsSync(new URL("Image.gz", GUEST));
const guestFile = (name: string) => gunzipSync(readFileSync(new URL(name, GUEST)));

const RAM_BYTES = 64 << 20;
const LIMIT_MS = 180_000;
/** Slices are at most so long; each translates the place where it stops. */
const MAX_SLICE = 40_000;
/** The guest's clock runs as if each millisecond had so many instructions. */
const INSTRUCTIONS_PER_MS = 100_000;
const MEMORY_COMPARISONS_EVERY = 400;

const PROMPT = /tabvisor:~# /;
/** Loops, processes, signals and files: what a shell does. */
const COMMAND =
  "i=0; while [ $i -lt 300 ]; do i=$((i + 1)); done; (kill -9 $$BASHPID); ls -lR /etc | sort | " +
  "md5sum; awk 'BEGIN { for (i = 1; i < 400; i++) s += sqrt(i) / 3; printf \"%.9f\\n\", s }'; echo do''ne";

const CSRS = {
  ...{ sstatus: 0x100, sie: 0x104, stvec: 0x105, sscratch: 0x140, sepc: 0x141, scause: 0x142 },
  ...{ stval: 0x143, sip: 0x144, stimecmp: 0x14d, satp: 0x180, fcsr: 0x003 },
  ...{ mstatus: 0x300, mideleg: 0x303, mie: 0x304, mip: 0x344 },
};

/**
 * A device's interrupt may be taken a few instructions sooner or later. Here it waits for the next
 * slice, for both to take it at the same place.
 */
class LateInterrupts extends Hart {
  #running = false;
  readonly #held: [Interrupt, boolean][] = [];

  override setInterrupt(cause: Interrupt, high: boolean): void {
    if (this.#running) this.#held.push([cause, high]);
    else super.setInterrupt(cause, high);
  }

  protected runAs(execute: () => RunExit): RunExit {
    for (const [cause, high] of this.#held.splice(0)) super.setInterrupt(cause, high);
    this.#running = true;
    const exit = execute();
    this.#running = false;
    // The interrupt that it waits for may be one of those.
    return exit === "wfi" && this.#held.length > 0 ? "budget" : exit;
  }
}

/** Translates everything, and stops after a while that is not always the same. */
class Leader extends LateInterrupts {
  #seed = 1;

  constructor(parts: HartParts) {
    super({ ...parts, poll: () => 0, translate: "eager" });
  }

  override run(): RunExit {
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0;
    return this.runAs(() => super.run(1 + ((this.#seed >>> 8) % MAX_SLICE)));
  }
}

/** Interprets as many instructions as the leader has executed, one by one. */
class Follower extends LateInterrupts {
  target = 0;
  targetPc = 0n;

  constructor(parts: HartParts) {
    super({ ...parts, translate: "never" });
  }

  override run(): RunExit {
    return this.runAs(() => this.#catchUp());
  }

  #catchUp(): RunExit {
    let exit: RunExit = "budget";
    for (;;) {
      const missing = this.target - this.instructionCount();
      if (missing > 0) exit = this.step(missing);
      // The last thing that the leader did may have been an exception, which is no instruction.
      else if (this.pc() !== this.targetPc) return this.step(1);
      else return exit;
      if (exit !== "budget") return exit;
    }
  }
}

class Twin<H extends Hart> {
  readonly machine: Machine;
  readonly hart: H;
  output = "";

  constructor(clock: { nowMs: () => number }, create: (parts: HartParts) => H) {
    const made: H[] = [];
    this.machine = new Machine({
      clock: { ...clock, wallClockMs: () => 1_700_000_000_000 },
      entropy: steadyEntropy,
      ramBytes: RAM_BYTES,
      hart: {
        ...riscvHart(),
        create: (parts) => {
          const hart = create(parts);
          made.push(hart);
          return hart;
        },
      },
      events: {
        onConsole: (_port, bytes) => {
          this.output += new TextDecoder().decode(Uint8Array.from(bytes));
          return true;
        },
      },
    });
    this.hart = made[0];
    attachDevices(this.machine);
    this.machine.boot({
      kernel: guestFile("Image.gz"),
      initrd: guestFile("initramfs.cpio.gz"),
      append: "console=hvc0 quiet tabvisor.disk=none",
    });
  }

  state(): Record<string, string> {
    const { hart } = this;
    const hex = (value: bigint) => value.toString(16);
    const found: Record<string, string> = {
      pc: hex(hart.pc()),
      mode: hart.mode(),
      instructions: String(hart.instructionCount()),
    };
    for (let k = 1; k < 32; k++) found[`x${k}`] = hex(hart.getX(k));
    for (let k = 0; k < 32; k++) found[`f${k}`] = hex(hart.getF(k));
    for (const [name, number] of Object.entries(CSRS)) {
      found[name] = hex(hart.peekCsr(number) ?? -1n);
    }
    return found;
  }

  ram(): Uint8Array {
    const ram = this.machine.memory.view(0x8000_0000, RAM_BYTES);
    if (ram === undefined) throw new Error("no RAM");
    return ram;
  }
}

describe.skipIf(!hasGuest)("Linux in lock-step (skipped until the guest is built)", () => {
  it("translates exactly what it would interpret", { timeout: LIMIT_MS }, () => {
    let nowMs = 1000;
    const clock = { nowMs: () => nowMs };
    const leader = new Twin(clock, (parts) => new Leader(parts));
    const follower = new Twin(clock, (parts) => new Follower(parts));
    let slices = 0;
    const slice = (): void => {
      const before = leader.hart.instructionCount();
      const result = leader.machine.runSlice(0);
      follower.hart.target = leader.hart.instructionCount();
      follower.hart.targetPc = leader.hart.pc();
      expect(follower.machine.runSlice(0)).toBe(result);
      expect(follower.state()).toEqual(leader.state());
      if (++slices % MEMORY_COMPARISONS_EVERY === 0) expectSameMemory();
      nowMs += (leader.hart.instructionCount() - before) / INSTRUCTIONS_PER_MS;
      if (result === "idle") nowMs += Math.max(0.01, leader.machine.msUntilWake());
    };
    const expectSameMemory = (): void => {
      expect(Buffer.compare(leader.ram(), follower.ram())).toBe(0);
    };
    const runUntil = (text: RegExp): void => {
      while (!text.test(leader.output)) slice();
    };

    runUntil(PROMPT);
    for (const { machine } of [leader, follower]) {
      machine.consoles.input(new TextEncoder().encode(`${COMMAND}\n`));
    }
    runUntil(/done\r\n/);
    expectSameMemory();
    expect(follower.output).toBe(leader.output);
    expect(leader.hart.translation?.compiled).toBeGreaterThan(500);
  });
});
