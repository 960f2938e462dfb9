import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Status } from "../spec.ts";
import { settle } from "../testing/driver.ts";
import { fields, NinePDriver } from "../testing/ninep-driver.ts";
import { FIDS_MAX, FidTable } from "./9p/fids.ts";
import { WALK_MAX } from "./9p/namespace-operations.ts";
import { ERROR_SIZE, HEADER_SIZE, Message } from "./9p/protocol.ts";
import { MSIZE_MAX, MSIZE_MIN, REQUEST_MAX } from "./9p/session.ts";
import { NinePDevice, TAG_MAX } from "./9p.ts";
import { Errno } from "./host-tree/errno.ts";
import { type HostFile, OPEN_FILES_MAX } from "./host-tree/host-tree.ts";
import { MemoryTree } from "./host-tree/memory-tree.ts";

const newTree = () => new MemoryTree({ nowMs: () => 1_700_000_000_123 });
const text = (string: string) => new TextEncoder().encode(string);
const shown = (view: DataView, offset: number, length?: number) =>
  new TextDecoder().decode(
    new Uint8Array(
      view.buffer,
      view.byteOffset + offset,
      length ?? view.byteLength - offset,
    ).slice(),
  );

async function mounted(tree = newTree()) {
  const ninep = await new NinePDriver(tree).mount();
  return { tree, ninep };
}

/** A new file of fid 0, opened under another fid. */
async function created(ninep: NinePDriver, fid: number, name: string): Promise<void> {
  await ninep.walk(0, fid);
  await ninep.ask(Message.TLCREATE, fields(fid, name, 2, 0o644, 100));
}

describe("the device", () => {
  it("has its tag in its configuration", () => {
    const { driver } = new NinePDriver(newTree());
    expect(driver.config(0, 2)).toBe(5);
    expect(String.fromCharCode(...[2, 3, 4, 5, 6].map((at) => driver.config(at, 1)))).toBe("share");
    expect(() => new NinePDevice("fs0", "", newTree())).toThrow(RangeError);
    expect(() => new NinePDevice("fs0", "x".repeat(TAG_MAX + 1), newTree())).toThrow(RangeError);
  });

  it("negotiates its version, and serves nothing before", async () => {
    const ninep = new NinePDriver(newTree());
    const attach = fields(0, -1, "root", "", 0);
    expect((await ninep.request(Message.TATTACH, attach)).errno).toBe(Errno.EPROTO);
    const version = (msize: number, name: string) =>
      ninep.request(Message.TVERSION, fields(msize, name));
    const { body } = await version(0xffff_ffff, "9P2000.L");
    expect([body.getUint32(0, true), shown(body, 6)]).toEqual([MSIZE_MAX, "9P2000.L"]);
    expect((await version(MSIZE_MIN - 1, "9P2000.L")).errno).toBe(Errno.EINVAL);
    expect((await ninep.request(Message.TATTACH, attach)).errno).toBe(0);
    // A new one ends what was before.
    expect(shown((await version(8192, "9P2000.u")).body, 6)).toBe("unknown");
    expect((await ninep.request(Message.TCLUNK, fields(0))).errno).toBe(Errno.EPROTO);
  });

  it("answers EOPNOTSUPP to what it does not know", async () => {
    const { ninep } = await mounted();
    for (const type of [0, 6, 102, 112, 124, 255]) {
      expect((await ninep.request(type, new Uint8Array(64))).errno).toBe(Errno.EOPNOTSUPP);
    }
  });
});

describe("files", () => {
  it("are made, written, read, changed and removed", async () => {
    const { ninep, tree } = await mounted();
    await created(ninep, 1, "a");
    const data = text("hello");
    const far = 5n << 32n;
    const count = await ninep.ask(Message.TWRITE, fields(1, far, data.length, data));
    expect(count.getUint32(0, true)).toBe(5);
    const read = await ninep.ask(Message.TREAD, fields(1, far + 1n, 100));
    expect([read.getUint32(0, true), shown(read, 4)]).toEqual([4, "ello"]);
    const node = tree.lookup(tree.root, "a");
    expect(tree.getattr(node)).toMatchObject({ uid: 1000, gid: 100, mode: 0o100644 });
    await ninep.ask(
      Message.TSETATTR,
      fields(1, 1 | 8 | 0x20 | 0x100, 0o600, 0, 0, 3n, 0n, 0n, 7n, 9n),
    );
    expect(tree.getattr(node)).toMatchObject({
      mode: 0o100600,
      size: 3,
      mtime: { sec: 7, nsec: 9 },
    });
    const attributes = await ninep.ask(Message.TGETATTR, fields(1, 0x7ffn));
    expect(attributes.byteLength).toBe(153);
    expect(attributes.getUint32(21, true)).toBe(0o100600);
    await ninep.ask(Message.TFSYNC, fields(1, 0));
    await ninep.ask(Message.TUNLINKAT, fields(0, "a", 0));
    expect((await ninep.ask(Message.TREAD, fields(1, 0n, 9))).getUint32(0, true)).toBe(3);
    await ninep.ask(Message.TCLUNK, fields(1));
    expect((await ninep.request(Message.TREAD, fields(1, 0n, 9))).errno).toBe(Errno.EBADF);
    expect((await ninep.walk(0, 1, "a")).errno).toBe(Errno.ENOENT);
  });

  it("are walked to, moved and linked", async () => {
    const { ninep, tree } = await mounted();
    await ninep.ask(Message.TMKDIR, fields(0, "d", 0o755, 0));
    await ninep.ask(Message.TSYMLINK, fields(0, "l", "/etc/passwd", 0));
    await ninep.walk(0, 1, "l");
    expect(shown(await ninep.ask(Message.TREADLINK, fields(1)), 2)).toBe("/etc/passwd");
    await created(ninep, 2, "f");
    await ninep.walk(0, 3, "d");
    await ninep.ask(Message.TLINK, fields(3, 2, "g"));
    await ninep.ask(Message.TRENAMEAT, fields(3, "g", 0, "h"));
    await ninep.walk(0, 4, "h");
    await ninep.ask(Message.TRENAME, fields(4, 3, "i"));
    expect(tree.lookup(tree.lookup(tree.root, "d"), "i").nlink).toBe(2);
    // Its fid knows the new name.
    await ninep.ask(Message.TREMOVE, fields(4));
    expect(tree.lookup(tree.root, "d").entries!.size).toBe(0);
    expect((await ninep.request(Message.TREMOVE, fields(4))).errno).toBe(Errno.EBADF);
    // Part of a walk says how far it came, and makes no fid.
    const part = await ninep.walk(0, 5, "d", "none");
    expect([part.errno, part.body.getUint16(0, true)]).toEqual([0, 1]);
    expect((await ninep.request(Message.TCLUNK, fields(5))).errno).toBe(Errno.EBADF);
    // Up from the root is the root.
    const up = await ninep.walk(3, 5, "..", "..", "..", "d");
    expect(up.body.getUint16(0, true)).toBe(4);
    expect((await ninep.request(Message.TREMOVE, fields(0))).errno).toBe(Errno.EBUSY);
  });

  it("are listed in pieces", async () => {
    const { ninep, tree } = await mounted();
    const by = { mode: 0o644, uid: 0, gid: 0, type: 0o100000, rdev: 0 };
    for (let i = 0; i < 300; i++) tree.mknod(tree.root, `f${i}`, by);
    await ninep.walk(0, 1);
    await ninep.ask(Message.TLOPEN, fields(1, 0));
    const names: string[] = [];
    for (let offset = 0n; ; ) {
      const body = await ninep.ask(Message.TREADDIR, fields(1, offset, 1000));
      const end = 4 + body.getUint32(0, true);
      if (end === 4) break;
      for (let at = 4; at < end; ) {
        const length = body.getUint16(at + 22, true);
        offset = body.getBigUint64(at + 13, true);
        names.push(shown(body, at + 24, length));
        at += 24 + length;
      }
    }
    expect(names).toEqual([".", "..", ...Array.from({ length: 300 }, (_, i) => `f${i}`)]);
    expect((await ninep.request(Message.TREADDIR, fields(1, 0n, 10))).errno).toBe(Errno.EINVAL);
    expect((await ninep.request(Message.TREADDIR, fields(0, 0n, 100))).errno).toBe(Errno.EBADF);
  });

  it("have extended attributes, set when their fid is given back", async () => {
    const { ninep, tree } = await mounted();
    await created(ninep, 1, "a");
    const node = tree.lookup(tree.root, "a");
    const set = async (name: string, value: string, flags: number) => {
      await ninep.walk(0, 2, "a");
      const create = fields(2, name, BigInt(value.length), flags);
      const { errno } = await ninep.request(Message.TXATTRCREATE, create);
      if (errno !== 0) return errno;
      const bytes = text(value);
      if (bytes.length > 0) await ninep.ask(Message.TWRITE, fields(2, 0n, bytes.length, bytes));
      return (await ninep.request(Message.TCLUNK, fields(2))).errno;
    };
    expect(await set("user.a", "value", 0)).toBe(0);
    expect(await set("user.a", "value", 1)).toBe(Errno.EEXIST);
    const size = await ninep.ask(Message.TXATTRWALK, fields(1, 3, "user.a"));
    expect(size.getUint32(0, true)).toBe(5);
    expect(shown(await ninep.ask(Message.TREAD, fields(3, 1n, 99)), 4)).toBe("alue");
    await ninep.ask(Message.TCLUNK, fields(3));
    await ninep.ask(Message.TXATTRWALK, fields(1, 3, ""));
    expect(shown(await ninep.ask(Message.TREAD, fields(3, 0n, 99)), 4)).toBe("user.a\0");
    expect(await set("user.a", "", 2)).toBe(0);
    expect(tree.xattrs.list(node)).toEqual([]);
    expect(await set("system.posix_acl_access", "x", 0)).toBe(Errno.EOPNOTSUPP);
    // More than was announced.
    await ninep.walk(0, 4, "a");
    await ninep.ask(Message.TXATTRCREATE, fields(4, "user.b", 2n, 0));
    const more = fields(4, 1n, 2, text("xx"));
    expect((await ninep.request(Message.TWRITE, more)).errno).toBe(Errno.ENOSPC);
    await ninep.walk(0, 5, "a");
    const huge = fields(5, "user.b", 1n << 40n, 0);
    expect((await ninep.request(Message.TXATTRCREATE, huge)).errno).toBe(Errno.ENOSPC);
  });

  it("can be locked, since nobody else has them", async () => {
    const { ninep } = await mounted();
    await created(ninep, 1, "a");
    const range = fields(0n, 100n, 7, "me");
    const lock = fields(1, Uint8Array.of(1), 0, range);
    expect((await ninep.ask(Message.TLOCK, lock)).getUint8(0)).toBe(0);
    const held = await ninep.ask(Message.TGETLOCK, fields(1, Uint8Array.of(1), range));
    expect([held.getUint8(0), shown(held, 23)]).toEqual([2, "me"]);
  });
});

describe("a hostile guest", () => {
  it("cannot leave the tree by names", async () => {
    const { ninep, tree } = await mounted();
    for (const name of ["", ".", "a/b", "../x", "/etc", "a\0b"]) {
      expect((await ninep.walk(0, 1, name)).errno, name).toBe(Errno.EINVAL);
    }
    for (const name of ["", ".", "..", "a/b"]) {
      const made = fields(0, name, 0o755, 0);
      expect((await ninep.request(Message.TMKDIR, made)).errno, name).toBe(Errno.EINVAL);
    }
    expect((await ninep.walk(0, 1, "x".repeat(256))).errno).toBe(Errno.ENAMETOOLONG);
    const many = Array.from({ length: WALK_MAX + 1 }, () => "..");
    expect((await ninep.walk(0, 1, ...many)).errno).toBe(Errno.EINVAL);
    expect(tree.root.entries!.size).toBe(0);
  });

  it("cannot use fids that it has not, or in two ways", async () => {
    const { ninep } = await mounted();
    await created(ninep, 1, "a");
    expect((await ninep.walk(9, 2)).errno).toBe(Errno.EBADF);
    expect((await ninep.walk(0, 1)).errno).toBe(Errno.EBADF);
    expect((await ninep.walk(1, 2)).errno).toBe(Errno.EBADF);
    expect((await ninep.request(Message.TLOPEN, fields(1, 0))).errno).toBe(Errno.EBADF);
    expect((await ninep.request(Message.TREAD, fields(0, 0n, 9))).errno).toBe(Errno.EBADF);
    expect((await ninep.request(Message.TWRITE, fields(0, 0n, 0))).errno).toBe(Errno.EBADF);
    expect((await ninep.request(Message.TLOPEN, fields(0, 1))).errno).toBe(Errno.EISDIR);
    expect((await ninep.request(Message.TATTACH, fields(0, -1, "", "", 0))).errno).toBe(
      Errno.EBADF,
    );
    expect((await ninep.request(Message.TATTACH, fields(7, -1, "", "/etc", 0))).errno).toBe(
      Errno.ENOENT,
    );
  });

  it("hears of an error before anything is done that it has no room to hear of", async () => {
    const { ninep, tree } = await mounted();
    const mkdir = fields(0, "d", 0o755, 0);
    expect((await ninep.request(Message.TMKDIR, mkdir, 19)).errno).toBe(Errno.EINVAL);
    expect((await ninep.request(Message.TMKDIR, mkdir, ERROR_SIZE - 1)).body.byteLength).toBe(0);
    expect(tree.root.entries!.size).toBe(0);
    await created(ninep, 1, "a");
    const lie = fields(1, 0n, 100, text("short"));
    expect((await ninep.request(Message.TWRITE, lie)).errno).toBe(Errno.EINVAL);
    await ninep.ask(Message.TWRITE, fields(1, 0n, 50, new Uint8Array(50)));
    const clipped = await ninep.ask(Message.TREAD, fields(1, 0n, -1), 20);
    expect(clipped.getUint32(0, true)).toBe(9);
  });

  it("is looked at for no more of a request than its limit", async () => {
    const ninep = new NinePDriver(newTree());
    const room = REQUEST_MAX - HEADER_SIZE - fields(0, "").length;
    const version = (length: number) =>
      ninep.request(Message.TVERSION, fields(8192, "x".repeat(length)));
    expect(shown((await version(room)).body, 6)).toBe("unknown");
    expect((await version(room + 1)).errno).toBe(Errno.EINVAL);
    expect((await version(2 * REQUEST_MAX)).errno).toBe(Errno.EINVAL);
  });

  it("has bounded numbers of fids and open files", () => {
    const table = new FidTable();
    const location = { node: {}, parent: undefined, name: "" };
    const xattr = { name: "", value: new Uint8Array(), flags: undefined };
    for (let fid = 0; fid < OPEN_FILES_MAX; fid++) table.set(fid, { location, uid: 0, xattr });
    expect(() => table.checkRoom()).toThrow("ENFILE");
    expect(() => table.set(-1, { location, uid: 0, xattr })).toThrow("ENFILE");
    for (let fid = OPEN_FILES_MAX; fid < FIDS_MAX; fid++) table.set(fid, { location, uid: 0 });
    expect(() => table.checkFree(-1)).toThrow("ENFILE");
    expect(() => table.set(-1, { location, uid: 0 })).toThrow("ENFILE");
    table.take(0);
    table.checkRoom();
    table.set(-1, { location, uid: 0, xattr });
  });

  it("cannot make it fail with any request", async () => {
    const types = Object.values(Message);
    const word = fc.oneof(fc.nat(4), fc.constantFrom(0x7fff_ffff, -1, 0x0001_0000));
    const request = fc.tuple(
      fc.oneof(fc.constantFrom(...types), fc.nat(255)),
      fc.array(word, { maxLength: 16 }),
      fc.nat(300),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 6 }), async (requests) => {
        const ninep = await new NinePDriver(newTree(), 0x4_0000).mount();
        await created(ninep, 1, "a");
        for (const [type, words, room] of requests) {
          await ninep.request(type, fields(...words, new Uint8Array(1)), room);
        }
        expect(ninep.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
        expect(ninep.driver.guardsIntact()).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

it("flushes a request when that has been answered", async () => {
  const tree = newTree();
  tree.mknod(tree.root, "a", { mode: 0o644, uid: 0, gid: 0, type: 0o100000, rdev: 0 });
  let go = () => {};
  const open = tree.open.bind(tree);
  tree.open = async (...operands): Promise<HostFile> => {
    await new Promise<void>((resolve) => {
      go = resolve;
    });
    return open(...operands);
  };
  const { ninep } = await mounted(tree);
  await ninep.walk(0, 1, "a");
  const opening = ninep.send(Message.TLOPEN, fields(1, 0), 4096, 7);
  const flushing = ninep.send(Message.TFLUSH, Uint8Array.of(7, 0), 4096, 8);
  const [queue] = ninep.driver.queues;
  expect(queue.poll()).toEqual([]);
  go();
  await settle();
  expect(queue.poll().map(({ id }) => id)).toEqual([opening.id, flushing.id]);
  // And one that is not on its way, at once.
  expect((await ninep.request(Message.TFLUSH, Uint8Array.of(7, 0))).errno).toBe(0);
});
