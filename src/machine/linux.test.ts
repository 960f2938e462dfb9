/** Boots the embedded Linux in every kind of machine. */
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin";
const NEVER = /(?!)/;

describe.skipIf(!hasGuest)("Linux (skipped until the guest is built)", () => {
  it("boots, uses its devices, restarts and powers off", { timeout: 2 * LIMIT_MS }, async () => {
    const session = new LinuxSession();
    await session.until(PROMPT);
    const interrupts = await session.command("cat /proc/interrupts");
    expect(interrupts).toMatch(/PLIC +16 Edge +virtio0/);
    expect(await session.command("echo kept > /dev/vda; sync; head -c 4 /dev/vda")).toContain(
      "kept",
    );
    expect(await session.command("head -c 8 /dev/hwrng | wc -c")).toContain("8");
    expect(await session.command("stty size")).toContain("40 100");
    expect(await session.command("date +%Y")).toContain(`${new Date().getUTCFullYear()}`);

    session.type("reboot -f\n");
    await session.until(NEVER);
    expect(session.exits).toEqual([{ kind: "reboot" }]);
    session.machine.reset();
    await session.until(PROMPT);
    expect(await session.command("head -c 4 /dev/vda")).toContain("kept");

    session.type("poweroff -f\n");
    await session.until(NEVER);
    expect(session.exits).toEqual([{ kind: "reboot" }, { kind: "poweroff" }]);
  });

  it("runs with an APLIC, on shared memory", { timeout: LIMIT_MS }, async () => {
    const options = { interruptController: "aplic", shared: true } as const;
    const session = new LinuxSession(options);
    await session.until(PROMPT);
    expect(await session.command("cat /proc/interrupts")).toMatch(/APLIC.* 16 Edge +virtio0/);
    expect(await session.command("head -c 512 /dev/vda | wc -c")).toContain("512");
  });

  it("runs at QEMU's addresses, on the serial port", { timeout: LIMIT_MS }, async () => {
    const session = new LinuxSession({ profile: "qemu-virt", append: "console=ttyS0 quiet" });
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
      const session = new LinuxSession({ append: "console=hvc0", firmware: readFileSync(OPENSBI) });
      expect(await session.until(PROMPT)).toContain("OpenSBI");
      session.type("poweroff -f\n");
      await session.until(NEVER);
      expect(session.exits).toEqual([{ kind: "poweroff" }]);
    },
  );

  it("sleeps while it idles", { timeout: LIMIT_MS }, async () => {
    const session = new LinuxSession();
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
