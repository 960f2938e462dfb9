import { beforeEach, describe, expect, it } from "vitest";
import { ChunkedDisk } from "./chunked-disk.ts";
import { openDiskFiles, removeDiskFiles } from "./disk-files.ts";
import { type Library, listDisks } from "./disk-library.ts";
import type { BaseImage, GuestDisk } from "./guest-disk.ts";
import { SlotDisk } from "./slot-disk.ts";
import {
  DEFAULT_DISK_BYTES,
  eraseDisk,
  MAX_DISK_BYTES,
  type OpenDiskOptions,
  type OpenedDisk,
  openDisk,
} from "./stored-disk.ts";
import { memoryRoom, PLACES } from "./testing/memory-room.ts";

let room: Library;

const open = (more: Partial<OpenDiskOptions> = {}) =>
  openDisk({ name: "default", ...room, onFault: () => {}, ...more });

const base = (identity: string): BaseImage => ({
  size: 1000,
  identity,
  read: async (_offset, length) => new Uint8Array(length).fill(7),
});

describe.each(PLACES)("openDisk in %s", (place) => {
  beforeEach(() => {
    room = memoryRoom(place);
  });

  it("makes a sparse disk and finds it again as it was", async () => {
    const first = await open();
    expect(first.disk.size).toBe(DEFAULT_DISK_BYTES);
    await first.disk.write(2 ** 29, [new Uint8Array([1, 2, 3])]);
    await first.close();
    const second = await open({ size: 4096 });
    expect(second.disk.size).toBe(DEFAULT_DISK_BYTES);
    const bytes = new Uint8Array(4);
    await second.disk.read(2 ** 29, {
      length: 4,
      write: (at, part) => bytes.set(part, at),
      zero: (at, length) => bytes.fill(0, at, at + length),
    });
    expect([...bytes]).toEqual([1, 2, 3, 0]);
  });

  it("bounds the capacity and rounds it up to sectors", async () => {
    expect((await open({ name: "huge", size: 2 * MAX_DISK_BYTES })).disk.size).toBe(MAX_DISK_BYTES);
    expect((await open({ name: "odd", size: 1000 })).disk.size).toBe(1024);
  });

  it("is never smaller than its base", async () => {
    const small = await open({ name: "small", base: base("a"), size: 512 });
    expect(small.disk.size).toBe(1024);
    const large = await open({ name: "large", base: base("a"), size: 4096 });
    expect(large.disk.size).toBe(4096);
  });

  it("refuses a disk that another tab has open, until it is closed", async () => {
    const first = await open();
    await expect(open()).rejects.toMatchObject({ problem: "busy" });
    await open({ name: "other" });
    await first.close();
    await open();
  });

  it("gives the lock back when opening fails", async () => {
    await (await open({ base: base("v1") })).close();
    await expect(open({ base: base("v2") })).rejects.toMatchObject({ problem: "mismatch" });
    await expect(open()).rejects.toMatchObject({ problem: "mismatch" });
    const disk = await open({ base: base("v1") });
    expect(disk.disk.size).toBe(1024);
  });

  it("says what is wrong without IndexedDB, without locks and with a bad name", async () => {
    const options = { name: "default", ...room, onFault: () => {} };
    const unavailable = { problem: "unavailable" };
    await expect(openDisk({ ...options, factory: undefined })).rejects.toMatchObject(unavailable);
    await expect(openDisk({ ...options, locks: undefined })).rejects.toMatchObject(unavailable);
    await expect(open({ name: "../x" })).rejects.toMatchObject({ problem: "name" });
  });

  it("grows for good, also a disk whose last chunk is not whole", async () => {
    const read = async ({ disk }: OpenedDisk, offset: number, length: number) => {
      const bytes = new Uint8Array(length).fill(0xaa);
      await disk.read(offset, {
        length,
        write: (at, part) => bytes.set(part, at),
        zero: (at, count) => bytes.fill(0, at, at + count),
      });
      return [...bytes];
    };
    const first = await open({ size: 40_960 });
    await first.disk.write(40_957, [new Uint8Array([1, 2, 3])]);
    await first.disk.flush();
    await first.grow(2 ** 20);
    expect(await read(first, 40_956, 6)).toEqual([0, 1, 2, 3, 0, 0]);
    await first.close();
    const second = await open();
    expect(second.disk.size).toBe(2 ** 20);
    expect(await read(second, 40_956, 6)).toEqual([0, 1, 2, 3, 0, 0]);
    await second.disk.write(40_960, [new Uint8Array([4])]);
    await second.disk.writeZeroes(40_957, 1);
    await second.disk.write(2 ** 20 - 1, [new Uint8Array([5])]);
    await second.close();
    const third = await open();
    expect(await read(third, 40_956, 6)).toEqual([0, 0, 2, 3, 4, 0]);
    expect(await read(third, 2 ** 20 - 1, 1)).toEqual([5]);
  });

  it("grows while a chunk of its base is on its way", async () => {
    let arrive = (): void => {};
    const slow: BaseImage = {
      ...base("slow"),
      read: (_offset, length) =>
        new Promise((resolve) => {
          arrive = () => resolve(new Uint8Array(length).fill(7));
        }),
    };
    const disk = await open({ base: slow });
    const bytes = new Uint8Array(4).fill(0xaa);
    const reading = disk.disk.read(998, {
      length: 4,
      write: (at, part) => bytes.set(part, at),
      zero: (at, count) => bytes.fill(0, at, at + count),
    });
    await disk.grow(4096);
    arrive();
    await reading;
    expect([...bytes]).toEqual([7, 7, 0, 0]);
    await disk.disk.write(2048, [new Uint8Array([9])]);
    await disk.close();
  });

  it("has a seal that lasts until the first write or change of its size", async () => {
    const first = await open({ size: 65_536 });
    await first.disk.write(0, [new Uint8Array([1])]);
    const seal = await first.disk.seal();
    expect(first.disk.dirtyBytes).toBe(0);
    expect(await first.disk.seal()).toBe(seal);
    await first.close();
    const second = await open();
    expect(await second.disk.sealed()).toBe(seal);
    await second.disk.write(0, [new Uint8Array([1])]);
    await second.disk.flush();
    expect(await second.disk.sealed()).toBeUndefined();
    const other = await second.disk.seal();
    expect(other).not.toBe(seal);
    await second.grow(131_072);
    await second.close();
    const third = await open();
    expect(await third.disk.sealed()).toBeUndefined();
    expect(third.disk.size).toBe(131_072);
    await third.disk.seal();
    await third.disk.write(0, [new Uint8Array([2])]);
    // Not flushed: closing stores it.
    await third.close();
    expect(await (await open()).disk.sealed()).toBeUndefined();
  });

  it("grows for good also while its seal is broken", async () => {
    const first = await open({ size: 65_536 });
    await first.disk.seal();
    await Promise.all([
      first.grow(131_072),
      first.disk.write(0, [Uint8Array.of(1)]),
      first.disk.writeZeroes(512, 512),
    ]);
    await first.close();
    const second = await open();
    expect(second.disk.size).toBe(131_072);
    expect(await second.disk.sealed()).toBeUndefined();
  });

  it("neither shrinks nor grows beyond all bounds nor by half a sector", async () => {
    const { disk, grow } = await open({ size: 4096 });
    for (const size of [-512, 0, 512, 4096, 4097, 2 * MAX_DISK_BYTES, Number.NaN, 2 ** 60]) {
      await expect(grow(size)).rejects.toThrow(RangeError);
    }
    expect(disk.size).toBe(4096);
    expect(() => disk.grow(512)).toThrow(RangeError);
  });

  it("erases a disk that is not open", async () => {
    const first = await open();
    await first.disk.write(0, [new Uint8Array([1])]);
    await expect(eraseDisk("default", room)).rejects.toMatchObject({ problem: "busy" });
    await first.close();
    await eraseDisk("default", room);
    const second = await open({ size: 4096 });
    expect(second.disk.size).toBe(4096);
    expect(second.disk.storedBytes).toBe(0);
  });

  it("waits for a tab that is just going away", async () => {
    const first = await open();
    setTimeout(() => void first.close(), 50);
    await open();
  });
});

describe("openDisk where there are private files", () => {
  const write = async (more: Partial<OpenDiskOptions> = {}) => {
    const { disk, close } = await openDisk({ name: "a", ...room, onFault: () => {}, ...more });
    await disk.write(0, [Uint8Array.of(7)]);
    await close();
  };

  beforeEach(() => {
    room = memoryRoom("files");
  });

  it("breaks the seal before the first change gets to the files", async () => {
    const first = await open({ size: 65_536 });
    expect(first.disk.stored).toBeInstanceOf(SlotDisk);
    await first.disk.write(0, [new Uint8Array([1])]);
    const seal = await first.disk.seal();
    await first.close();
    const changes = [
      (disk: GuestDisk) => disk.write(0, [new Uint8Array([2])]),
      (disk: GuestDisk) => disk.writeZeroes(0, 32_768),
      (disk: GuestDisk) => disk.discard(0, 32_768),
    ];
    await expect(open({ keepsSeal: true })).rejects.toMatchObject({ problem: "sealed" });
    let known = seal;
    for (const change of changes) {
      const next = await open();
      expect(await next.disk.sealed()).toBe(known);
      const before = next.disk.dirtyBytes;
      const both = [change(next.disk), change(next.disk)];
      // The files are as they were until the seal is gone for good.
      expect([next.disk.dirtyBytes, await next.disk.sealed()]).toEqual([before, known]);
      await Promise.all(both);
      expect(await next.disk.sealed()).toBeUndefined();
      known = await next.disk.seal();
      await next.close();
    }
  });

  it("keeps a disk in IndexedDB that was made there", async () => {
    await write({ files: undefined });
    expect((await open({ name: "a" })).disk.stored).toBeInstanceOf(ChunkedDisk);
    expect((await open({ name: "b" })).disk.stored).toBeInstanceOf(SlotDisk);
  });

  it("falls back to IndexedDB where a browser refuses them", async () => {
    const files = () => Promise.reject(new DOMException("not in this window", "SecurityError"));
    await write({ files });
    expect((await open({ name: "a" })).disk.stored).toBeInstanceOf(ChunkedDisk);
  });

  it("never takes a disk for empty whose files are gone or cannot be had", async () => {
    await write();
    const bare = { name: "a", ...room, onFault: () => {} };
    await expect(openDisk({ ...bare, files: undefined })).rejects.toThrow("no files");
    const files = () => Promise.reject(new DOMException("not now", "SecurityError"));
    await expect(openDisk({ ...bare, files })).rejects.toMatchObject({ problem: "unavailable" });
    await removeDiskFiles("a", room.files);
    await expect(openDisk(bare)).rejects.toThrow("has deleted the data");
    await eraseDisk("a", room);
    await write();
  });

  it("says that a disk is damaged", async () => {
    await write();
    const { data, index } = await openDiskFiles(room.files!, "a", "find");
    index.write(Uint8Array.of(99), { at: 0 });
    for (const file of [data, index]) file.close();
    await expect(open({ name: "a" })).rejects.toThrow("is damaged: the data of chunk 0 is missing");
    await eraseDisk("a", room);
    await write();
  });

  it("waits for files that the browser has not closed yet", async () => {
    const { data, index } = await openDiskFiles(room.files!, "a", "make");
    setTimeout(() => {
      for (const file of [data, index]) file.close();
    }, 60);
    await write();
    await write();
    expect((await listDisks(room)).map(({ name }) => name)).toEqual(["a"]);
  });
});
