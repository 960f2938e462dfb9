/** A machine that was restored does exactly what the one that it was saved from does. */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { Hart } from "../../cpu/hart.ts";
import type { RunExit } from "../../cpu/hart-port.ts";
import type { InterruptControllerKind } from "../device-tree.ts";
import { Machine } from "../machine.ts";
import { riscvHart } from "../riscv-hart.ts";
import { attachDevices, steadyEntropy } from "../testing/linux-devices.ts";
import type { Bytes } from "./gzip.ts";
import { openMachineFile } from "./saved-machine.ts";

const GUEST = new URL("../../../public/guest/", import.meta.url);
const hasGuest = existsSync(new URL("Image.gz", GUEST));
const guestFile = (name: string) => gunzipSync(readFileSync(new URL(name, GUEST)));

const RAM_BYTES = 64 << 20;
const LIMIT_MS = 120_000;
/** Instructions between two looks at the clock. */
const SLICE = 20_000;
/** What a slice takes, in ms of the guest's clock: a whole number of ticks, whatever was before. */
const STEP_MS = 1 / 16;
const CSRS = 4096;

const WORK =
  "i=0; while [ $i -lt 500 ]; do i=$((i + 1)); echo $i > /tmp/x; done; ls -lR /etc | md5sum; " +
  "awk 'BEGIN { for (i = 1; i < 99; i++) s += sqrt(i) / 3; printf \"%.9f\\n\", s }'; echo do''ne";

/** Where the usual interpreter stops depends on what it has decoded before. */
class Exact extends Hart {
  override run(): RunExit {
    return this.step(SLICE);
  }
}

/** A machine with a clock that its own instructions drive. */
class Scripted {
  readonly machine: Machine;
  output = "";
  #nowMs: number;

  constructor(kind: InterruptControllerKind, nowMs: number) {
    this.#nowMs = nowMs;
    this.machine = new Machine({
      clock: { nowMs: () => this.#nowMs, wallClockMs: () => 1_700_000_000_000 },
      entropy: steadyEntropy,
      ramBytes: RAM_BYTES,
      interruptController: kind,
      hart: {
        ...riscvHart(),
        create: (parts) => new Exact({ ...parts, translate: "never" }),
      },
      events: {
        onConsole: (_port, bytes) => {
          this.output += new TextDecoder().decode(Uint8Array.from(bytes));
          return true;
        },
      },
    });
    attachDevices(this.machine);
  }

  get request() {
    return {
      kernel: guestFile("Image.gz"),
      initrd: guestFile("initramfs.cpio.gz"),
      append: "console=hvc0 quiet tabvisor.disk=none",
    };
  }

  slice(): void {
    const isIdle = this.machine.runSlice(0) === "idle";
    const ms = isIdle ? this.machine.msUntilWake() : 0;
    this.#nowMs += Math.max(1, Math.ceil(ms / STEP_MS)) * STEP_MS;
  }

  runUntil(text: RegExp): void {
    while (!text.test(this.output)) this.slice();
  }

  async save(): Promise<Bytes[]> {
    const pieces: Bytes[] = [];
    const options = {
      nowMs: () => 0,
      sleep: (ms: number, callback: () => void) => setTimeout(callback, ms),
      note: undefined,
    };
    for await (const piece of await this.machine.save(options)) pieces.push(piece);
    return pieces;
  }

  /** All that software can see, registers by their names. */
  state(): object {
    const { harts, interrupts, platform, slots, timebase } = this.machine;
    const [hart] = harts;
    const csrs = Array.from({ length: CSRS }, (_, number) => hart.peekCsr(number));
    // Loading may count as changes of the configuration, which a driver that is reading it reads again.
    const devices = slots.occupied.map(({ transport }) => {
      return { ...transport.save(), configGeneration: undefined };
    });
    const controllers = interrupts.save();
    return {
      ...{ hart: hart.save(), csrs, devices, controllers },
      ...{ platform: platform.save(), ticks: timebase.ticks() },
    };
  }

  ram(): Uint8Array {
    return this.machine.memory.view(this.machine.profile.ramBase, RAM_BYTES)!;
  }
}

describe.skipIf(!hasGuest)("a restored machine", () => {
  it.each(["plic", "aplic"] as const)(
    "does with its %s what the one does that was saved",
    { timeout: LIMIT_MS },
    async (kind) => {
      const first = new Scripted(kind, 1000);
      first.machine.boot(first.request);
      first.runUntil(/tabvisor:~# /);
      first.machine.consoles.input(new TextEncoder().encode(`${WORK}\n`));
      for (let i = 0; i < 700; i++) first.slice();

      expect(first.output).not.toMatch(/done\r\n/);
      const pieces = await first.save();
      // Its host's clock has another origin.
      const second = new Scripted(kind, 77);
      await second.machine.restore(await openMachineFile(pieces), second.request);
      const shown = first.output.length;
      second.output = "";
      for (let i = 0; i < 300; i++) {
        expect(second.state()).toEqual(first.state());
        if (i % 100 === 0) expect(Buffer.compare(second.ram(), first.ram())).toBe(0);
        first.slice();
        second.slice();
      }
      first.runUntil(/done\r\n/);
      second.runUntil(/done\r\n/);
      expect(Buffer.compare(second.ram(), first.ram())).toBe(0);
      expect(second.output).toBe(first.output.slice(shown));
      expect(second.state()).toEqual(first.state());
    },
  );
});
