/** Debian's own kernel and initramfs, and what their drivers make of the devices. `npm run test:debian` builds them. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRelay } from "../relay/server.ts";
import { DEBIAN_DRIVERS } from "../src/machine/testing/guest-drivers.ts";

const GUEST = fileURLToPath(new URL("../guest/debian/.cache/", import.meta.url));
const TABVISOR = fileURLToPath(new URL("../bin/tabvisor.mjs", import.meta.url));
const hasGuest = existsSync(join(GUEST, "disk.ext4"));

/** Where each kernel and its initramfs are; the root file system has the modules of both. */
const KERNELS = [
  { kernel: "Debian's kernel", from: GUEST, isNewer: false },
  { kernel: "the kernel of Debian's next release", from: join(GUEST, "newer"), isNewer: true },
];

/** It takes half a minute on a computer that does nothing else. */
const LIMIT_SECONDS = 900;
const PMEM_BYTES = 64 << 20;

/** Nobody is at a display of the command line, with a keyboard. */
const DRIVERS = Object.entries(DEBIAN_DRIVERS).filter(([driver]) => driver !== "virtio_input");

describe.skipIf(!hasGuest).each(KERNELS)(
  "$kernel (skipped until npm run test:debian builds it)",
  ({ from, isNewer }) => {
    const cleanups: (() => unknown)[] = [];
    let folder: string;
    let output: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "debian-"));
      cleanups.push(() => rm(folder, { recursive: true }));
      const at = (name: string) => join(folder, name);
      await copyFile(join(GUEST, "disk.ext4"), at("disk"));
      await writeFile(at("pmem"), "");
      await truncate(at("pmem"), PMEM_BYTES);
      for (const name of ["fs", "9p"]) {
        await mkdir(at(name));
        await writeFile(join(at(name), "hello"), "from the host\n");
      }
      const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
      await new Promise<void>((resolve) => echo.listen(at("echo"), resolve));
      cleanups.push(() => echo.close());
      const relay = await startRelay({ port: 0 });
      cleanups.push(() => relay.close());
      const options = [
        ...["--kernel", join(from, "Image"), "--initrd", join(from, "initrd.img")],
        ...["--append", "console=ttyS0 quiet root=/dev/vda rw init=/root/devices"],
        ...["--ram", "512", "--timeout", `${LIMIT_SECONDS}`, "--disk", at("disk")],
        ...["--pmem", at("pmem"), "--balloon", "32", "--net", `${relay.url}lan/debian`],
        ...["--share", `host=${at("fs")}`, "--share-9p", `nine=${at("9p")}`],
        ...[
          "--port",
          `org.example.0=file:${at("port")}`,
          "--vsock-listen",
          `6000=unix:${at("echo")}`,
        ],
        ...["--display", `${at("display.ppm")},640x480`, "--sound", at("sound.wav"), "--crypto"],
        ...["--rtc", "--hotplug-memory", "128,128"],
      ];
      const { stdout } = await promisify(execFile)(process.execPath, [TABVISOR, "run", ...options]);
      output = stdout.replaceAll("\r", "");
    }, LIMIT_SECONDS * 1000);

    afterAll(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    it("starts the last program of its script", () => {
      expect(output).toContain("@end");
    });

    it.each(DRIVERS)("%s finds its device and uses it", (driver, name) => {
      expect(output).toMatch(new RegExp(`^@driver ${driver} virtio\\d`, "m"));
      expect(output).toContain(`@used ${name} ok`);
    });

    it("tells the time", () => {
      expect(output).toContain("@used rtc ok");
    });

    it.runIf(isNewer)("runs programs from persistent memory with DAX", () => {
      expect(output).toContain("@used dax ok");
    });

    it("complains of nothing", () => {
      expect(output).toContain("@used log ok");
    });

    it("reaches the host through its devices", async () => {
      const read = (...path: string[]) => readFile(join(folder, ...path), "utf8");
      expect(await read("fs", "back")).toBe("by virtiofs\n");
      expect(await read("9p", "back")).toBe("by 9p\n");
      expect(await read("port")).toBe("hello from a port\n");
      expect(output).toContain("hello from hvc0");
      // A header of 44 bytes, then half a second of noise in 16 bits and two channels.
      expect((await readFile(join(folder, "sound.wav"))).length).toBeGreaterThanOrEqual(
        44 + 88_200,
      );
      const picture = await readFile(join(folder, "display.ppm"));
      expect(new Set(picture.subarray(20)).size).toBeGreaterThan(200);
    });
  },
);
