/** Shared trees in the embedded Linux, by each device: one in memory and a real directory. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  hasGuest,
  LIMIT_MS,
  LinuxSession,
  PROMPT,
} from "../../src/machine/testing/linux-session.ts";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { NinePDevice } from "../../src/virtio/devices/9p.ts";
import { FsDevice } from "../../src/virtio/devices/fs.ts";
import { FileType, type HostTree } from "../../src/virtio/devices/host-tree/host-tree.ts";
import { MemoryTree } from "../../src/virtio/devices/host-tree/memory-tree.ts";
import { BufferTarget } from "../../src/virtio/testing/buffer-target.ts";
import { DirectoryTree } from "./directory-tree.ts";

const FAR = 5 * 2 ** 30;
const MANY = 5000;

/** A tree with the host's view of it. */
interface Share {
  readonly tree: HostTree;
  /** The text of a file in the root. */
  read(name: string): string;
  write(name: string, text: string): void;
  attributes(name: string): { readonly size: number; readonly permissions: number };
}

const folder = mkdtempSync(join(tmpdir(), "share-"));

afterAll(() => rmSync(folder, { recursive: true }));

function directory(): Share {
  const path = mkdtempSync(join(folder, "root-"));
  return {
    tree: new DirectoryTree(path),
    read: (name) => readFileSync(join(path, name), "utf8"),
    write: (name, text) => writeFileSync(join(path, name), text),
    attributes: (name) => {
      const { size, mode } = statSync(join(path, name));
      return { size, permissions: mode & 0o7777 };
    },
  };
}

function memory(): Share {
  const tree = new MemoryTree({ nowMs: Date.now });
  const flags = { read: true, write: true, truncate: true, append: false };
  return {
    tree,
    read: (name) => {
      const target = new BufferTarget(1000);
      const count = tree.lookup(tree.root, name).content?.read(0, target) as number;
      return new TextDecoder().decode(target.bytes.subarray(0, count));
    },
    write: (name, text) => {
      const known = tree.root.entries?.get(name);
      const creation = { mode: 0o644, uid: 0, gid: 0, type: FileType.REGULAR, rdev: 0 };
      const node = known ?? tree.mknod(tree.root, name, creation);
      const file = tree.open(node, flags) as { write: (at: number, from: Uint8Array[]) => number };
      file.write(0, [new TextEncoder().encode(text)]);
    },
    attributes: (name) => {
      const { size, mode } = tree.getattr(tree.lookup(tree.root, name));
      return { size, permissions: mode & 0o7777 };
    },
  };
}

/** Puts empty files named 1 to `count` into a new directory, from the host's side. */
async function fill(tree: HostTree, name: string, count: number): Promise<void> {
  const by = { mode: 0o755, uid: 0, gid: 0, type: FileType.REGULAR, rdev: 0 };
  const dir = await tree.mkdir(tree.root, name, by);
  for (let i = 1; i <= count; i++) await tree.mknod(dir, String(i), by);
}

type CreateDevice = (tag: string, tree: HostTree) => VirtioDevice;

const DEVICES: [string, CreateDevice][] = [
  ["virtiofs", (tag, tree) => new FsDevice("fs0", tag, tree)],
  ["9p", (tag, tree) => new NinePDevice("fs0", tag, tree)],
];

const TREES: [string, () => Share][] = [
  ["memory", memory],
  ["a directory", directory],
];

async function boot(device: VirtioDevice): Promise<LinuxSession> {
  const session = new LinuxSession({ attach: (machine) => machine.attach(device) });
  await session.until(PROMPT);
  await session.command("while ! [ -e /run/share.box ]; do usleep 20000; done; cd /mnt/box");
  return session;
}

describe.skipIf(!hasGuest).each(DEVICES)("%s in Linux", (type, createDevice) => {
  it.each(TREES)("shares %s", { timeout: 4 * LIMIT_MS }, async (_name, create) => {
    const { tree, read, write, attributes } = create();
    write("there", "before\n");
    const session = await boot(createDevice("box", tree));
    const run = (command: string) => session.output(command);
    expect(await run("mount | grep box")).toContain(`box on /mnt/box type ${type} (`);
    expect(await run("cat there")).toBe("before");

    // Files: made, written, read, renamed, changed, removed; the host sees the same.
    await run("echo one > a; echo two >> a; mv a b; chmod 4751 b");
    expect(read("b")).toBe("one\ntwo\n");
    expect(attributes("b").permissions).toBe(0o4751);
    expect(await run("cat b; stat -c %a b")).toBe("one\ntwo\n4751");
    await run("ln -s b soft; ln b hard; rm b");
    expect(await run("readlink soft; cat hard; cat soft; stat -c %h hard")).toMatch(
      /^b\none\ntwo\ncat: .*soft.*\n1$/,
    );
    await run("exec 5> open; rm open; echo kept >&5; exec 5>&-; mkdir -p d/e/f; rmdir d/e/f");
    expect(await run("ls -1; ls -1 d; rmdir d 2>&1")).toMatch(
      /^d\nhard\nsoft\nthere\ne\nrmdir: .*empty/,
    );
    expect(await run("touch -d '2001-02-03 04:05:06' hard; stat -c %Y hard")).toBe("981173106");
    expect(await run("mv d/e e; mv e d/e; mv -T d moved; ls moved; mv moved d")).toBe("e");

    // The host changes files, and the guest sees it at once.
    expect(await run("cat there; stat -c %s there")).toBe("before\n7");
    write("there", "something else\n");
    expect(await run("cat there; stat -c %s there")).toBe("something else\n15");
    write("new", "new\n");
    expect(await run("ls new; cat new")).toBe("new\nnew");

    // An offset beyond 4 GiB.
    await run(`printf end | dd of=big bs=1M seek=5120 conv=notrunc 2>/dev/null`);
    expect(attributes("big").size).toBe(FAR + 3);
    expect(await run("dd if=big bs=1M skip=5120 2>/dev/null; stat -c %s big")).toBe(
      `end${FAR + 3}`,
    );
    expect(await run("truncate -s 3 big; stat -c %s big; od -An -tx1 big")).toBe("3\n 00 00 00");

    // Data in large and in odd pieces.
    await run("head -c 300001 /dev/urandom > /tmp/x; cp /tmp/x x; dd if=x of=y bs=777 2>/dev/null");
    expect(await run("sync; cmp /tmp/x x && cmp x y && echo same")).toBe("same");
    expect(attributes("y").size).toBe(300_001);
    await run("cp /bin/busybox busybox; chmod 755 busybox");
    expect(await run("./busybox echo it runs")).toBe("it runs");

    // Directories: a large one of the host's, and one that the guest fills and empties.
    await fill(tree, "many", MANY);
    await run(`ls -1 many | sort -n > /tmp/listed; seq ${MANY} > /tmp/wanted`);
    expect(await run("cmp /tmp/listed /tmp/wanted && echo all")).toBe("all");
    await run("mkdir few; cd few; seq 300 | xargs touch; cd ..");
    expect(await run("ls -l few | tail -n +2 | wc -l; find few -type f | wc -l")).toBe("300\n300");
    expect(await run("rm -r few; ls -d few 2>&1")).toContain("No such file");
    expect(
      await run("df box . | tail -1 | wc -w; umount /mnt/box 2>&1; cd /; umount /mnt/box"),
    ).toContain("6");
    expect(await run(`mount -t ${type} box /mnt/box; cat /mnt/box/there`)).toBe("something else");
    expect(await run("dmesg | grep -iE 'warn|bug|error|oops'")).toBe("");
  });
});
