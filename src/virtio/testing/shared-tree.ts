/** A tree of files for tests: one named `a`, of 100 bytes. */
import { MemoryTree } from "../devices/host-tree/memory-tree.ts";

export function sharedTree(): MemoryTree {
  const tree = new MemoryTree({ nowMs: () => 0 });
  const node = tree.mknod(tree.root, "a", { mode: 0o644, uid: 0, gid: 0, type: 0o100000, rdev: 0 });
  void node.content?.write(0, [new Uint8Array(100).fill(0x99)]);
  return tree;
}
