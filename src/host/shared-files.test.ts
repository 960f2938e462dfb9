import { expect, it } from "vitest";
import type { MemoryNode } from "../virtio/devices/host-tree/memory-tree.ts";
import { BufferTarget } from "../virtio/testing/buffer-target.ts";
import { SHARED_DEPTH_MAX, SharedFiles } from "./shared-files.ts";

const file = (text: string) => new File([text], "any", { lastModified: 1_600_000_000_000 });

async function read({ tree }: SharedFiles, ...path: string[]): Promise<string> {
  const node = path.reduce((at, name) => tree.lookup(at, name) as MemoryNode, tree.root);
  const target = new BufferTarget(100);
  const count = await node.content!.read(0, target);
  return new TextDecoder().decode(target.bytes.subarray(0, count));
}

it("shows files where they were put, and the latest of a name", async () => {
  const shared = new SharedFiles(Date.now);
  expect(shared.add("a.txt", file("one"))).toBe(true);
  expect(shared.add("d/e/b.txt", file("two"))).toBe(true);
  expect(await read(shared, "a.txt")).toBe("one");
  expect(await read(shared, "d", "e", "b.txt")).toBe("two");
  expect(shared.add("a.txt", file("three"))).toBe(true);
  expect(await read(shared, "a.txt")).toBe("three");
  const node = await shared.tree.lookup(shared.tree.root, "a.txt");
  const { size, mtime } = await shared.tree.getattr(node);
  expect([size, mtime.sec]).toEqual([5, 1_600_000_000]);
});

it("keeps what the guest writes apart from the person's file", async () => {
  const shared = new SharedFiles(Date.now);
  const original = file("original");
  shared.add("a", original);
  const node = shared.tree.lookup(shared.tree.root, "a") as MemoryNode;
  await node.content!.write(0, [Uint8Array.of(0x4f)]);
  expect(await read(shared, "a")).toBe("Original");
  expect(await original.text()).toBe("original");
});

it("refuses paths that are none", () => {
  const shared = new SharedFiles(Date.now);
  shared.add("dir/file", file(""));
  const deep = `${"d/".repeat(SHARED_DEPTH_MAX)}f`;
  const bad = [
    "",
    "/",
    "/a",
    "a//b",
    "..",
    "../a",
    "a/./b",
    "a\0b",
    "x".repeat(256),
    "\ud800",
    deep,
  ];
  for (const path of [...bad, "dir", "dir/file/x"]) {
    expect(shared.add(path, file("")), path).toBe(false);
  }
  expect([...shared.tree.root.entries!.keys()]).toEqual(["dir"]);
});
