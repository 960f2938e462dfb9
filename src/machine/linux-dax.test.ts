/** Files of a shared tree as memory of the embedded Linux: `mount -t virtiofs -o dax=always`. */
import { describe, expect, it } from "vitest";
import { FsDevice } from "../virtio/devices/fs.ts";
import { MemoryTree } from "../virtio/devices/host-tree/memory-tree.ts";
import { BufferTarget } from "../virtio/testing/buffer-target.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const MIB = 1024 * 1024;

const MAPPED_FILE = new URL("./testing/mapped-file.c", import.meta.url);

/** Smaller than the files, so that Linux has to give blocks back. */
const WINDOW_BYTES = 4 * MIB;

async function boot(tree: MemoryTree, windowBytes: number) {
  let device!: FsDevice;
  const session = new LinuxSession({
    windowBytes,
    attach: (machine) => {
      const dax = { memory: machine.memory, window: machine.openWindow(windowBytes) };
      device = new FsDevice("fs0", "box", tree, dax);
      machine.attach(device);
    },
  });
  await session.until(PROMPT);
  await session.command("while ! [ -e /run/share.box ]; do usleep 20000; done; umount /mnt/box");
  return { session, device };
}

function hostText(tree: MemoryTree, name: string, offset: number, length: number): string {
  const target = new BufferTarget(length);
  const count = tree.lookup(tree.root, name).content?.read(offset, target) as number;
  return new TextDecoder().decode(target.bytes.subarray(0, count));
}

describe.skipIf(!hasGuest)("virtio-fs with DAX in Linux", () => {
  it("reads and writes files in the window", { timeout: 3 * LIMIT_MS }, async () => {
    const tree = new MemoryTree({ nowMs: Date.now });
    const { session, device } = await boot(tree, WINDOW_BYTES);
    const run = (command: string) => session.output(command);
    expect(
      await run(
        "mount -t virtiofs -o dax=always box /mnt/box && cd /mnt/box; grep box /proc/mounts",
      ),
    ).toContain("dax=always");
    // More than the window holds at once.
    await run("head -c 9000000 /dev/urandom > /tmp/x; cp /tmp/x x");
    expect(await run("cmp /tmp/x x && echo same")).toBe("same");
    const { bytesRead, mappedBlocks } = device.counters();
    // Nothing was read by requests.
    expect([bytesRead, mappedBlocks <= WINDOW_BYTES / (2 * MIB)]).toEqual([0, true]);
    expect(mappedBlocks).toBeGreaterThan(0);

    // What is stored in mapped memory is in the file once it is closed.
    const { bytesWritten } = device.counters();
    await run("printf hello | dd of=x bs=1 seek=1000 conv=notrunc 2>/dev/null");
    expect(hostText(tree, "x", 1000, 5)).toBe("hello");
    expect(device.counters().bytesWritten).toBe(bytesWritten);
    expect(device.counters().storedBytes).toBeGreaterThan(0);
    await run("printf 12345 | dd of=x bs=1 seek=8000000 conv=notrunc,fsync 2>/dev/null");
    expect(hostText(tree, "x", 8_000_000, 5)).toBe("12345");
    // Requests that make a file longer are seen in the window, and so is its end.
    await run("echo one > log; cat log; echo two >> log");
    expect(await run("cat log; truncate -s 4 log; echo 2 >> log; cat log")).toBe(
      "one\ntwo\none\n2",
    );

    // What the host changes is seen by who opens the file then.
    expect(await run("head -c 4 log")).toBe("one");
    const log = tree.lookup(tree.root, "log");
    void log.content?.write(0, [new TextEncoder().encode("six")]);
    await tree.setattr(log, { mtime: "now" });
    expect(await run("head -c 4 log")).toBe("six");

    await run("cd /; umount /mnt/box");
    expect(device.counters()).toMatchObject({ mappedBlocks: 0, nodes: 0, handles: 0 });
    expect(await run("dmesg | grep -iE 'warn|bug|error|oops'")).toBe("");
  });

  it("runs programs that are mapped in the window", { timeout: 3 * LIMIT_MS }, async () => {
    const { session, device } = await boot(new MemoryTree({ nowMs: Date.now }), 16 * MIB);
    const run = (command: string) => session.output(command);
    await session.compile(MAPPED_FILE, "/tmp/mapped-file");
    const enter =
      "mount -t virtiofs -o dax=always box /mnt/box && cd /mnt/box && mkdir -p bin lib && " +
      "cp $(which busybox) /tmp/mapped-file bin && " +
      "cp /lib/ld-linux-riscv64-lp64d.so.1 /lib/riscv64-linux-gnu/libc.so.6 lib";
    expect(await run(`${enter} && echo there`)).toBe("there");
    expect(await run("for i in 1 2 3; do chroot . /bin/mapped-file /map; done")).toBe(
      "mapped ok\nmapped ok\nmapped ok",
    );
    expect(await run("chroot . /bin/busybox head -c 12 /map")).toBe("by a request");
    expect(device.counters().bytesRead).toBe(0);
    await run("cd /; umount /mnt/box");
    expect(device.counters()).toMatchObject({ mappedBlocks: 0, nodes: 0, handles: 0 });
    expect(await run("dmesg | grep -iE 'bad page|warn|bug|error|oops'")).toBe("");
  });
});
