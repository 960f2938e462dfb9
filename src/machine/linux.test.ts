/** Boots the embedded Linux in every kind of machine. */
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";
import type { MachineExit, MachineOptions } from "./machine-types.ts";
import { attachDevices, steadyEntropy } from "./testing/linux-devices.ts";

const GUEST = new URL("../../public/guest/", import.meta.url);
const hasGuest = existsSync(new URL("Image.gz", GUEST));
const guestFile = (name: string) => gunzipSync(readFileSync(new URL(name, GUEST)));

const OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin";
const PROMPT = /# /;
const NEVER = /(?!)/;
const LIMIT_MS = 60_000;

/** A machine with a person at its console. */
class Session {
  readonly machine: Machine;
  readonly exits: MachineExit[] = [];
  #output = "";

  constructor(options: Partial<MachineOptions>, append: string, firmware?: Uint8Array) {
    this.machine = new Machine({
      clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
      entropy: steadyEntropy,
      ramBytes: 128 * 1024 * 1024,
      ...options,
      events: {
        onExit: (exit) => this.exits.push(exit),
        onConsole: (_port, bytes) => {
          this.#output += new TextDecoder().decode(Uint8Array.from(bytes));
          return true;
        },
      },
    });
    attachDevices(this.machine);
    this.machine.boot({
      kernel: guestFile("Image.gz"),
      initrd: guestFile("initramfs.cpio.gz"),
      append,
      ...(firmware === undefined ? {} : { firmware }),
    });
  }

  /** Runs until the guest has printed that or has ended; what it printed until then. */
  async until(text: RegExp): Promise<string> {
    const end = performance.now() + LIMIT_MS;
    while (!text.test(this.#output)) {
      if (performance.now() > end) throw new Error(`no ${text} in: ${this.#output}`);
      const result = this.machine.runSlice(8);
      if (result === "stopped") break;
      if (result === "idle") await sleep(Math.min(this.machine.msUntilWake(), 50));
    }
    const seen = this.#output;
    this.#output = "";
    return seen;
  }

  async command(line: string): Promise<string> {
    this.machine.consoles.input(new TextEncoder().encode(`${line}; echo do''ne\n`));
    return this.until(/done\r\n[\s\S]*# /);
  }
}

describe.skipIf(!hasGuest)("Linux (skipped until the guest is built)", () => {
  it("boots, uses its devices, restarts and powers off", { timeout: 2 * LIMIT_MS }, async () => {
    const session = new Session({}, "console=hvc0 quiet");
    await session.until(PROMPT);
    const interrupts = await session.command("cat /proc/interrupts");
    expect(interrupts).toMatch(/PLIC +16 Edge +virtio0/);
    expect(await session.command("echo kept > /dev/vda; sync; head -c 4 /dev/vda")).toContain(
      "kept",
    );
    expect(await session.command("head -c 8 /dev/hwrng | wc -c")).toContain("8");
    expect(await session.command("stty size")).toContain("40 100");
    expect(await session.command("date +%Y")).toContain(`${new Date().getUTCFullYear()}`);

    session.machine.consoles.input(new TextEncoder().encode("reboot -f\n"));
    await session.until(NEVER);
    expect(session.exits).toEqual([{ kind: "reboot" }]);
    session.machine.reset();
    await session.until(PROMPT);
    expect(await session.command("head -c 4 /dev/vda")).toContain("kept");

    session.machine.consoles.input(new TextEncoder().encode("poweroff -f\n"));
    await session.until(NEVER);
    expect(session.exits).toEqual([{ kind: "reboot" }, { kind: "poweroff" }]);
  });

  it("runs with an APLIC, on shared memory", { timeout: LIMIT_MS }, async () => {
    const options = { interruptController: "aplic", shared: true } as const;
    const session = new Session(options, "console=hvc0 quiet");
    await session.until(PROMPT);
    expect(await session.command("cat /proc/interrupts")).toMatch(/APLIC.* 16 Edge +virtio0/);
    expect(await session.command("head -c 512 /dev/vda | wc -c")).toContain("512");
  });

  it("runs at QEMU's addresses, on the serial port", { timeout: LIMIT_MS }, async () => {
    const session = new Session({ profile: "qemu-virt" }, "console=ttyS0 quiet");
    await session.until(PROMPT);
    const interrupts = await session.command("cat /proc/interrupts");
    expect(interrupts).toMatch(/PLIC +10 .*ttyS0/);
    expect(interrupts).toMatch(/PLIC +2 .*virtio1/);
    expect(await session.command("head -c 512 /dev/vda | wc -c")).toContain("512");
  });

  it.skipIf(!existsSync(OPENSBI))(
    "runs on OpenSBI (skipped if that is not installed)",
    { timeout: LIMIT_MS },
    async () => {
      const session = new Session({}, "console=hvc0", readFileSync(OPENSBI));
      expect(await session.until(PROMPT)).toContain("OpenSBI");
      session.machine.consoles.input(new TextEncoder().encode("poweroff -f\n"));
      await session.until(NEVER);
      expect(session.exits).toEqual([{ kind: "poweroff" }]);
    },
  );

  it("sleeps while it idles", { timeout: LIMIT_MS }, async () => {
    const session = new Session({}, "console=hvc0 quiet");
    await session.until(PROMPT);
    // The shell's first prompt is followed by some work.
    await session.command("sleep 1");
    const before = session.machine.inspect().instructions;
    const start = performance.now();
    while (performance.now() - start < 2000) {
      if (session.machine.runSlice(8) === "idle") {
        await sleep(Math.min(session.machine.msUntilWake(), 100));
      }
    }
    // Under a million a second is well below 2% of a core.
    expect(session.machine.inspect().instructions - before).toBeLessThan(2_000_000);
  });
});
