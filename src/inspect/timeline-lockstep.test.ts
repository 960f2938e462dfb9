/**
 * Boots Linux twice at once, one machine watched by the timeline and the other alone, and compares them
 * after every slice: looking changes nothing. Time stands still within a slice, so that both see the same.
 */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { sleep } from "../host/sleep.ts";
import { Machine } from "../machine/machine.ts";
import { attachDevices, steadyEntropy } from "../machine/testing/linux-devices.ts";
import { createCalls } from "./calls.ts";

const GUEST = new URL("../../public/guest/", import.meta.url);
const hasGuest = existsSync(new URL("Image.gz", GUEST));
const guestFile = (name: string) => gunzipSync(readFileSync(new URL(name, GUEST)));

const RAM_BYTES = 64 << 20;
const LIMIT_MS = 120_000;
/** The guest's clock runs as if each millisecond had so many instructions. */
const INSTRUCTIONS_PER_MS = 100_000;
const MEMORY_COMPARISONS_EVERY = 500;
/** Slices between two looks at the timeline. */
const LOOK_EVERY = 10;

const PROMPT = /tabvisor:~# /;
const COMMAND =
  "dd if=/dev/urandom of=/dev/vda bs=32k count=8 conv=fsync; md5sum /dev/vda; echo do''ne";

class Twin {
  readonly machine: Machine;
  output = "";

  constructor(clock: { nowMs: () => number; wallClockMs: () => number }) {
    this.machine = new Machine({
      clock,
      entropy: steadyEntropy,
      ramBytes: RAM_BYTES,
      events: {
        onConsole: (_port, bytes) => {
          this.output += new TextDecoder().decode(Uint8Array.from(bytes));
          return true;
        },
      },
    });
    attachDevices(this.machine);
    this.machine.boot({
      kernel: guestFile("Image.gz"),
      initrd: guestFile("initramfs.cpio.gz"),
      append: "console=hvc0 quiet tabvisor.disk=none",
    });
  }

  ram(): Uint8Array {
    const ram = this.machine.memory.view(0x8000_0000, RAM_BYTES);
    if (ram === undefined) throw new Error("no RAM");
    return ram;
  }
}

describe.skipIf(!hasGuest)("a watched Linux (skipped until the guest is built)", () => {
  it("does exactly what it does alone", { timeout: LIMIT_MS }, () => {
    let nowMs = 1000;
    const clock = { nowMs: () => nowMs, wallClockMs: () => 1_700_000_000_000 };
    const watched = new Twin(clock);
    const alone = new Twin(clock);
    const calls = createCalls({ machine: watched.machine, clock, sleep });
    let slices = 0;
    let seen = 0;
    const look = (): void => {
      const { first, end, revision } = calls.timeline("dev:block or len>0");
      const rows = calls.timelineRows(end - 50, 50, revision);
      if (rows.length > 0) calls.timelineRequest(rows[0].seq);
      seen = Math.max(seen, end - first);
    };
    const slice = (): void => {
      const before = alone.machine.inspect().instructions;
      const result = watched.machine.runSlice(0);
      expect(alone.machine.runSlice(0)).toBe(result);
      const snapshot = alone.machine.inspect();
      expect(watched.machine.inspect()).toEqual(snapshot);
      if (slices % LOOK_EVERY === 0) look();
      if (++slices % MEMORY_COMPARISONS_EVERY === 0) expectSameMemory();
      nowMs += (snapshot.instructions - before) / INSTRUCTIONS_PER_MS;
      if (result === "idle") nowMs += Math.max(0.01, alone.machine.msUntilWake());
    };
    const expectSameMemory = (): void => {
      expect(Buffer.compare(watched.ram(), alone.ram())).toBe(0);
    };

    calls.timeline("");
    while (!PROMPT.test(alone.output)) slice();
    for (const { machine } of [watched, alone]) {
      machine.consoles.input(new TextEncoder().encode(`${COMMAND}\n`));
    }
    while (!/done\r\n/.test(alone.output)) slice();
    expectSameMemory();
    expect(watched.output).toBe(alone.output);
    expect(watched.machine.interrupts.distributor.inspect()).toEqual(
      alone.machine.interrupts.distributor.inspect(),
    );
    expect(seen).toBeGreaterThan(100);
  });
});
