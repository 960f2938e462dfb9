import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Message } from "../virtio/devices/9p/protocol.ts";
import { FUSE_ROOT_ID, Opcode } from "../virtio/devices/fuse/abi.ts";
import { Errno } from "../virtio/devices/host-tree/errno.ts";
import { MemoryTree } from "../virtio/devices/host-tree/memory-tree.ts";
import { Status } from "../virtio/spec.ts";
import { FuseDriver, packed } from "../virtio/testing/fuse-driver.ts";
import { hostOutcome as outcome } from "../virtio/testing/host-outcome.ts";
import { fields, NinePDriver } from "../virtio/testing/ninep-driver.ts";
import { ShareTree } from "./share-tree.ts";
import { SharedFiles } from "./shared-files.ts";
import { MemoryDirectoryHandle, type MemoryHost } from "./testing/memory-handles.ts";

const by = { mode: 0o644, uid: 0, gid: 0 };
const PLAIN = { noReplace: false, exchange: false };
const bytes = (text: string) => new TextEncoder().encode(text);
const shown = (data: Uint8Array) => new TextDecoder().decode(data);

async function shared(more: Partial<MemoryHost> = {}) {
  const host: MemoryHost = { log: [], ...more };
  const lent = new MemoryDirectoryHandle("lent", host);
  (await lent.getFileHandle("a", { create: true })).replace(bytes("text"));
  const tree = new ShareTree(new MemoryTree({ nowMs: Date.now }), Date.now);
  expect(tree.lend(lent, false)).toBe("lent");
  return { tree, root: tree.root, lent, host };
}

describe("what a page shares", () => {
  it("has lent directories beside files, each with inode numbers of its own", async () => {
    const { tree, root, lent } = await shared();
    await tree.mknod(root, "own", { ...by, type: 0o100000, rdev: 0 });
    expect(tree.lend(lent, true)).toBe("lent-2");
    expect(tree.lend(new MemoryDirectoryHandle("own", { log: [] }), false)).toBe("own-2");
    expect(tree.lend(new MemoryDirectoryHandle("", { log: [] }), false)).toBe("directory");
    const entries = await tree.readdir(root);
    expect(entries.map(({ name }) => name)).toEqual([
      "own",
      "lent",
      "lent-2",
      "own-2",
      "directory",
    ]);
    const inos = [...entries.map(({ ino }) => ino), root.ino];
    const inner = await tree.lookup(await tree.lookup(root, "lent"), "a");
    inos.push((await tree.getattr(inner)).ino);
    expect(new Set(inos).size).toBe(inos.length);
    await tree.takeBack("lent");
    expect(await outcome(() => tree.lookup(root, "lent"))).toBe("ENOENT");
    expect(await outcome(() => tree.getattr(inner))).toBe("ESTALE");
  });

  it("keeps the names of lent directories, and moves nothing across", async () => {
    const { tree, root } = await shared();
    const lent = await tree.lookup(root, "lent");
    const inner = await tree.lookup(lent, "a");
    const own = await tree.mknod(root, "own", { ...by, type: 0o100000, rdev: 0 });
    const cases: [string, () => unknown][] = [
      ["EEXIST", () => tree.mkdir(root, "lent", by)],
      ["EEXIST", () => tree.symlink(root, "lent", "x", by)],
      ["EEXIST", () => tree.link(own, root, "lent")],
      ["EISDIR", () => tree.unlink(root, "lent")],
      ["EBUSY", () => tree.rmdir(root, "lent")],
      ["EBUSY", () => tree.rename(root, "lent", root, "x", PLAIN)],
      ["EBUSY", () => tree.rename(root, "own", root, "lent", PLAIN)],
      ["EXDEV", () => tree.rename(root, "own", lent, "x", PLAIN)],
      ["EXDEV", () => tree.rename(lent, "a", root, "x", PLAIN)],
      ["EXDEV", () => tree.link(own, lent, "x")],
      ["EPERM", () => tree.link(inner, lent, "x")],
      ["EPERM", () => tree.symlink(lent, "l", "x", by)],
      ["EINVAL", () => tree.readlink(inner)],
      ["ENODATA", () => tree.xattrs.get(inner, "user.x")],
      ["EOPNOTSUPP", () => tree.xattrs.set(inner, "user.x", bytes(""), PLAIN as never)],
    ];
    for (const [name, operation] of cases) {
      expect(await outcome(operation), `${operation}`).toBe(name);
    }
    expect(await tree.xattrs.list(inner)).toEqual([]);
  });

  it("takes no file that is to be in a lent directory", () => {
    const files = new SharedFiles(Date.now);
    files.tree.lend(new MemoryDirectoryHandle("lent", { log: [] }), false);
    const file = new File(["x"], "x");
    expect(["lent", "lent/x", "x/lent"].map((path) => files.add(path, file))).toEqual([
      false,
      false,
      true,
    ]);
  });

  it.each([false, true])("is read and written by virtio-fs (in place: %s)", async (isPrivate) => {
    const { tree, lent } = await shared({ isPrivate });
    const fuse = await new FuseDriver(tree).mount();
    const dir = await fuse.lookup("lent");
    const { node, fh } = await fuse.create("b", dir);
    for (const [i, part] of ["one ", "two ", "three"].entries()) {
      const args = packed(fh, BigInt(i * 4), part.length, 0, 0n, 0, 0, bytes(part));
      expect((await fuse.ask(Opcode.WRITE, node, args)).u32(0)).toBe(part.length);
    }
    const read = await fuse.ask(Opcode.READ, node, packed(fh, 4n, 100, 0, 0n, 0, 0), 116);
    expect(shown(read.bytes.slice())).toBe("two three");
    await fuse.ask(Opcode.FLUSH, node, packed(fh, 0, 0, 0n));
    expect(shown((await lent.getFileHandle("b")).bytes)).toBe("one two three");
    await fuse.ask(Opcode.RELEASE, node, packed(fh, 0, 0, 0n));
    await fuse.ask(Opcode.RENAME, dir, packed(BigInt(dir), "b", "c"));
    expect([...lent.children.keys()]).toEqual(["a", "c"]);
    const chmod = packed(1, 0, 0n, 0n, 0n, 0n, 0n, 0n, 0, 0, 0, 0o600, 0, 0, 0, 0);
    expect((await fuse.request(Opcode.SETATTR, node, chmod)).errno).toBe(Errno.EPERM);
    const symlink = packed("l", "a");
    expect((await fuse.request(Opcode.SYMLINK, dir, symlink)).errno).toBe(Errno.EPERM);
    await fuse.ask(Opcode.UNLINK, dir, packed("c"));
    expect([...lent.children.keys()]).toEqual(["a"]);
    // A reset in the middle keeps what was written, and leaves nothing open.
    const again = await fuse.create("d", dir);
    const args = packed(again.fh, 0n, 4, 0, 0n, 0, 0, bytes("kept"));
    await fuse.ask(Opcode.WRITE, again.node, args);
    fuse.driver.start({ queueSize: 16 });
    await expect.poll(async () => shown((await lent.getFileHandle("d")).bytes)).toBe("kept");
    expect((await lent.getFileHandle("d")).isLocked).toBe(false);
  });

  it("is read and written by 9P", async () => {
    const { tree, lent } = await shared();
    const ninep = await new NinePDriver(tree).mount();
    await ninep.walk(0, 1, "lent");
    await ninep.ask(Message.TLCREATE, fields(1, "b", 2, 0o644, 0));
    await ninep.ask(Message.TWRITE, fields(1, 3n, 4, bytes("text")));
    await ninep.ask(Message.TCLUNK, fields(1));
    expect(shown((await lent.getFileHandle("b")).bytes)).toBe("\0\0\0text");
    await ninep.walk(0, 2, "lent", "a");
    await ninep.ask(Message.TLOPEN, fields(2, 0));
    const body = await ninep.ask(Message.TREAD, fields(2, 1n, 100));
    expect(shown(new Uint8Array(body.buffer, body.byteOffset + 4, 3).slice())).toBe("ext");
    const link = fields(0, "l", "a", 0);
    expect((await ninep.request(Message.TSYMLINK, link)).errno).toBe(0);
    await ninep.walk(0, 3, "lent");
    expect((await ninep.request(Message.TSYMLINK, fields(3, "l", "a", 0))).errno).toBe(Errno.EPERM);
  });

  it("cannot be made to fail by any requests, nor to lose the host's file", async () => {
    const word = fc.oneof(fc.nat(4), fc.constantFrom(0x7fff_ffff, -1, 1 << 31));
    const request = fc.tuple(fc.nat(53), fc.nat(4), fc.array(word, { maxLength: 24 }), fc.nat(300));
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 6 }), async (requests) => {
        const { tree, lent } = await shared();
        const fuse = await new FuseDriver(tree, 16, 0x4_0000).mount();
        const dir = await fuse.lookup("lent");
        await fuse.lookup("a", dir);
        await fuse.create("b", dir);
        for (const [opcode, node, words, room] of requests) {
          await fuse.request(opcode, node, packed(...words), room);
        }
        expect(fuse.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
        expect(fuse.driver.guardsIntact()).toBe(true);
        expect(lent.children.has("a")).toBe(true);
        await fuse.mount();
        expect((await fuse.request(Opcode.STATFS, FUSE_ROOT_ID)).errno).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
