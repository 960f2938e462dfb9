import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Register, Status } from "../../spec.ts";
import { BufferTarget } from "../../testing/buffer-target.ts";
import { settle } from "../../testing/driver.ts";
import { FuseDriver, packed } from "../../testing/fuse-driver.ts";
import { Errno, HostError } from "../host-tree/errno.ts";
import type { HostFile } from "../host-tree/host-tree.ts";
import { MemoryTree } from "../host-tree/memory-tree.ts";
import { FUSE_ROOT_ID, InitFlag, Opcode, REMOVEMAPPING_MAX } from "./abi.ts";
import { DAX_BLOCK, DAX_MAP_MAX } from "./dax-window.ts";

const PAGE = 4096;
const BLOCKS = 4;
const RAM = 0x80_0000;
const ANY_HANDLE = -1n;
const [READ, WRITE] = [2n, 3n];
const by = { mode: 0o644, uid: 0, gid: 0, type: 0o100000, rdev: 0 };
const text = (string: string) => new TextEncoder().encode(string);

/** A clock that goes on, so that each change is seen in a file's time. */
let now = 1_700_000_000_000;
const newTree = () => new MemoryTree({ nowMs: () => now++ });

/** Files can be made to answer later, or to fail. */
class TroubledTree extends MemoryTree {
  full = false;
  readonly waiting: (() => void)[] = [];
  isSlow = false;

  override open(...operands: Parameters<MemoryTree["open"]>): HostFile {
    const file = super.open(...operands) as HostFile;
    const read = file.read.bind(file);
    const write = file.write.bind(file);
    file.read = async (...args) => {
      if (this.isSlow) await new Promise<void>((resolve) => this.waiting.push(resolve));
      return read(...args);
    };
    file.write = (...args) => {
      if (this.full) throw new HostError("ENOSPC");
      return write(...args);
    };
    return file;
  }

  release(): void {
    this.isSlow = false;
    for (const go of this.waiting.splice(0)) go();
  }
}

async function mounted(tree: MemoryTree = newTree(), content = "contents of the file") {
  const file = tree.mknod(tree.root, "a", by);
  void file.content?.write(0, [text(content)]);
  const fuse = await new FuseDriver(tree, 64, RAM, BLOCKS).mount();
  const node = await fuse.lookup("a");
  const { memory } = fuse.driver;
  const base = fuse.device.sharedMemory![0].base;
  const map = (fileBlock: number, windowBlock: number, flags = WRITE, of = node) =>
    fuse.request(
      Opcode.SETUPMAPPING,
      of,
      packed(
        ANY_HANDLE,
        BigInt(fileBlock * DAX_BLOCK),
        BigInt(DAX_BLOCK),
        flags,
        BigInt(windowBlock * DAX_BLOCK),
      ),
    );
  const unmap = (block: number) =>
    fuse.request(
      Opcode.REMOVEMAPPING,
      node,
      packed(1, BigInt(block * DAX_BLOCK), BigInt(DAX_BLOCK)),
    );
  const seen = (at: number, length: number) =>
    new TextDecoder().decode(memory.view(base + at, length)?.slice());
  /** What the host has. */
  const stored = async (at: number, length: number) => {
    const target = new BufferTarget(length);
    const count = await file.content!.read(at, target);
    return new TextDecoder().decode(target.bytes.subarray(0, count));
  };
  const open = async () => BigInt((await fuse.ask(Opcode.OPEN, node, packed(2, 0))).u64(0));
  return { tree, file, fuse, node, memory, base, map, unmap, seen, stored, open };
}

/** What the guest's processor stores. */
type Mounted = Awaited<ReturnType<typeof mounted>>;
const poke = ({ memory, base }: Mounted, at: number, string: string) =>
  memory.write(base + at, text(string));

describe("the DAX window", () => {
  it("is in the transport's registers, and in INIT for who asks", async () => {
    const { fuse, base } = await mounted();
    const { driver } = fuse;
    driver.write(Register.SHMSel, 0);
    const read = (low: number) => driver.read(low) + driver.read(low + 4) * 2 ** 32;
    expect(read(Register.SHMBaseLow)).toBe(base);
    expect(read(Register.SHMLenLow)).toBe(BLOCKS * DAX_BLOCK);
    driver.write(Register.SHMSel, 1);
    expect(driver.read(Register.SHMLenLow)).toBe(0xffff_ffff);
    const init = packed(7, 41, 4096, InitFlag.MAP_ALIGNMENT, new Uint8Array(48));
    const { body } = await fuse.request(Opcode.INIT, 0, init);
    const view = new DataView(body.slice().buffer);
    expect(view.getUint32(12, true)).toBe(InitFlag.MAP_ALIGNMENT);
    expect(2 ** view.getUint16(30, true)).toBe(DAX_BLOCK);
    const without = await new FuseDriver(newTree()).request(Opcode.INIT, 0, init);
    expect(new DataView(without.body.slice().buffer).getUint32(12, true)).toBe(0);
  });

  it("shows a file where it is mapped, and is no memory elsewhere", async () => {
    const { map, unmap, seen, memory, base, fuse } = await mounted();
    expect(memory.contains(base, 1)).toBe(false);
    expect((await map(0, 1)).errno).toBe(0);
    expect(seen(DAX_BLOCK, 20)).toBe("contents of the file");
    expect(memory.view(base + DAX_BLOCK + 20, DAX_BLOCK - 20)?.every((byte) => byte === 0)).toBe(
      true,
    );
    expect(memory.contains(base + DAX_BLOCK - 1, 1)).toBe(false);
    expect(memory.contains(base + 2 * DAX_BLOCK, 1)).toBe(false);
    expect(fuse.device.counters()).toMatchObject({ mappedBlocks: 1, storedBytes: 0 });
    expect((await unmap(1)).errno).toBe(0);
    expect(memory.contains(base + DAX_BLOCK, 1)).toBe(false);
    // Nothing is there any more, and nobody minds.
    expect((await unmap(1)).errno).toBe(0);
  });

  it.each([
    ["FSYNC", Opcode.FSYNC, (fh: bigint) => packed(fh, 0, 0)],
    ["FLUSH", Opcode.FLUSH, (fh: bigint) => packed(fh, 0, 0, 0n)],
    ["SYNCFS", Opcode.SYNCFS, () => packed(0n)],
    ["REMOVEMAPPING", Opcode.REMOVEMAPPING, () => packed(1, 0n, BigInt(DAX_BLOCK))],
    [
      "another mapping there",
      Opcode.SETUPMAPPING,
      () => packed(-1n, 0n, BigInt(DAX_BLOCK), READ, 0n),
    ],
    ["DESTROY", Opcode.DESTROY, () => packed()],
    ["READ", Opcode.READ, (fh: bigint) => packed(fh, 0n, 9, 0, 0n, 0, 0)],
  ])("brings what was written to the file by %s", async (_name, opcode, args) => {
    const share = await mounted();
    const { map, stored, fuse, node, open } = share;
    const fh = await open();
    await map(0, 0);
    poke(share, 9, "in THE");
    expect(await stored(0, 99)).toBe("contents of the file");
    expect((await fuse.request(opcode, node, args(fh))).errno).toBe(0);
    expect(await stored(0, 99)).toBe("contents in THE file");
    expect(fuse.device.counters()).toMatchObject({ storedBytes: 20 });
  });

  it("keeps what is behind the file's end from the file", async () => {
    const share = await mounted(newTree(), "x".repeat(PAGE + 10));
    await share.map(0, 0);
    poke(share, PAGE + 5, "0123456789");
    poke(share, 3 * PAGE, "lost");
    await share.unmap(0);
    expect(await share.stored(PAGE, 99)).toBe("xxxxx01234");
  });

  it("shows zeros in what a file grows by, whatever was written behind its end", async () => {
    const share = await mounted(newTree(), "start");
    await share.map(0, 0);
    poke(share, 0, "START behind the end");
    poke(share, PAGE, "on a page of its own");
    await share.fuse.ask(Opcode.FSYNC, share.node, packed(await share.open(), 0, 0));
    const size = packed(8, 0, 0n, BigInt(2 * PAGE), 0n, 0n, 0n, 0n, 0, 0, 0, 0, 0, 0, 0, 0);
    await share.fuse.ask(Opcode.SETATTR, share.node, size);
    expect(await share.stored(0, 9)).toBe("START\0\0\0\0");
    expect(share.seen(0, 9)).toBe("START\0\0\0\0");
    expect(share.seen(PAGE, 2)).toBe("\0\0");
  });

  it("is not written through a mapping for reading", async () => {
    const share = await mounted();
    await share.map(0, 0, READ);
    poke(share, 0, "CONTENTS");
    await share.unmap(0);
    expect(await share.stored(0, 99)).toBe("contents of the file");
    // As Linux does before the first store.
    await share.map(0, 0, READ);
    await share.map(0, 0, WRITE);
    poke(share, 0, "CONTENTS");
    await share.unmap(0);
    expect(await share.stored(0, 99)).toBe("CONTENTS of the file");
  });

  it("shows what requests do to the file", async () => {
    const share = await mounted();
    const { map, seen, fuse, node, open, stored } = share;
    const fh = await open();
    await map(0, 0);
    const data = text(" which grows");
    await fuse.ask(Opcode.WRITE, node, packed(fh, 20n, data.length, 0, 0n, 0, 0, data));
    expect(seen(0, 32)).toBe("contents of the file which grows");
    const size = packed(1 << 3, 0, 0n, 8n, 0n, 0n, 0n, 0n, 0, 0, 0, 0, 0, 0, 0, 0);
    await fuse.ask(Opcode.SETATTR, node, size);
    expect(seen(0, 12)).toBe("contents\0\0\0\0");
    // PUNCH_HOLE | KEEP_SIZE
    await fuse.ask(Opcode.FALLOCATE, node, packed(fh, 2n, 3n, 3, 0));
    expect(seen(0, 9)).toBe("co\0\0\0nts\0");
    await fuse.ask(Opcode.OPEN, node, packed(0o1001, 0));
    expect(seen(0, 8)).toBe("\0".repeat(8));
    await fuse.ask(Opcode.FSYNC, node, packed(fh, 0, 0));
    expect(await stored(0, 9)).toBe("");
  });

  it("shows what the host has changed when the file is opened, but over nothing the guest wrote", async () => {
    const share = await mounted(newTree(), "a".repeat(2 * PAGE));
    const { map, seen, tree, file, open } = share;
    await map(0, 0);
    poke(share, 0, "guest");
    void file.content?.write(0, [text("host ".repeat((2 * PAGE) / 5))]);
    await tree.setattr(file, { mtime: "now" });
    expect(seen(PAGE + 4, 5)).toBe("aaaaa");
    const fh = await open();
    expect(seen(PAGE + 4, 5)).toBe("host ");
    expect(seen(0, 9)).toBe("guestaaaa");
    await share.fuse.ask(Opcode.FSYNC, share.node, packed(fh, 0, 0));
    expect(await share.stored(0, 9)).toBe("guestaaaa");
    expect(await share.stored(PAGE + 4, 5)).toBe("host ");
  });

  it("does not take for the guest's what requests have written", async () => {
    const share = await mounted();
    const { map, seen, tree, file, open, fuse, node } = share;
    await map(0, 0, READ);
    const fh = await open();
    await fuse.ask(Opcode.WRITE, node, packed(fh, 0n, 3, 0, 0n, 0, 0, text("new")));
    expect(seen(0, 8)).toBe("newtents");
    await fuse.ask(Opcode.FSYNC, node, packed(fh, 0, 0));
    expect(fuse.device.counters()).toMatchObject({ storedBytes: 0 });
    void file.content?.write(0, [text("host")]);
    await tree.setattr(file, { mtime: "now" });
    await open();
    expect(seen(0, 8)).toBe("hostents");
  });

  it("tells at the next sync what could not be written when a block went", async () => {
    const tree = new TroubledTree({ nowMs: () => now++ });
    const share = await mounted(tree);
    const { map, unmap, fuse, node, open } = share;
    const fh = await open();
    await map(0, 0);
    poke(share, 0, "x");
    tree.full = true;
    const fsync = () => fuse.request(Opcode.FSYNC, node, packed(fh, 0, 0));
    expect((await fsync()).errno).toBe(Errno.ENOSPC);
    expect((await unmap(0)).errno).toBe(0);
    expect((await fsync()).errno).toBe(Errno.EIO);
    expect((await fsync()).errno).toBe(0);
    // A page that fails stays dirty while it is mapped.
    await map(0, 0);
    poke(share, 0, "y");
    expect((await fsync()).errno).toBe(Errno.ENOSPC);
    tree.full = false;
    expect((await fsync()).errno).toBe(0);
    expect(await share.stored(0, 3)).toBe("yon");
  });

  it("loses what was not synced when the device is reset, and closes its files", async () => {
    const share = await mounted();
    await share.map(0, 0);
    poke(share, 0, "lost");
    expect(share.file.openFiles).toBe(1);
    share.fuse.driver.start({ queueSize: 16 });
    expect(share.memory.contains(share.base, 1)).toBe(false);
    expect(share.file.openFiles).toBe(0);
    expect(await share.stored(0, 8)).toBe("contents");
    await share.fuse.mount();
    const node = await share.fuse.lookup("a");
    expect((await share.map(0, 0, WRITE, node)).errno).toBe(0);
    expect(share.seen(0, 8)).toBe("contents");
  });

  it("is left alone by a slow host once the device was reset", async () => {
    const tree = new TroubledTree({ nowMs: () => now++ });
    const { fuse, node, memory, base, file } = await mounted(tree);
    tree.isSlow = true;
    fuse.send(Opcode.SETUPMAPPING, node, packed(-1n, 0n, BigInt(DAX_BLOCK), READ, 0n));
    await settle();
    expect(tree.waiting).toHaveLength(1);
    fuse.driver.start({ queueSize: 16 });
    tree.release();
    await settle();
    expect(memory.contains(base, 1)).toBe(false);
    expect(file.openFiles).toBe(0);
    expect(fuse.device.counters()).toMatchObject({ mappedBlocks: 0 });
  });
});

describe("a hostile guest", () => {
  it("maps nothing where or of what it may not", async () => {
    const { fuse, node, map, memory, base } = await mounted();
    const block = BigInt(DAX_BLOCK);
    const setup = async (offset: bigint, length: bigint, at: bigint, of = node) =>
      (await fuse.request(Opcode.SETUPMAPPING, of, packed(-1n, offset, length, READ, at))).errno;
    for (const length of [0n, 1n, 4096n, block + 1n, 5n * block, 1n << 40n, -1n]) {
      expect(await setup(0n, length, 0n)).toBe(Errno.EINVAL);
    }
    for (const at of [1n, 4096n, 4n * block, 1n << 40n, -1n, -block]) {
      expect(await setup(0n, block, at)).toBe(Errno.EINVAL);
    }
    expect(await setup(1n, block, 0n)).toBe(Errno.EINVAL);
    expect(await setup(block, 2n * block, 3n * block)).toBe(Errno.EINVAL);
    expect(await setup(1n << 52n, block, 0n)).toBe(Errno.EFBIG);
    expect(await setup(-block, block, 0n)).toBe(Errno.EFBIG);
    expect(await setup(0n, block, 0n, 99)).toBe(Errno.ESTALE);
    expect(await setup(0n, block, 0n, FUSE_ROOT_ID)).toBe(Errno.EISDIR);
    expect(memory.contains(base, 1)).toBe(false);
    // Behind the end of the file, and all of the window at once.
    expect(await setup(1n << 40n, 4n * block, 0n)).toBe(0);
    expect((await map(0, 3)).errno).toBe(0);
    const short = packed(-1n, 0n, block, READ);
    expect((await fuse.request(Opcode.SETUPMAPPING, node, short)).errno).toBe(Errno.EINVAL);
  });

  it("maps no more at once than the limit", async () => {
    const tree = newTree();
    tree.mknod(tree.root, "a", by);
    const blocks = DAX_MAP_MAX / DAX_BLOCK + 1;
    const fuse = await new FuseDriver(tree, 64, RAM, blocks).mount();
    const node = await fuse.lookup("a");
    const map = async (count: number) => {
      const args = packed(ANY_HANDLE, 0n, BigInt(count * DAX_BLOCK), READ, 0n);
      return (await fuse.request(Opcode.SETUPMAPPING, node, args)).errno;
    };
    expect(await map(blocks)).toBe(Errno.EINVAL);
    expect(await map(blocks - 1)).toBe(0);
  });

  it("unmaps nothing but blocks of the window", async () => {
    const { fuse, node, map, memory, base } = await mounted();
    await map(0, 0);
    const block = BigInt(DAX_BLOCK);
    const unmap = async (...fields: (number | bigint)[]) =>
      (await fuse.request(Opcode.REMOVEMAPPING, node, packed(...fields))).errno;
    expect(await unmap(2, 0n, block)).toBe(Errno.EINVAL);
    expect(await unmap(0xffff_ffff)).toBe(Errno.EINVAL);
    expect(await unmap(1, 0n, 0n)).toBe(Errno.EINVAL);
    expect(await unmap(1, 0n, -1n)).toBe(Errno.EINVAL);
    expect(await unmap(1, 4096n, block)).toBe(Errno.EINVAL);
    expect(await unmap(1, 3n * block, 2n * block)).toBe(Errno.EINVAL);
    expect(memory.contains(base, 1)).toBe(true);
    expect(await unmap(0)).toBe(0);
    const many = (count: number) => unmap(count, ...new Array(2 * count).fill(block));
    expect(await many(REMOVEMAPPING_MAX + 1)).toBe(Errno.EINVAL);
    expect(await many(REMOVEMAPPING_MAX)).toBe(0);
    expect(await unmap(1, 0n, 4n * block)).toBe(0);
    expect(memory.contains(base, 1)).toBe(false);
  });

  it("hears that there is no window", async () => {
    const fuse = await new FuseDriver(newTree()).mount();
    for (const opcode of [Opcode.SETUPMAPPING, Opcode.REMOVEMAPPING]) {
      const { errno } = await fuse.request(opcode, FUSE_ROOT_ID, new Uint8Array(64));
      expect(errno).toBe(Errno.ENOSYS);
    }
  });

  it("cannot make the window and the file differ by any requests once they are synced", async () => {
    const step = fc.record({
      kind: fc.constantFrom("map", "read-only", "unmap", "poke", "write", "truncate", "fsync"),
      block: fc.nat(2),
      at: fc.nat(DAX_BLOCK * 3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const share = await mounted(newTree(), "start");
        const { map, unmap, fuse, node, open, memory, base } = share;
        const fh = await open();
        /** By block of the window; Linux shows no part of a file in two places. */
        const mapped = new Map<number, { fileBlock: number; isWritable: boolean }>();
        const isShown = (wanted: number) =>
          [...mapped.values()].some(({ fileBlock }) => fileBlock === wanted);
        for (const [i, { kind, block, at }] of steps.entries()) {
          const data = text(`step ${i}`);
          const fileBlock = at % 3;
          const isWritable = kind === "map";
          if ((isWritable || kind === "read-only") && !isShown(fileBlock)) {
            await map(fileBlock, block, isWritable ? WRITE : READ);
            mapped.set(block, { fileBlock, isWritable });
          } else if (kind === "unmap") {
            await unmap(block);
            mapped.delete(block);
          } else if (kind === "poke" && mapped.get(block)?.isWritable) {
            memory.write(base + block * DAX_BLOCK + (at % (DAX_BLOCK - 9)), data);
          } else if (kind === "write") {
            const args = packed(fh, BigInt(at), data.length, 0, 0n, 0, 0, data);
            await fuse.ask(Opcode.WRITE, node, args);
          } else if (kind === "truncate") {
            const args = packed(8, 0, 0n, BigInt(at), 0n, 0n, 0n, 0n, 0, 0, 0, 0, 0, 0, 0, 0);
            await fuse.ask(Opcode.SETATTR, node, args);
          } else if (kind === "fsync") {
            await fuse.ask(Opcode.FSYNC, node, packed(fh, 0, 0));
          }
        }
        await fuse.ask(Opcode.FSYNC, node, packed(fh, 0, 0));
        const size = share.file.content!.size;
        for (const [block, { fileBlock }] of mapped) {
          const length = Math.min(DAX_BLOCK, size - fileBlock * DAX_BLOCK);
          if (length <= 0) continue;
          const there = await share.stored(fileBlock * DAX_BLOCK, length);
          expect(share.seen(block * DAX_BLOCK, length) === there).toBe(true);
        }
        expect(fuse.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
        expect(fuse.driver.guardsIntact()).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});
