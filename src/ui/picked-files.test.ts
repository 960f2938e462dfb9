import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import type { BootConfig } from "../worker/protocol.ts";
import { configOf, sortFiles } from "./picked-files.ts";

const CURRENT: BootConfig = {
  kernel: { kind: "url", url: "http://x/Image" },
  initrd: { kind: "url", url: "http://x/initramfs" },
  append: "quiet",
  ramMiB: 256,
  disk: { name: "default" },
  relay: "ws://x/lan/default",
  ports: ["org.example.0"],
  vsockCid: 3,
};

it("puts picked files in the place of what the machine has", () => {
  const kernel = new File(["k"], "Image");
  const config = configOf({ kernel }, "debug", 512, CURRENT);
  expect(config).toEqual({
    kernel: { kind: "file", file: kernel },
    append: "debug",
    ramMiB: 512,
    disk: { name: "default" },
    relay: "ws://x/lan/default",
    ports: ["org.example.0"],
    vsockCid: 3,
  });
});

it("keeps the machine's kernel under another disk, which has a name of its own", () => {
  const disk = new File(["d"], "debian.img", { lastModified: 1 });
  const config = configOf({ disk }, "", 256, CURRENT);
  expect(config.kernel).toEqual(CURRENT.kernel);
  expect(config.initrd).toEqual(CURRENT.initrd);
  expect(config.disk?.name).toMatch(/^debian\.img@/);
  const newer = new File(["d"], "debian.img", { lastModified: 2 });
  expect(configOf({ disk: newer }, "", 256, CURRENT).disk?.name).not.toBe(config.disk?.name);
});

it("takes all of a saved machine from its file", () => {
  const saved = new File(["tabvisor"], "machine.tabvisor");
  const config = configOf({ saved }, "debug", 512, CURRENT);
  expect(config.saved).toEqual({ kind: "file", file: saved });
  expect(config.kernel).toBeUndefined();
  // One that could not be restored is not tried again with something else.
  const kernel = new File(["k"], "Image");
  expect(configOf({ kernel }, "", 256, config).saved).toBeUndefined();
  expect(configOf({ initrd: kernel }, "", 256, { ...CURRENT, ...config }).saved).toBeUndefined();
});

it("wants something to boot", () => {
  expect(() => configOf({}, "", 256, undefined)).toThrow("nothing to boot");
});

it("sorts dropped files by what they are", async () => {
  const kernel = new File([new Uint8Array(gzipSync(`${" ".repeat(56)}RSC\x05`))], "Image.gz");
  const initrd = new File(["070701"], "rootfs.cpio");
  const disk = new File(["x"], "disk.img");
  expect(await sortFiles([disk, kernel, initrd])).toEqual({ kernel, initrd, disk });
});
