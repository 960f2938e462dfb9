import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Status } from "../spec.ts";
import { settle } from "../testing/driver.ts";
import { FuseDriver, packed } from "../testing/fuse-driver.ts";
import { FsDevice } from "./fs.ts";
import { FUSE_ROOT_ID, IN_HEADER_SIZE, Opcode, OUT_HEADER_SIZE } from "./fuse/abi.ts";
import { FUSE_TRANSFER_MAX } from "./fuse/file-operations.ts";
import { FUSE_NODES_MAX, HandleTable, NodeTable } from "./fuse/nodes.ts";
import { FUSE_REQUEST_MAX } from "./fuse/session.ts";
import { Errno, HostError } from "./host-tree/errno.ts";
import { type HostFile, OPEN_FILES_MAX } from "./host-tree/host-tree.ts";
import { DirectoryListing, LISTED_ENTRIES_MAX, ListingBudget } from "./host-tree/listing.ts";
import { MemoryTree } from "./host-tree/memory-tree.ts";
import { REQUESTS_IN_FLIGHT_MAX } from "./host-tree/request-pump.ts";

const ROOT = FUSE_ROOT_ID;
const text = (string: string) => new TextEncoder().encode(string);
const shown = (bytes: Uint8Array) => new TextDecoder().decode(bytes.slice());

const newTree = () => new MemoryTree({ nowMs: () => 1_700_000_000_123 });

async function mounted(tree = newTree()) {
  const fuse = await new FuseDriver(tree).mount();
  return { tree, fuse };
}

/** A memory tree whose files are opened when the test says so. */
class SlowTree extends MemoryTree {
  readonly waiting: (() => void)[] = [];
  readonly files: HostFile[] = [];

  override async open(...operands: Parameters<MemoryTree["open"]>): Promise<HostFile> {
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    const file = await super.open(...operands);
    this.files.push(file);
    return file;
  }
}

describe("the device", () => {
  it("has its tag and one request queue in its configuration", () => {
    const { driver } = new FuseDriver(newTree());
    const tag = Array.from({ length: 36 }, (_, i) => driver.config(i, 1));
    expect(shown(Uint8Array.from(tag))).toBe(`share${"\0".repeat(31)}`);
    expect(driver.config(36, 4)).toBe(1);
    expect(() => new FsDevice("fs0", "x".repeat(37), newTree())).toThrow(RangeError);
    expect(() => new FsDevice("fs0", "", newTree())).toThrow(RangeError);
  });

  it("negotiates with INIT, and serves nothing before", async () => {
    const fuse = new FuseDriver(newTree());
    expect((await fuse.request(Opcode.GETATTR, ROOT, new Uint8Array(16))).errno).toBe(Errno.EIO);
    const init = (major: number, minor: number, flags: number) =>
      fuse.request(Opcode.INIT, 0, packed(major, minor, 4096, flags, new Uint8Array(48)));
    expect((await init(6, 99, -1)).errno).toBe(Errno.EPROTO);
    expect((await init(7, 22, -1)).errno).toBe(Errno.EPROTO);
    const newer = new DataView((await init(8, 0, -1)).body.slice().buffer);
    expect([newer.getUint32(0, true), newer.getUint32(12, true)]).toEqual([7, 0]);
    const { body } = await init(7, 31, 1 | (1 << 22) | (1 << 4));
    const view = new DataView(body.slice().buffer);
    const [major, minor, readahead, flags] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    // Only what the guest offered and the device knows.
    expect([major, minor, readahead, flags]).toEqual([7, 41, 4096, 1 | (1 << 22)]);
    expect(view.getUint32(20, true)).toBe(FUSE_TRANSFER_MAX);
    expect(view.getUint16(28, true)).toBe(256);
    expect((await fuse.request(Opcode.GETATTR, ROOT, new Uint8Array(16))).errno).toBe(0);
    await fuse.ask(Opcode.DESTROY, 0);
    expect((await fuse.request(Opcode.GETATTR, ROOT, new Uint8Array(16))).errno).toBe(Errno.EIO);
  });

  it("answers ENOSYS to what it does not know", async () => {
    const { fuse } = await mounted();
    for (const opcode of [0, 31, 39, 40, 48, 52, 9999]) {
      expect((await fuse.request(opcode, ROOT, new Uint8Array(64))).errno).toBe(Errno.ENOSYS);
    }
  });
});

describe("files", () => {
  it("are created, written, read, changed and removed", async () => {
    const { fuse, tree } = await mounted();
    const { node, fh } = await fuse.create("a");
    const data = text("hello, host");
    const written = await fuse.ask(
      Opcode.WRITE,
      node,
      packed(fh, 5n, data.length, 0, 0n, 0, 0, data),
    );
    expect(written.u32(0)).toBe(data.length);
    const read = await fuse.ask(Opcode.READ, node, packed(fh, 3n, 100, 0, 0n, 0, 0), 116);
    expect(shown(read.bytes)).toBe("\0\0hello, host");
    const attributes = (await fuse.ask(Opcode.GETATTR, node, new Uint8Array(16))).attributes(16);
    expect(attributes).toEqual({ mode: "100644", size: 16 });
    // SETATTR: size and mode.
    const change = packed((1 << 3) | 1, 0, 0n, 3n, 0n, 0n, 0n, 0n, 0, 0, 0, 0o600, 0, 0, 0, 0);
    expect((await fuse.ask(Opcode.SETATTR, node, change)).attributes(16)).toEqual({
      mode: "100600",
      size: 3,
    });
    expect(tree.getattr(tree.lookup(tree.root, "a"))).toMatchObject({ uid: 1000, gid: 100 });
    await fuse.ask(Opcode.FLUSH, node, packed(fh, 0, 0, 0n));
    await fuse.ask(Opcode.FSYNC, node, packed(fh, 1, 0));
    await fuse.ask(Opcode.UNLINK, ROOT, packed("a"));
    expect((await fuse.request(Opcode.LOOKUP, ROOT, packed("a"))).errno).toBe(Errno.ENOENT);
    // Its handle still leads to it.
    expect((await fuse.ask(Opcode.READ, node, packed(fh, 0n, 9, 0, 0n, 0, 0))).bytes).toHaveLength(
      3,
    );
    await fuse.ask(Opcode.RELEASE, node, packed(fh, 0, 0, 0n));
    expect((await fuse.request(Opcode.OPEN, node, packed(0, 0))).errno).toBe(Errno.ESTALE);
  });

  it("may be larger than 4 GiB, and know their holes", async () => {
    const { fuse } = await mounted();
    const { node, fh } = await fuse.create("big");
    const far = 5n << 32n;
    await fuse.ask(Opcode.WRITE, node, packed(fh, far, 1, 0, 0n, 0, 0, text("x")));
    const { size } = (await fuse.ask(Opcode.GETATTR, node, new Uint8Array(16))).attributes(16);
    expect(BigInt(size)).toBe(far + 1n);
    expect((await fuse.ask(Opcode.READ, node, packed(fh, far, 9, 0, 0n, 0, 0))).bytes).toEqual(
      text("x"),
    );
    const seek = (offset: bigint, whence: number) =>
      fuse.ask(Opcode.LSEEK, node, packed(fh, offset, whence, 0));
    expect(BigInt((await seek(0n, 3)).u64(0))).toBe(far);
    expect((await seek(7n, 4)).u64(0)).toBe(7);
    // Holes of petabytes cost nothing.
    await fuse.ask(Opcode.FALLOCATE, node, packed(fh, 0n, 1n << 51n, 3, 0));
    expect((await fuse.ask(Opcode.READ, node, packed(fh, far, 9, 0, 0n, 0, 0))).bytes).toEqual(
      Uint8Array.of(0),
    );
    const tooFar = packed(fh, 1n << 60n, 1, 0, 0n, 0, 0, text("x"));
    expect((await fuse.request(Opcode.WRITE, node, tooFar)).errno).toBe(Errno.EFBIG);
  });

  it("lose set-user-ID when they are written, if the guest says so", async () => {
    const { fuse, tree } = await mounted();
    const { node, fh } = await fuse.create("s");
    const file = tree.lookup(tree.root, "s");
    tree.setattr(file, { mode: 0o6755 });
    await fuse.ask(Opcode.WRITE, node, packed(fh, 0n, 1, 0, 0n, 0, 0, text("x")));
    expect(tree.getattr(file).mode & 0o7777).toBe(0o6755);
    await fuse.ask(Opcode.WRITE, node, packed(fh, 0n, 1, 4, 0n, 0, 0, text("x")));
    expect(tree.getattr(file).mode & 0o7777).toBe(0o755);
  });
});

describe("names", () => {
  it("are made, moved, linked and listed", async () => {
    const { fuse, tree } = await mounted();
    const dir = (await fuse.ask(Opcode.MKDIR, ROOT, packed(0o755, 0, "d"))).u64(0);
    await fuse.create("f", dir);
    await fuse.ask(Opcode.SYMLINK, dir, packed("l", "../else"));
    const link = await fuse.lookup("l", dir);
    expect(shown((await fuse.ask(Opcode.READLINK, link)).bytes)).toBe("../else");
    const node = await fuse.lookup("f", dir);
    const hard = await fuse.ask(Opcode.LINK, ROOT, packed(BigInt(node), "g"));
    // One inode has one number, and counts its names.
    expect([hard.u64(0), hard.u32(40 + 64)]).toEqual([node, 2]);
    await fuse.ask(Opcode.RENAME, dir, packed(1n, "f", "h"));
    expect([...tree.root.entries!.keys()]).toEqual(["d", "g", "h"]);
    const noReplace = packed(1n, 1, 0, "g", "h");
    expect((await fuse.request(Opcode.RENAME2, ROOT, noReplace)).errno).toBe(Errno.EEXIST);
    await fuse.ask(Opcode.RENAME2, ROOT, packed(1n, 2, 0, "d", "h"));
    expect(tree.lookup(tree.root, "h").entries).toBeDefined();
    expect((await fuse.request(Opcode.RENAME2, ROOT, packed(1n, 4, 0, "d", "x"))).errno).toBe(
      Errno.EINVAL,
    );
    expect((await fuse.request(Opcode.RMDIR, ROOT, packed("h"))).errno).toBe(Errno.ENOTEMPTY);
    expect((await fuse.request(Opcode.RMDIR, ROOT, packed("g"))).errno).toBe(Errno.ENOTDIR);
    expect((await fuse.request(Opcode.UNLINK, ROOT, packed("h"))).errno).toBe(Errno.EISDIR);
  });

  it("are refused when they are none", async () => {
    const { fuse, tree } = await mounted();
    tree.mkdir(tree.root, "d", { mode: 0o755, uid: 0, gid: 0 });
    for (const name of ["", ".", "..", "a/b", "../x", "/etc"]) {
      expect((await fuse.request(Opcode.LOOKUP, ROOT, packed(name))).errno).toBe(Errno.EINVAL);
      const mkdir = packed(0o755, 0, name);
      expect((await fuse.request(Opcode.MKDIR, ROOT, mkdir)).errno).toBe(Errno.EINVAL);
      const rename = packed(1n, "d", name);
      expect((await fuse.request(Opcode.RENAME, ROOT, rename)).errno).toBe(Errno.EINVAL);
    }
    const long = packed("x".repeat(256));
    expect((await fuse.request(Opcode.LOOKUP, ROOT, long)).errno).toBe(Errno.ENAMETOOLONG);
    const noText = Uint8Array.of(0xff, 0xfe, 0);
    expect((await fuse.request(Opcode.LOOKUP, ROOT, noText)).errno).toBe(Errno.EILSEQ);
    // Without its NUL.
    expect((await fuse.request(Opcode.LOOKUP, ROOT, text("abc"))).errno).toBe(Errno.EINVAL);
    const target = packed("l", "x".repeat(4096));
    expect((await fuse.request(Opcode.SYMLINK, ROOT, target)).errno).toBe(Errno.ENAMETOOLONG);
    expect([...tree.root.entries!.keys()]).toEqual(["d"]);
  });

  it.each([Opcode.READDIR, Opcode.READDIRPLUS])(
    "of a large directory are read in pieces that stay put (%i)",
    async (opcode) => {
      const { fuse, tree } = await mounted();
      const count = 500;
      const creation = { mode: 0o644, uid: 0, gid: 0, type: 0o100000, rdev: 0 };
      for (let i = 0; i < count; i++) tree.mknod(tree.root, `f${i}`, creation);
      const fh = BigInt((await fuse.ask(Opcode.OPENDIR, ROOT, packed(0, 0))).u64(0));
      const names: string[] = [];
      for (let offset = 0; ; ) {
        const args = packed(fh, BigInt(offset), 4096, 0, 0n, 0, 0);
        const body = await fuse.ask(opcode, ROOT, args, 4112);
        if (body.bytes.length === 0) break;
        const piece = body.names(opcode === Opcode.READDIRPLUS);
        names.push(...piece.names);
        offset = piece.next;
        // What goes and comes meanwhile does not move the others.
        tree.unlink(tree.root, "f0");
        tree.mknod(tree.root, "f0", creation);
      }
      expect(names).toEqual([".", "..", ...Array.from({ length: count }, (_, i) => `f${i}`)]);
      const short = packed(fh, 0n, 20, 0, 0n, 0, 0);
      expect((await fuse.request(opcode, ROOT, short)).errno).toBe(Errno.EINVAL);
      await fuse.ask(Opcode.RELEASEDIR, ROOT, packed(fh, 0, 0, 0n));
      expect((await fuse.request(opcode, ROOT, short)).errno).toBe(Errno.EBADF);
    },
  );

  it("are held until they are forgotten", async () => {
    const { fuse } = await mounted();
    const { node } = await fuse.create("a");
    await fuse.lookup("a");
    fuse.forget(Opcode.FORGET, node, packed(1n));
    expect((await fuse.request(Opcode.GETATTR, node, new Uint8Array(16))).errno).toBe(0);
    fuse.forget(Opcode.BATCH_FORGET, 0, packed(2, 0, BigInt(node), 1n, 77n, 5n));
    expect((await fuse.request(Opcode.GETATTR, node, new Uint8Array(16))).errno).toBe(Errno.ESTALE);
    // Counts and numbers that make no sense.
    fuse.forget(Opcode.BATCH_FORGET, 0, packed(0xffff_ffff, 0, 1n, -1n));
    fuse.forget(Opcode.FORGET, ROOT, packed(-1n));
    fuse.forget(Opcode.FORGET, 12345, new Uint8Array());
    fuse.forget(Opcode.INTERRUPT, 0, packed(1n));
    expect((await fuse.request(Opcode.GETATTR, ROOT, new Uint8Array(16))).errno).toBe(0);
  });

  it("have extended attributes", async () => {
    const { fuse } = await mounted();
    const { node } = await fuse.create("a");
    const set = (name: string, value: string, flags = 0) =>
      fuse.request(Opcode.SETXATTR, node, packed(value.length, flags, name, text(value)));
    expect((await set("user.a", "one")).errno).toBe(0);
    expect((await set("user.a", "two", 1)).errno).toBe(Errno.EEXIST);
    expect((await set("user.b", "two", 2)).errno).toBe(Errno.ENODATA);
    expect((await set("system.posix_acl_access", "x")).errno).toBe(Errno.EOPNOTSUPP);
    const get = (size: number) => fuse.request(Opcode.GETXATTR, node, packed(size, 0, "user.a"));
    expect((await get(0)).body.slice(0, 4)).toEqual(packed(3));
    expect((await get(2)).errno).toBe(Errno.ERANGE);
    expect(shown((await get(3)).body)).toBe("one");
    expect(shown((await fuse.ask(Opcode.LISTXATTR, node, packed(99, 0))).bytes)).toBe("user.a\0");
    await fuse.ask(Opcode.REMOVEXATTR, node, packed("user.a"));
    expect((await get(3)).errno).toBe(Errno.ENODATA);
    // A value that is announced and not there.
    const lie = packed(100, 0, "user.c", text("short"));
    expect((await fuse.request(Opcode.SETXATTR, node, lie)).errno).toBe(Errno.EINVAL);
  });
});

describe("a hostile guest", () => {
  it("hears of an error before anything is done that it has no room to hear of", async () => {
    const { fuse, tree } = await mounted();
    const mkdir = packed(0o755, 0, "d");
    for (const room of [OUT_HEADER_SIZE, OUT_HEADER_SIZE + 127]) {
      expect((await fuse.request(Opcode.MKDIR, ROOT, mkdir, room)).errno).toBe(Errno.EINVAL);
    }
    // Without room for an error there is none.
    expect((await fuse.request(Opcode.MKDIR, ROOT, mkdir, OUT_HEADER_SIZE - 1)).length).toBe(0);
    expect((await fuse.request(Opcode.MKDIR, ROOT, mkdir, 0)).length).toBe(0);
    expect(tree.root.entries!.size).toBe(0);
    tree.symlink(tree.root, "l", "x".repeat(100), { mode: 0, uid: 0, gid: 0 });
    const link = await fuse.lookup("l");
    const { errno, length } = await fuse.request(Opcode.READLINK, link, undefined, 50);
    expect([errno, length]).toEqual([Errno.EINVAL, OUT_HEADER_SIZE]);
  });

  it("cannot use numbers that it was not given", async () => {
    const { fuse } = await mounted();
    const { node } = await fuse.create("a");
    for (const id of [0, 99, 2 ** 53]) {
      expect((await fuse.request(Opcode.LOOKUP, id, packed("a"))).errno).toBe(Errno.ESTALE);
      expect((await fuse.request(Opcode.OPEN, id, packed(0, 0))).errno).toBe(Errno.ESTALE);
      const link = packed(BigInt(id), "b");
      expect((await fuse.request(Opcode.LINK, ROOT, link)).errno).toBe(Errno.ESTALE);
    }
    for (const fh of [0n, 99n, -1n]) {
      const io = packed(fh, 0n, 1, 0, 0n, 0, 0, text("x"));
      for (const opcode of [Opcode.READ, Opcode.WRITE, Opcode.READDIR]) {
        expect((await fuse.request(opcode, node, io)).errno).toBe(Errno.EBADF);
      }
      expect((await fuse.request(Opcode.RELEASE, node, packed(fh, 0, 0, 0n))).errno).toBe(
        Errno.EBADF,
      );
    }
    expect((await fuse.request(Opcode.LOOKUP, node, packed("a"))).errno).toBe(Errno.ENOTDIR);
    expect((await fuse.request(Opcode.OPENDIR, node, packed(0, 0))).errno).toBe(Errno.ENOTDIR);
    expect((await fuse.request(Opcode.OPEN, ROOT, packed(0, 0))).errno).toBe(Errno.EISDIR);
  });

  it("cannot read or write past its buffers, or more than the limit", async () => {
    const { fuse } = await mounted();
    const { node, fh } = await fuse.create("a");
    const lie = packed(fh, 0n, 100, 0, 0n, 0, 0, text("short"));
    expect((await fuse.request(Opcode.WRITE, node, lie)).errno).toBe(Errno.EINVAL);
    const large = new Uint8Array(FUSE_TRANSFER_MAX + 1);
    const much = packed(fh, 0n, large.length, 0, 0n, 0, 0);
    const header = new Uint8Array([...much, ...large]);
    expect((await fuse.request(Opcode.WRITE, node, header)).errno).toBe(Errno.EINVAL);
    await fuse.ask(Opcode.WRITE, node, packed(fh, 0n, 50, 0, 0n, 0, 0, new Uint8Array(50).fill(7)));
    const read = await fuse.request(Opcode.READ, node, packed(fh, 0n, -1, 0, 0n, 0, 0), 30);
    expect([read.errno, read.length]).toEqual([0, 30]);
    await fuse.ask(
      Opcode.WRITE,
      node,
      packed(fh, BigInt(FUSE_TRANSFER_MAX), 1, 0, 0n, 0, 0, text("x")),
    );
    const room = FUSE_TRANSFER_MAX + 100;
    const all = await fuse.request(Opcode.READ, node, packed(fh, 0n, -1, 0, 0n, 0, 0), room);
    expect(all.body).toHaveLength(FUSE_TRANSFER_MAX);
    expect(fuse.driver.guardsIntact()).toBe(true);
  });

  it("that lies about the length of its request is told so", async () => {
    const { fuse } = await mounted();
    const queue = fuse.driver.queues[1];
    for (const claimed of [0, IN_HEADER_SIZE - 1, IN_HEADER_SIZE + 17, 0xffff_ffff]) {
      const header = packed(claimed, Opcode.GETATTR, 1n, 1n, 0, 0, 0, 0);
      const request = queue.add([header, new Uint8Array(16)], [200]);
      queue.kick();
      expect(queue.poll()).toEqual([{ id: request.id, length: OUT_HEADER_SIZE }]);
      expect(new DataView(queue.written(request).buffer).getInt32(4, true)).toBe(-Errno.EINVAL);
    }
    const short = queue.add([new Uint8Array(IN_HEADER_SIZE - 1)], [200]);
    queue.kick();
    expect(queue.poll()).toEqual([{ id: short.id, length: 0 }]);
  });

  it("is looked at for no more of a request than its limit", async () => {
    const { fuse } = await mounted();
    const room = FUSE_REQUEST_MAX - IN_HEADER_SIZE;
    const lookup = async (length: number) =>
      (await fuse.request(Opcode.LOOKUP, ROOT, packed("x".repeat(length)))).errno;
    expect(await lookup(room - 1)).toBe(Errno.ENAMETOOLONG);
    // The NUL that ends the name is out of sight.
    expect(await lookup(room)).toBe(Errno.EINVAL);
    expect(await lookup(2 * FUSE_REQUEST_MAX)).toBe(Errno.EINVAL);
  });

  it("has bounded numbers of inodes, handles and listed names", () => {
    const nodes = new NodeTable({});
    for (let i = 1; i < FUSE_NODES_MAX; i++) nodes.hold({});
    expect(() => nodes.hold({})).toThrow(HostError);
    nodes.forget(2, 1);
    nodes.hold({});
    const handles = new HandleTable();
    for (let i = 0; i < OPEN_FILES_MAX; i++) handles.add({ node: {} });
    expect(() => handles.checkRoom()).toThrow("ENFILE");
    expect(() => handles.add({ node: {} })).toThrow("ENFILE");
    const budget = new ListingBudget();
    const entries = new Array(LISTED_ENTRIES_MAX / 2).fill({ name: "x", ino: 1, type: 0 });
    const listing = new DirectoryListing(budget);
    listing.fill(1, entries);
    listing.fill(1, entries);
    expect(() => new DirectoryListing(budget).fill(1, entries)).toThrow("ENFILE");
    listing.close();
    expect(budget.used).toBe(0);
  });

  it("cannot make it fail with any request", async () => {
    const word = fc.oneof(fc.nat(4), fc.constantFrom(0x7fff_ffff, -1, 1 << 31));
    const request = fc.tuple(fc.nat(53), fc.nat(3), fc.array(word, { maxLength: 24 }), fc.nat(300));
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 6 }), async (requests) => {
        const fresh = await new FuseDriver(newTree(), 16, 0x4_0000).mount();
        await fresh.create("a");
        for (const [opcode, node, words, room] of requests) {
          await fresh.request(opcode, node, packed(...words), room);
        }
        expect(fresh.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
        expect(fresh.driver.guardsIntact()).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a slow host", () => {
  async function slow() {
    const tree = new SlowTree({ nowMs: () => 0 });
    const creation = { mode: 0o644, uid: 0, gid: 0, type: 0o100000, rdev: 0 };
    tree.mknod(tree.root, "a", creation);
    const fuse = new FuseDriver(tree, 128);
    await fuse.mount();
    return { tree, fuse, node: await fuse.lookup("a") };
  }

  it("gets a bounded number of requests, and FORGET does not wait for them", async () => {
    const { tree, fuse, node } = await slow();
    for (let i = 0; i < REQUESTS_IN_FLIGHT_MAX + 5; i++) fuse.send(Opcode.OPEN, node, packed(0, 0));
    expect(tree.waiting).toHaveLength(REQUESTS_IN_FLIGHT_MAX);
    fuse.forget(Opcode.FORGET, node, packed(1n));
    for (const resolve of tree.waiting.splice(0)) resolve();
    await settle();
    expect(fuse.driver.queues[1].poll()).toHaveLength(
      REQUESTS_IN_FLIGHT_MAX + 5 - tree.waiting.length,
    );
  });

  it("never touches a guest that has reset the device, and keeps nothing open for it", async () => {
    const { tree, fuse, node } = await slow();
    const request = fuse.send(Opcode.OPEN, node, packed(0, 0));
    const { queues } = fuse.driver;
    fuse.driver.start({ queueSize: 16 });
    for (const resolve of tree.waiting) resolve();
    await settle();
    expect(queues[1].written(request).every((byte) => byte === 0)).toBe(true);
    expect(tree.files).toHaveLength(1);
    expect(tree.lookup(tree.root, "a").openFiles).toBe(0);
  });

  it("that rejects or throws fails one request", async () => {
    const tree = newTree();
    tree.getattr = () => {
      throw new TypeError("a mistake");
    };
    const fuse = await new FuseDriver(tree).mount();
    expect((await fuse.request(Opcode.GETATTR, ROOT, new Uint8Array(16))).errno).toBe(Errno.EIO);
    expect((await fuse.request(Opcode.STATFS, ROOT)).errno).toBe(0);
  });
});
