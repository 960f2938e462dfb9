/** Files of a shared tree as memory of the embedded Linux: `mount -t virtiofs -o dax=always`. */
import { describe, expect, it } from "vitest";
import { FsDevice } from "../virtio/devices/fs.ts";
import { MemoryTree } from "../virtio/devices/host-tree/memory-tree.ts";
import { BufferTarget } from "../virtio/testing/buffer-target.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const MIB = 1024 * 1024;

/** Smaller than the files, so that Linux has to give blocks back. */
const WINDOW_BYTES = 8 * MIB;

async function boot(tree: MemoryTree) {
  let device!: FsDevice;
  const session = new LinuxSession({
    windowBytes: WINDOW_BYTES,
    attach: (machine) => {
      device = new FsDevice("fs0", "box", tree, machine.openWindow(WINDOW_BYTES));
      machine.attach(device);
    },
  });
  await session.until(PROMPT);
  await session.command("while ! [ -e /run/share.box ]; do usleep 20000; done; umount /mnt/box");
  return { session, device };
}

describe.skipIf(!hasGuest)("virtio-fs with DAX in Linux", () => {
  it("reads, writes and runs files in the window", { timeout: 3 * LIMIT_MS }, async () => {
    const tree = new MemoryTree({ nowMs: Date.now });
    const { session, device } = await boot(tree);
    const mounted = await session.command(
      "mount -t virtiofs -o dax=always box /mnt/box && cd /mnt/box && grep box /proc/mounts",
    );
    console.log(mounted);
    console.log(await session.command("dmesg | tail -5; cat /proc/iomem | tail -5"));
    console.log(
      await session.command(
        "head -c 20000000 /dev/urandom > /tmp/x; cp /tmp/x x; cmp /tmp/x x && echo same",
      ),
      device.counters(),
    );
    console.log(
      await session.command(
        "printf hello | dd of=x bs=1 seek=1000 conv=notrunc; dd if=x bs=1 skip=999 count=7",
      ),
      device.counters(),
    );
    console.log(
      await session.command("cp /bin/busybox .; ./busybox echo runs; dmesg | tail -3"),
      device.counters(),
    );
    void BufferTarget;
    void expect;
  });
});
