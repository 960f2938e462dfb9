import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LoadError } from "../src/machine/load-error.ts";
import { type DiskFile, FileDisk } from "./file-disk.ts";

let folder: string;
let path: string;
let disk: FileDisk;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "file-disk-"));
  path = join(folder, "disk.img");
  await writeFile(path, Buffer.alloc(8 * 512 + 100, 0xaa));
  disk = await FileDisk.open(path, false);
});

afterEach(async () => {
  await disk.close();
  await rm(folder, { recursive: true });
});

function target(length: number) {
  const bytes = new Uint8Array(length);
  return {
    bytes,
    length,
    alive: true,
    write: (offset: number, part: Uint8Array) => bytes.set(part, offset),
    zero: () => {},
  };
}

it("has the whole sectors of the file, and its name", () => {
  expect(disk.sectors).toBe(8);
  expect(disk.id).toBe("disk.img");
});

it("reads back what was written, in pieces and across sectors", async () => {
  await disk.write(2, [new Uint8Array(100).fill(1), new Uint8Array(924).fill(2)]);
  await disk.flush();
  const into = target(3 * 512);
  await disk.read(1, into);
  expect(into.bytes[511]).toBe(0xaa);
  expect(into.bytes[512]).toBe(1);
  expect(into.bytes[612]).toBe(2);
  const file = await readFile(path);
  expect(file[1024]).toBe(1);
});

it("leaves a request alone that the guest gave up", async () => {
  const into = { ...target(512), alive: false };
  await disk.read(0, into);
  expect(into.bytes[0]).toBe(0);
});

it("zeroes, and keeps the holes of a sparse file", async () => {
  await disk.writeZeroes(1, 2);
  const file = await readFile(path);
  expect([file[511], file[512], file[1535], file[1536]]).toEqual([0xaa, 0, 0, 0xaa]);
  const sparse = join(folder, "sparse.img");
  await writeFile(sparse, "");
  await truncate(sparse, 16 << 20);
  const other = await FileDisk.open(sparse, false);
  await other.discard(0, other.sectors);
  await other.close();
  expect((await stat(sparse)).blocks * 512).toBeLessThan(1 << 20);
});

it("follows a file that becomes longer or shorter", async () => {
  const seen: number[] = [];
  disk.follow(() => seen.push(disk.sectors), 5);
  await truncate(path, 16 * 512);
  await vi.waitFor(() => expect(seen).toEqual([16]));
  await truncate(path, 3 * 512 + 1);
  await vi.waitFor(() => expect(seen).toEqual([16, 3]));
});

it("fails a read when the file has shrunk", async () => {
  await truncate(path, 512);
  await expect(disk.read(4, target(512))).rejects.toThrow();
});

it("says what to do about a file that is not there", async () => {
  await expect(FileDisk.open(join(folder, "none"), false)).rejects.toThrow(LoadError);
});

it("has a seal that the first write breaks, and opening does not", async () => {
  const path = join(folder, "sealed");
  await writeFile(path, new Uint8Array(4096));
  const first = await FileDisk.open(path, false);
  const seal = await first.seal();
  expect(await first.sealed()).toBe(seal);
  await first.read(0, target(512));
  await first.close();
  const second = await FileDisk.open(path, true);
  expect(await second.sealed()).toBe(seal);
  // Nobody writes to this one, and so it need not be marked.
  expect(await second.seal()).toBe(seal);
  await second.close();
  const third = await FileDisk.open(path, false);
  await third.write(0, [new Uint8Array(512)]);
  expect(await third.sealed()).not.toBe(seal);
  const again = await third.seal();
  expect(await third.seal()).not.toBe(again);
  await third.close();
});

describe("a file that fails", () => {
  const full = () =>
    Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });

  /** A disk over a file in memory that can be made to fail. */
  function failing() {
    const bytes = Buffer.alloc(8 * 512);
    const faults = { room: Number.POSITIVE_INFINITY, sync: true, read: true };
    const file = {
      stat: async () => ({ size: bytes.length }),
      read: async (into: Uint8Array, offset: number, length: number, position: number) => {
        if (!faults.read) throw new Error("EIO: i/o error");
        // One sector at a time, as a file may that is interrupted.
        const part = bytes.subarray(position, position + Math.min(length, 512));
        into.set(part, offset);
        return { bytesRead: part.length, buffer: into };
      },
      write: async (from: Uint8Array, offset: number, length: number, position: number) => {
        if (faults.room === 0) throw full();
        const bytesWritten = Math.min(length, faults.room, 512);
        faults.room -= bytesWritten;
        bytes.set(from.subarray(offset, offset + bytesWritten), position);
        return { bytesWritten, buffer: from };
      },
      datasync: async () => {
        if (!faults.sync) throw new Error("EIO: i/o error");
      },
      close: async () => {},
    };
    const told: string[] = [];
    const disk = new FileDisk(file as unknown as DiskFile, {
      name: "failing",
      bytes: bytes.length,
      readOnly: false,
      onFault: (error) => told.push(error.message),
    });
    return { disk, faults, bytes, told };
  }

  it("gets the rest of what it took in part", async () => {
    const { disk, bytes, told } = failing();
    await disk.write(1, [new Uint8Array(2048).fill(7)]);
    expect([bytes[511], bytes[512], bytes[2559], bytes[2560]]).toEqual([0, 7, 7, 0]);
    const into = target(2048);
    await disk.read(1, into);
    expect(into.bytes.every((byte) => byte === 7)).toBe(true);
    expect(told).toEqual([]);
  });

  it("is an error and no success while it is full, and goes on when it is not", async () => {
    const { disk, faults, told } = failing();
    faults.room = 700;
    await expect(disk.write(0, [new Uint8Array(1024).fill(7)])).rejects.toThrow("no space");
    await expect(disk.write(0, [new Uint8Array(512)])).rejects.toThrow("no space");
    expect(told).toHaveLength(2);
    faults.room = 10_000;
    await disk.write(0, [new Uint8Array(1024).fill(8)]);
    await disk.writeZeroes(1, 1);
    const into = target(1024);
    await disk.read(0, into);
    expect([into.bytes[511], into.bytes[512], into.bytes[1023]]).toEqual([8, 0, 0]);
    faults.room = 0;
    await expect(disk.discard(0, 1)).rejects.toThrow("no space");
  });

  it("never vouches for data again once syncing has failed", async () => {
    const { disk, faults, told } = failing();
    await disk.flush();
    faults.sync = false;
    await expect(disk.flush()).rejects.toThrow("EIO");
    faults.sync = true;
    await expect(disk.flush()).rejects.toThrow("EIO");
    expect(told).toHaveLength(2);
  });

  it("leaves the guest's memory alone when it cannot be read", async () => {
    const { disk, faults, told } = failing();
    faults.read = false;
    const into = target(512);
    into.bytes.fill(9);
    await expect(disk.read(0, into)).rejects.toThrow("EIO");
    expect(into.bytes.every((byte) => byte === 9)).toBe(true);
    expect(told).toHaveLength(1);
  });
});
