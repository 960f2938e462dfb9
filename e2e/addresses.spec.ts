import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DIST, expect, RAW_DISK, test } from "./fixtures.ts";
import { startOpenServer } from "./open-server.ts";
import { startPlainHost } from "./plain-host.ts";
import { Vm } from "./vm.ts";

const MIB = 1 << 20;

test("boots a kernel and a disk from other servers; changes to the disk stay here", async ({
  page,
}) => {
  const image = randomBytes(16 * MIB);
  const kernel = await readFile(join(DIST, "guest/Image.gz"));
  const initramfs = await readFile(join(DIST, "guest/initramfs.cpio.gz"));
  const server = await startOpenServer({
    "Image.gz": kernel,
    "initramfs.gz": initramfs,
    "disk.img": image,
  });
  const host = await startPlainHost(DIST);
  try {
    const { url } = server;
    const query = `kernel=${url}Image.gz&initrd=${url}initramfs.gz&disk=${url}disk.img`;
    const vm = await new Vm(page).boot(`${host.url}?${query}&${RAW_DISK}`);
    expect(server.sent("disk.img"), "only what is read is fetched").toBeLessThan(4 * MIB);
    const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    const read = "dd if=/dev/vda bs=1M skip=3 count=2 2>/dev/null | sha256sum";
    expect(await vm.run(read)).toContain(sum(image.subarray(3 * MIB, 5 * MIB)));
    await vm.run("echo changed | dd of=/dev/vda bs=1M seek=3 conv=fsync,notrunc 2>/dev/null");
    await page.reload();
    await vm.prompt();
    image.write("changed\n", 3 * MIB);
    expect(await vm.run(read)).toContain(sum(image.subarray(3 * MIB, 5 * MIB)));
  } finally {
    server.close();
    host.close();
  }
});

test("gives the machine the memory that the address says", async ({ vm, site }) => {
  await vm.boot(`${site}?ram=96&disk=none`);
  const kib = Number(await vm.run("sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"));
  expect(kib).toBeGreaterThan(64 * 1024);
  expect(kib).toBeLessThan(96 * 1024);
});
