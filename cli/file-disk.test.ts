import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LoadError } from "../src/machine/load-error.ts";
import { FileDisk } from "./file-disk.ts";

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
