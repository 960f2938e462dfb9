import { describe, expect, it } from "vitest";
import {
  type AttributeChange,
  FileType,
  type HostFile,
  type OpenMode,
} from "../../virtio/devices/host-tree/host-tree.ts";
import { BufferTarget } from "../../virtio/testing/buffer-target.ts";
import { hostOutcome as outcome } from "../../virtio/testing/host-outcome.ts";
import {
  MemoryDirectoryHandle,
  type MemoryFileHandle,
  type MemoryHost,
} from "../testing/memory-handles.ts";
import type { HandleNode } from "./handle-node.ts";
import { HandleTree } from "./handle-tree.ts";

const RW: OpenMode = { read: true, write: true, truncate: false, append: false };
const by = { mode: 0o600, uid: 7, gid: 7 };
const PLAIN = { noReplace: false, exchange: false };
const bytes = (text: string) => new TextEncoder().encode(text);
const shown = (data: Uint8Array) => new TextDecoder().decode(data);

interface Options extends Partial<MemoryHost> {
  readonly readOnly?: boolean;
}

async function lent({ readOnly = false, ...rest }: Options = {}) {
  const host: MemoryHost = { log: [], ...rest };
  const handle = new MemoryDirectoryHandle("lent", host);
  const put = async (name: string, text: string): Promise<MemoryFileHandle> => {
    const file = await handle.getFileHandle(name, { create: true });
    file.replace(bytes(text));
    return file;
  };
  let now = 1_700_000_000_000;
  const tree = new HandleTree(handle, { readOnly, nowMs: () => (now += 2000), inoBase: 100 });
  const { root } = tree;
  const at = (name: string, dir: HandleNode = root) => tree.lookup(dir, name);
  const make = async (name: string, text = "") => {
    const { node, file } = await tree.create(root, name, by, RW);
    if (text !== "") await file.write(0, [bytes(text)]);
    await file.close();
    return node;
  };
  return { host, handle, put, tree, root, at, make };
}

async function read(file: HostFile, offset = 0, length = 100): Promise<string> {
  const target = new BufferTarget(length);
  const count = await file.read(offset, target);
  return shown(target.bytes.subarray(0, count));
}

describe("a lent directory", () => {
  it("shows what the host has, as the host changes it", async () => {
    const { put, tree, root, at, handle } = await lent();
    const hosts = await put("a", "one");
    await handle.getDirectoryHandle("d", { create: true });
    expect((await tree.readdir(root)).map(({ name, type }) => [name, type])).toEqual([
      ["a", FileType.REGULAR],
      ["d", FileType.DIRECTORY],
    ]);
    const node = await at("a");
    expect(await at("a")).toBe(node);
    expect(await tree.getattr(node)).toMatchObject({
      mode: 0o100755,
      uid: 0,
      size: 3,
      mtime: { sec: 1_000_000_001, nsec: 0 },
    });
    expect(await tree.getattr(await at("d"))).toMatchObject({ mode: 0o040755, nlink: 1 });
    const file = await tree.open(node, { ...RW, write: false });
    expect(await read(file)).toBe("one");
    hosts.replace(bytes("another"));
    expect(await read(file)).toBe("another");
    expect(await read(file, 3, 2)).toBe("th");
    expect(await read(file, 99)).toBe("");
    expect(await tree.getattr(node)).toMatchObject({ size: 7 });
    // Gone, and another kind of thing by the same name.
    await handle.removeEntry("a");
    expect(await outcome(() => tree.getattr(node))).toBe("ESTALE");
    await handle.getDirectoryHandle("a", { create: true });
    expect(await tree.getattr(await at("a"))).toMatchObject({ mode: 0o040755 });
    await handle.removeEntry("d");
    expect(await outcome(() => at("d"))).toBe("ENOENT");
  });

  it("puts what is written in the file's place when it is synced, closed or read", async () => {
    const { host, put, tree, at } = await lent();
    const hosts = await put("a", "0123456789");
    const node = await at("a");
    const file = await tree.open(node, RW);
    expect(await file.write(2, [bytes("x"), bytes("yz")])).toBe(3);
    expect(await file.write(12, [bytes("!")])).toBe(1);
    expect(await tree.getattr(node)).toMatchObject({ size: 13 });
    // Nobody sees half of it.
    expect(shown(hosts.bytes)).toBe("0123456789");
    await file.fsync(true);
    expect(shown(hosts.bytes)).toBe("01xyz56789\0\0!");
    await file.write(0, [bytes("A")]);
    expect(await read(file)).toBe("A1xyz56789\0\0!");
    await file.write(1, [bytes("B")]);
    await file.flush?.();
    expect(shown(hosts.bytes)).toBe("ABxyz56789\0\0!");
    await file.write(2, [bytes("C")]);
    await tree.syncfs();
    expect(shown(hosts.bytes)).toBe("ABCyz56789\0\0!");
    await file.write(3, [bytes("D")]);
    await file.close();
    expect(shown(hosts.bytes)).toBe("ABCDz56789\0\0!");
    expect(host.log).toEqual(new Array(5).fill("swap a kept"));
    expect(await outcome(() => file.write(0, [bytes("x")]))).toBe("EBADF");
  });

  it("keeps the order of what is asked at once", async () => {
    const { put, tree, at } = await lent();
    const hosts = await put("a", "");
    const file = await tree.open(await at("a"), { ...RW, append: true });
    const guest = bytes("?");
    const written = Array.from({ length: 9 }, (_, i) => {
      guest[0] = 48 + i;
      return file.write(0, [guest]);
    });
    const seen = read(file);
    guest[0] = 63;
    expect(await Promise.all(written)).toEqual(new Array(9).fill(1));
    expect(await seen).toBe("012345678");
    expect(shown(hosts.bytes)).toBe("012345678");
  });

  it("truncates, and copies nothing that is thrown away", async () => {
    const { host, put, tree, at } = await lent();
    const hosts = await put("a", "0123456789");
    const node = await at("a");
    await tree.setattr(node, { size: 4, mtime: "now" });
    expect(shown(hosts.bytes)).toBe("0123");
    const file = await tree.open(node, { ...RW, truncate: true });
    await file.write(1, [bytes("x")]);
    await file.close();
    expect(shown(hosts.bytes)).toBe("\0x");
    expect(host.log).toEqual(["swap a kept", "swap a"]);
    const before = hosts.lastModified;
    await tree.setattr(node, { atime: "now", mtime: "now" });
    expect(hosts.lastModified).toBeGreaterThan(before);
    expect(shown(hosts.bytes)).toBe("\0x");
  });

  it("writes the private files of the origin in place", async () => {
    const { host, put, tree, at } = await lent({ isPrivate: true });
    const hosts = await put("a", "0123456789");
    const node = await at("a");
    const file = await tree.open(node, RW);
    expect(await file.write(0, [bytes("x")])).toBe(1);
    // From now on nothing has to be waited for.
    expect(file.write(1, [bytes("y"), bytes("z")])).toBe(2);
    expect(file.read(0, new BufferTarget(3))).toBe(3);
    expect(tree.getattr(node)).toMatchObject({ size: 10 });
    expect(await read(file)).toBe("xyz3456789");
    await tree.setattr(node, { size: 3 });
    await file.fsync(false);
    expect(shown(hosts.bytes)).toBe("xyz");
    expect(hosts.isLocked).toBe(true);
    await file.close();
    expect(hosts.isLocked).toBe(false);
    expect(host.log).toEqual(["access a", "flush a", "flush a"]);
    hosts.isLocked = true;
    const again = await tree.open(node, RW);
    expect(await outcome(() => again.write(0, [bytes("x")]))).toBe("EBUSY");
  });

  it("holds offsets beyond 4 GiB, and no farther than it can count", async () => {
    const positions: number[] = [];
    const { put, tree, at } = await lent();
    const hosts = await put("a", "");
    hosts.createWritable = async () => ({
      write: async ({ position }) => void positions.push(position),
      truncate: async (size) => void positions.push(size),
      close: async () => {},
      abort: async () => {},
    });
    const file = await tree.open(await at("a"), RW);
    const far = 5 * 2 ** 32 + 3;
    expect(await file.write(far, [bytes("end")])).toBe(3);
    expect(await tree.getattr(await at("a"))).toMatchObject({ size: far + 3 });
    expect(positions).toEqual([far]);
    expect(await outcome(() => file.write(2 ** 53, [bytes("x")]))).toBe("EFBIG");
    const size: AttributeChange = { size: 2 ** 53 };
    expect(await outcome(async () => tree.setattr(await at("a"), size))).toBe("EFBIG");
  });

  it("tells of writes that failed, also those that it had taken for done", async () => {
    const { host, put, tree, at } = await lent();
    const hosts = await put("a", "before");
    const file = await tree.open(await at("a"), RW);
    await file.write(0, [bytes("lost")]);
    host.fault = "QuotaExceededError";
    expect(await outcome(() => file.write(4, [bytes("x")]))).toBe("ENOSPC");
    host.fault = undefined;
    expect(await outcome(() => file.fsync(false))).toBe("ENOSPC");
    expect(await outcome(() => file.fsync(false))).toBe("nothing");
    expect(shown(hosts.bytes)).toBe("before");
    await file.write(0, [bytes("x")]);
    host.fault = "NotAllowedError";
    expect(await outcome(() => file.flush?.())).toBe("EACCES");
    expect(await outcome(() => file.flush?.())).toBe("nothing");
    // Whoever reads first does not keep it from whoever syncs.
    host.fault = undefined;
    await file.write(0, [bytes("x")]);
    host.fault = "QuotaExceededError";
    expect(await outcome(() => read(file))).toBe("ENOSPC");
    expect(await outcome(() => file.fsync(false))).toBe("ENOSPC");
    expect(await read(file)).toBe("before");
  });

  it("makes, removes and moves names", async () => {
    for (const canMove of [false, true]) {
      const { tree, root, at, make, handle } = await lent({ canMove });
      const node = await make("a", "text");
      const dir = await tree.mkdir(root, "d", by);
      await tree.rename(root, "a", dir, "b", PLAIN);
      expect(await at("b", dir)).toBe(node);
      expect([...handle.children.keys()]).toEqual(["d"]);
      const file = await tree.open(node, RW);
      expect(await read(file)).toBe("text");
      await file.write(0, [bytes("T")]);
      // What is written goes along.
      await tree.rename(dir, "b", root, "c", PLAIN);
      await file.write(1, [bytes("E")]);
      expect(await read(file)).toBe("TExt");
      await file.close();
      const other = await make("o", "other");
      await tree.rename(root, "c", root, "o", PLAIN);
      expect(await outcome(() => tree.getattr(other))).toBe("ESTALE");
      expect(shown((await handle.getFileHandle("o")).bytes)).toBe("TExt");
      await tree.unlink(root, "o");
      await tree.rmdir(root, "d");
      expect(handle.children.size).toBe(0);
    }
  });

  it("says what is wrong, and what it cannot do, in Linux's words", async () => {
    const { tree, root, make, handle, at } = await lent();
    const file = await make("f");
    const dir = await tree.mkdir(root, "d", by);
    await tree.create(dir, "x", by, RW);
    const open = await tree.open(file, RW);
    const cases: [string, () => unknown][] = [
      ["ENOENT", () => at("none")],
      ["ENOENT", () => at("bad\u0001name")],
      ["ENOTDIR", () => tree.lookup(file, "x")],
      ["ENOTDIR", () => tree.readdir(file)],
      ["EEXIST", () => tree.mkdir(root, "f", by)],
      ["EEXIST", () => tree.create(root, "d", by, RW)],
      ["EINVAL", () => tree.create(root, "a\nb", by, RW)],
      ["EINVAL", () => tree.mkdir(root, "ends with a dot.", by)],
      ["EISDIR", () => tree.open(dir, RW)],
      ["EISDIR", () => tree.unlink(root, "d")],
      ["ENOTDIR", () => tree.rmdir(root, "f")],
      ["ENOTEMPTY", () => tree.rmdir(root, "d")],
      ["EBUSY", () => tree.unlink(root, "f")],
      ["ENOENT", () => tree.rename(root, "none", root, "y", PLAIN)],
      ["EEXIST", () => tree.rename(root, "f", root, "d", { ...PLAIN, noReplace: true })],
      ["EINVAL", () => tree.rename(root, "f", root, "d", { ...PLAIN, exchange: true })],
      ["EISDIR", () => tree.rename(root, "f", root, "d", PLAIN)],
      ["EINVAL", () => tree.rename(root, "d", dir, "inside", PLAIN)],
      ["EXDEV", () => tree.rename(root, "d", root, "e", PLAIN)],
      ["EPERM", () => tree.rename(root, "f", root, "F", PLAIN)],
      ["EPERM", () => tree.symlink()],
      ["EPERM", () => tree.link()],
      ["EINVAL", () => tree.readlink()],
      ["EPERM", () => tree.mknod(root, "p", { ...by, type: FileType.FIFO, rdev: 0 })],
      ["EPERM", () => tree.setattr(file, { mode: 0o644 })],
      ["nothing", () => tree.setattr(file, { mode: 0o755, uid: 0, gid: 0 })],
      ["EPERM", () => tree.setattr(file, { uid: 1000 })],
      ["EPERM", () => tree.setattr(file, { mtime: { sec: 1, nsec: 0 } })],
      ["EISDIR", () => tree.setattr(dir, { size: 0 })],
      ["EROFS", () => tree.setattr(file, { size: 0 })],
    ];
    // As in a browser that writes private files only.
    (await handle.getFileHandle("f")).createWritable = undefined as never;
    for (const [name, operation] of cases) {
      expect(await outcome(operation), `${operation}`).toBe(name);
    }
    await open.close();
  });

  it("is not changed when it is lent for reading", async () => {
    const { put, tree, root, at } = await lent({ readOnly: true });
    await put("a", "text");
    const node = await at("a");
    expect((await tree.getattr(node)).mode).toBe(0o100555);
    expect(await read(await tree.open(node, { ...RW, write: false }))).toBe("text");
    for (const operation of [
      () => tree.open(node, RW),
      () => tree.unlink(root, "a"),
      () => tree.rename(root, "a", root, "b", PLAIN),
      () => tree.mkdir(root, "d", by),
      () => tree.create(root, "c", by, RW),
      () => tree.setattr(node, { size: 0 }),
    ]) {
      expect(await outcome(operation), `${operation}`).toBe("EROFS");
    }
  });

  it("is gone for the guest when it is taken back, and has what was written", async () => {
    const { put, tree, root, at } = await lent();
    const hosts = await put("a", "text");
    const node = await at("a");
    const file = await tree.open(node, RW);
    await file.write(0, [bytes("next")]);
    await tree.close();
    expect(shown(hosts.bytes)).toBe("next");
    expect(await outcome(() => tree.getattr(root))).toBe("ESTALE");
    expect(await outcome(() => tree.getattr(node))).toBe("ESTALE");
    expect(await outcome(() => file.write(0, [bytes("more")]))).toBe("ESTALE");
    expect(shown(hosts.bytes)).toBe("next");
    await file.close();
  });
});
