import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { LoadError } from "../src/machine/load-error.ts";
import { readEmbeddedGuest } from "./embedded-guest.ts";

it("reads what the manifest names, unpacked", async () => {
  const path = await mkdtemp(join(tmpdir(), "guest-"));
  const folder = pathToFileURL(`${path}/`);
  await expect(readEmbeddedGuest(folder)).rejects.toThrow(LoadError);

  const manifest = {
    kernel: { file: "K.gz", bytes: 5 },
    initramfs: { file: "I.gz" },
    append: "console=hvc0",
  };
  await writeFile(join(path, "manifest.json"), JSON.stringify(manifest));
  await writeFile(join(path, "K.gz"), gzipSync("kernel"));
  await writeFile(join(path, "I.gz"), gzipSync("initramfs").subarray(0, 15));
  await expect(readEmbeddedGuest(folder)).rejects.toThrow(/initramfs cannot be unpacked/);

  await writeFile(join(path, "I.gz"), gzipSync("initramfs"));
  const { kernel, initrd, append } = await readEmbeddedGuest(folder);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  expect([text(kernel), text(initrd), append]).toEqual(["kernel", "initramfs", "console=hvc0"]);
  await rm(path, { recursive: true });
});
