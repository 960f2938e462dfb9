import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { deleteDisk, exportDisk, importDisk, type Library, listDisks } from "./disk-library.ts";
import type { BaseImage } from "./guest-disk.ts";
import { openDisk } from "./stored-disk.ts";
import { memoryRoom, PLACES } from "./testing/memory-room.ts";

const KIB = 1024;

let room: Library;

const open = (name: string, more: { size?: number; base?: BaseImage } = {}) =>
  openDisk({ name, ...room, onFault: () => {}, ...more });

const noBase = () => Promise.reject(new Error("no base"));

const patiently = () => ({ signal: new AbortController().signal, onProgress: () => {} });

async function exported(name: string, openBase = noBase as () => Promise<BaseImage>) {
  const image = await exportDisk(name, room, openBase, patiently());
  return new Uint8Array(await image.arrayBuffer());
}

async function packed(bytes: Uint8Array<ArrayBuffer>): Promise<Blob> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).blob();
}

/** Parts of data and of nothing, whose sizes have nothing to do with chunks: length and value. */
const runs = fc.array(fc.tuple(fc.nat(70 * KIB), fc.constantFrom(0, 1, 255)), { maxLength: 6 });

describe.each(PLACES)("the library of disks in %s", (place) => {
  beforeEach(() => {
    room = memoryRoom(place);
  });

  it("lists the disks with their sizes, and which are in use", async () => {
    const work = await open("work", { size: 64 * KIB });
    await work.disk.write(0, [new Uint8Array(512).fill(1)]);
    await work.disk.flush();
    const base = { size: 1000, identity: "https://x/a.img 1", read: noBase };
    await (await open("over", { base })).close();
    expect(await listDisks(room)).toEqual([
      { name: "over", sizeBytes: 1024, storedBytes: 0, base: base.identity, isLocked: false },
      { name: "work", sizeBytes: 64 * KIB, storedBytes: 32 * KIB, isLocked: true },
    ]);
  });

  it("gives an image back as it came, to whole sectors", async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(runs, fc.boolean(), async (parts, isPacked) => {
        const filled = parts.map(([length, value]) => Buffer.alloc(length, value));
        const image = new Uint8Array(Buffer.concat([Buffer.of(1), ...filled]));
        const name = `disk ${count++}`;
        await importDisk(
          name,
          isPacked ? await packed(image) : new Blob([image]),
          room,
          patiently(),
        );
        const back = await exported(name);
        expect(back.length).toBe(Math.ceil(image.length / 512) * 512);
        expect(Buffer.compare(back.subarray(0, image.length), image)).toBe(0);
        expect(back.subarray(image.length).every((byte) => byte === 0)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it("makes a disk that can be opened and written", async () => {
    await importDisk("new", new Blob([new Uint8Array(100).fill(7)]), room, patiently());
    const { disk, close } = await open("new");
    expect(disk.size).toBe(512);
    await disk.write(200, [new Uint8Array(10).fill(9)]);
    await close();
    const bytes = await exported("new");
    expect([bytes[99], bytes[100], bytes[205], bytes[210]]).toEqual([7, 0, 9, 0]);
  });

  it("takes what was never written from the image below", async () => {
    const content = new Uint8Array(100 * KIB).map((_, i) => i % 251);
    const read = async (at: number, length: number) => content.slice(at, at + length);
    const base = { size: content.length, identity: "b", read };
    const { disk, close } = await open("over", { base, size: 128 * KIB });
    await disk.write(40 * KIB, [new Uint8Array(512).fill(255)]);
    await disk.writeZeroes(64 * KIB, 32 * KIB);
    await close();
    const expected = new Uint8Array(128 * KIB);
    expected.set(content);
    expected.fill(255, 40 * KIB, 40 * KIB + 512);
    expected.fill(0, 64 * KIB, 96 * KIB);
    const back = await exported("over", async () => base);
    expect(Buffer.compare(back, expected)).toBe(0);
    await expect(exported("over")).rejects.toThrow("no base");
  });

  it("takes no room for zeros, here and there", async () => {
    await open("large", { size: 2 ** 30 }).then(({ close }) => close());
    const image = await exportDisk("large", room, noBase, patiently());
    expect(image.size).toBe(2 ** 30);
    await importDisk("zeros", new Blob([new Uint8Array(4 << 20)]), room, patiently());
    expect(await listDisks(room)).toContainEqual(
      expect.objectContaining({ name: "zeros", sizeBytes: 4 << 20, storedBytes: 0 }),
    );
  });

  it("leaves nothing of an import that was ended, and refuses one that could not be told", async () => {
    const image = new Blob([new Uint8Array(9 << 20).fill(1)]);
    const ending = new AbortController();
    const onProgress = (done: number) => {
      if (done > 5 << 20) ending.abort();
    };
    const ended = importDisk("half", image, room, { signal: ending.signal, onProgress });
    await expect(ended).rejects.toThrow();
    expect(await listDisks(room)).toEqual([]);
    await importDisk("half", new Blob(["x"]), room, patiently());
    for (const [name, file] of [
      ["half", "y"],
      ["none", ""],
      ["a/b", "y"],
    ]) {
      await expect(importDisk(name, new Blob([file]), room, patiently())).rejects.toThrow();
    }
    expect(await listDisks(room)).toHaveLength(1);
  });

  it("shows an import that died with its tab as what it is", async () => {
    const { KeyvalChunkStore } = await import("./chunk-store.ts");
    const { openLocked } = await import("./stored-disk.ts");
    const { store, release } = await openLocked("torn", room);
    const meta = { format: 1, size: 0, chunkSize: 32 * KIB, isPartial: true } as const;
    await new KeyvalChunkStore(store.use).writeMeta(meta);
    store.close();
    release();
    expect((await listDisks(room))[0].problem).toContain("interrupted");
    await expect(open("torn")).rejects.toThrow("interrupted");
    await expect(exported("torn")).rejects.toThrow("cannot be read");
    await deleteDisk("torn", room);
    expect(await listDisks(room)).toEqual([]);
  });

  it("deletes a disk for good, but none that is in use", async () => {
    const { close } = await open("mine");
    await expect(deleteDisk("mine", room)).rejects.toMatchObject({ problem: "busy" });
    await close();
    await deleteDisk("mine", room);
    expect(await listDisks(room)).toEqual([]);
    await expect(exported("mine")).rejects.toThrow();
  });
});
