import { expect, it } from "vitest";
import { MEMORY_FILES_MAX, MEMORY_LINKS_MAX, MemoryTree } from "./memory-tree.ts";
import { XATTR_VALUE_MAX, XATTRS_MAX } from "./memory-xattrs.ts";

const newTree = (capacity = 1e9) => new MemoryTree({ nowMs: () => 0, capacity });
const BY = { mode: 0o644, uid: 0, gid: 0, type: 0o100000, rdev: 0 };

it("holds a bounded number of files and names", () => {
  const tree = newTree();
  const file = tree.mknod(tree.root, "a", BY);
  for (let i = 1; i < MEMORY_LINKS_MAX; i++) tree.link(file, tree.root, `l${i}`);
  expect(() => tree.link(file, tree.root, "x")).toThrow("EMLINK");
  const free = tree.statfs().freeFiles;
  expect(free).toBe(MEMORY_FILES_MAX - 2);
  for (let i = 0; i < free; i++) tree.mknod(tree.root, `f${i}`, BY);
  expect(() => tree.mknod(tree.root, "x", BY)).toThrow("ENOSPC");
  tree.unlink(tree.root, "f0");
  tree.mkdir(tree.root, "x", BY);
});

it("gives all its space back", () => {
  const tree = newTree(1 << 20);
  const { freeBlocks } = tree.statfs();
  const { node, file } = tree.create(tree.root, "a", BY, {
    read: true,
    write: true,
    truncate: false,
    append: false,
  });
  file.write(0, [new Uint8Array(500_000)]) as number;
  tree.symlink(tree.root, "l", "x".repeat(4000), BY);
  tree.xattrs.set(node, "user.a", new Uint8Array(1000), { create: false, replace: false });
  tree.unlink(tree.root, "l");
  tree.unlink(tree.root, "a");
  expect(tree.statfs().freeBlocks).toBeLessThan(freeBlocks);
  void file.close();
  expect(tree.statfs()).toMatchObject({ freeBlocks, freeFiles: MEMORY_FILES_MAX - 1 });
  expect(() => tree.getattr(node)).toThrow("ESTALE");
});

it("bounds the extended attributes of a file", () => {
  const tree = newTree();
  const file = tree.mknod(tree.root, "a", BY);
  const any = { create: false, replace: false };
  const largest = new Uint8Array(XATTR_VALUE_MAX);
  expect(() => tree.xattrs.set(file, "user.a", new Uint8Array(XATTR_VALUE_MAX + 1), any)).toThrow(
    "ENOSPC",
  );
  const count = Math.floor(XATTRS_MAX / (XATTR_VALUE_MAX + 6));
  for (let i = 0; i < count; i++) tree.xattrs.set(file, `user.${i}`, largest, any);
  expect(() => tree.xattrs.set(file, "user.x", largest, any)).toThrow("ENOSPC");
  // Over itself it fits.
  tree.xattrs.set(file, "user.0", largest, any);
});
