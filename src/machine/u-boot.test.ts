/** U-Boot of Debian's u-boot-qemu: a driver of virtio beside Linux's. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MemoryBlockBackend } from "../virtio/devices/memory-block-backend.ts";
import { LIMIT_MS, LinuxSession } from "./testing/linux-session.ts";

const BUILDS = "/usr/lib/u-boot";

const PROMPT = /\n=> /;

const LOADED = "84000000";

/** By the mode that it is started in: after the monitor's own SBI, or at reset. */
const MODES = [
  { mode: "S", build: "qemu-riscv64_smode", part: "kernel" },
  { mode: "M", build: "qemu-riscv64", part: "firmware" },
] as const;

describe.skipIf(!existsSync(`${BUILDS}/qemu-riscv64/uboot.elf`))(
  "U-Boot (skipped if not installed)",
  () => {
    for (const { mode, build, part } of MODES) {
      it(`in ${mode}-mode reads and writes a disk, and resets`, { timeout: LIMIT_MS }, async () => {
        const image = new Uint8Array(64 << 10).fill(0x41, 512, 1024);
        const disk = new MemoryBlockBackend({ image });
        const session = new LinuxSession({ disk, isOff: true });
        session.machine.boot({ [part]: readFileSync(`${BUILDS}/${build}/uboot.elf`) });
        await session.until(/stop autoboot/);
        session.type("\n");
        await session.until(PROMPT);
        session.type(`virtio read ${LOADED} 1 1; md.b ${LOADED} 4; virtio write ${LOADED} 3 1\n`);
        const read = await session.until(/1 blocks written: OK[\s\S]*\n=> /);
        expect(read).toContain(`${LOADED}: 41 41 41 41`);
        const written = new Uint8Array(512);
        disk.read(3, {
          length: written.length,
          alive: true,
          write: (at, bytes) => written.set(bytes, at),
          zero: (at, length) => void written.fill(0, at, at + length),
        });
        expect(written).toEqual(image.slice(512, 1024));
        session.type("reset\n");
        await session.runUntil(() => session.exits.length > 0, "reset");
        expect(session.exits).toEqual([{ kind: "reboot" }]);
      });
    }
  },
);
