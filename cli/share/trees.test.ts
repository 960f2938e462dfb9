/** What every shared tree does alike: one in memory and a real directory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  FileType,
  type HostTree,
  type OpenMode,
} from "../../src/virtio/devices/host-tree/host-tree.ts";
import { MemoryTree } from "../../src/virtio/devices/host-tree/memory-tree.ts";
import { BufferTarget } from "../../src/virtio/testing/buffer-target.ts";
import { DirectoryTree } from "./directory-tree.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newDirectory(): DirectoryTree {
  const folder = mkdtempSync(join(tmpdir(), "share-"));
  folders.push(folder);
  return new DirectoryTree(folder);
}

const TREES: [string, () => HostTree][] = [
  ["in memory", () => new MemoryTree({ nowMs: Date.now })],
  ["of a real directory", newDirectory],
];

const by = (mode: number) => ({ mode, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 });
const RW: OpenMode = { read: true, write: true, truncate: false, append: false };
const PLAIN = { noReplace: false, exchange: false };
const bytes = (text: string) => new TextEncoder().encode(text);

async function content(tree: HostTree, node: object): Promise<string> {
  const file = await tree.open(node, { ...RW, write: false });
  const target = new BufferTarget(1000);
  const count = await file.read(0, target);
  await file.close();
  return new TextDecoder().decode(target.bytes.subarray(0, count));
}

async function put(tree: HostTree, dir: object, name: string, text: string): Promise<object> {
  const { node, file } = await tree.create(dir, name, by(0o644), RW);
  await file.write(0, [bytes(text)]);
  await file.close();
  return node;
}

const failing = (name: string) => expect.objectContaining({ message: name });
const outcome = async (operation: () => unknown) => {
  try {
    return await operation();
  } catch (error) {
    return error;
  }
};

describe.each(TREES)("a tree %s", (_name, create) => {
  it("has one node for each inode, whatever its name is now", async () => {
    const tree = create();
    const { root } = tree;
    const dir = await tree.mkdir(root, "d", by(0o755));
    const node = await put(tree, dir, "a", "text");
    expect(await tree.lookup(dir, "a")).toBe(node);
    await tree.link(node, root, "b");
    expect(await tree.lookup(root, "b")).toBe(node);
    expect(await tree.getattr(node)).toMatchObject({ nlink: 2, size: 4, mode: 0o100644 });
    await tree.rename(root, "b", dir, "c", PLAIN);
    await tree.rename(root, "d", root, "e", PLAIN);
    expect(await tree.lookup(dir, "c")).toBe(node);
    await tree.unlink(dir, "a");
    expect(await content(tree, node)).toBe("text");
    const names = (await tree.readdir(dir)).map(({ name, type }) => [name, type]);
    expect(names).toEqual([["c", FileType.REGULAR]]);
  });

  it("keeps an open file that has no name any more", async () => {
    const tree = create();
    const { node, file } = await tree.create(tree.root, "a", by(0o400), RW);
    await tree.unlink(tree.root, "a");
    await file.write(2, [bytes("x"), bytes("yz")]);
    await tree.setattr(node, { size: 4 });
    expect(await tree.getattr(node)).toMatchObject({ size: 4, mode: 0o100400 });
    const target = new BufferTarget(9);
    expect(await file.read(1, target)).toBe(3);
    expect([...target.bytes.subarray(0, 3)]).toEqual([0, 120, 121]);
    await file.close();
    expect(await outcome(() => tree.open(node, RW))).toEqual(failing("ESTALE"));
  });

  it("changes attributes", async () => {
    const tree = create();
    const node = await put(tree, tree.root, "a", "text");
    const mtime = { sec: 1_000_000_000, nsec: 500_000_000 };
    await tree.setattr(node, { mode: 0o4711, mtime, size: 2 });
    const attributes = await tree.getattr(node);
    expect(attributes).toMatchObject({ mode: 0o104711, mtime, size: 2 });
    const atime = { sec: -5, nsec: 250_000_000 };
    await tree.setattr(node, { atime });
    expect(await tree.getattr(node)).toMatchObject({ atime, mtime });
    await tree.setattr(node, { mtime: "now" });
    const { mtime: now } = await tree.getattr(node);
    expect(Math.abs(now.sec - Date.now() / 1000)).toBeLessThan(60);
  });

  it("keeps links as text", async () => {
    const tree = create();
    for (const target of ["/etc/passwd", "../../..", "nowhere", "x".repeat(200)]) {
      const link = await tree.symlink(tree.root, "l", target, by(0o777));
      expect(await tree.readlink(link)).toBe(target);
      expect(await tree.getattr(link)).toMatchObject({ size: target.length });
      expect(await outcome(() => tree.open(link, RW))).toBeInstanceOf(Error);
      expect(await outcome(() => tree.readdir(link))).toBeInstanceOf(Error);
      expect(await outcome(() => tree.lookup(link, "hosts"))).toBeInstanceOf(Error);
      await tree.unlink(tree.root, "l");
    }
    const node = await put(tree, tree.root, "a", "");
    expect(await outcome(() => tree.readlink(node))).toEqual(failing("EINVAL"));
  });

  it("says what is wrong in Linux's words", async () => {
    const tree = create();
    const { root } = tree;
    const file = await put(tree, root, "f", "");
    const dir = await tree.mkdir(root, "d", by(0o755));
    await put(tree, dir, "x", "");
    const cases: [string, () => unknown][] = [
      ["ENOENT", () => tree.lookup(root, "none")],
      ["ENOTDIR", () => tree.lookup(file, "x")],
      ["EEXIST", () => tree.mkdir(root, "f", by(0o755))],
      ["EEXIST", () => tree.create(root, "f", by(0o644), RW)],
      ["EEXIST", () => tree.symlink(root, "d", "x", by(0o777))],
      ["EEXIST", () => tree.link(file, root, "d")],
      ["EPERM", () => tree.link(dir, root, "e")],
      ["EISDIR", () => tree.unlink(root, "d")],
      ["ENOTDIR", () => tree.rmdir(root, "f")],
      ["ENOTEMPTY", () => tree.rmdir(root, "d")],
      ["ENOENT", () => tree.rmdir(root, "none")],
      ["ENOENT", () => tree.rename(root, "none", root, "y", PLAIN)],
      ["EEXIST", () => tree.rename(root, "f", root, "d", { ...PLAIN, noReplace: true })],
      ["EINVAL", () => tree.rename(root, "d", dir, "inside", PLAIN)],
      ["EISDIR", () => tree.rename(root, "f", root, "d", PLAIN)],
      ["ENOTDIR", () => tree.rename(root, "d", root, "f", PLAIN)],
      ["ENOTDIR", () => tree.readdir(file)],
      ["EISDIR", () => tree.open(dir, RW)],
    ];
    for (const [name, operation] of cases) {
      expect(await outcome(operation), `${operation}`).toEqual(failing(name));
    }
  });

  it("gives a directory's group to what is made in it, if it says so", async () => {
    const tree = create();
    const { root } = tree;
    const dir = await tree.mkdir(root, "d", by(0o755));
    await tree.setattr(dir, { mode: 0o2775 });
    const inner = await tree.mkdir(dir, "e", by(0o700));
    expect((await tree.getattr(inner)).mode & 0o7777).toBe(0o2700);
    expect((await tree.getattr(inner)).gid).toBe((await tree.getattr(dir)).gid);
  });

  it("holds files of more than 4 GiB, and syncs", async () => {
    const tree = create();
    const { node, file } = await tree.create(tree.root, "big", by(0o644), RW);
    const far = 5 * 2 ** 32 + 3;
    expect(await file.write(far, [bytes("end")])).toBe(3);
    expect((await tree.getattr(node)).size).toBe(far + 3);
    const target = new BufferTarget(10);
    expect(await file.read(far - 1, target)).toBe(4);
    expect([...target.bytes.subarray(0, 4)]).toEqual([0, ...bytes("end")]);
    await file.fsync(true);
    await file.fsync(false);
    await tree.fsyncdir(tree.root);
    await file.close();
    await tree.syncfs?.();
    const { blockSize, blocks, freeBlocks } = await tree.statfs();
    expect(blocks).toBeGreaterThan(freeBlocks);
    expect(blockSize).toBeGreaterThanOrEqual(512);
  });
});
