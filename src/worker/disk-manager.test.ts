import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Library } from "../host/disk-library.ts";
import type { GuestDisk } from "../host/guest-disk.ts";
import { openDisk } from "../host/stored-disk.ts";
import { memoryRoom, PLACES } from "../host/testing/memory-room.ts";
import { Log } from "../machine/log.ts";
import { DiskManager } from "./disk-manager.ts";
import type { DiskConfig } from "./protocol.ts";

const KIB = 1024;

let room: Library;
let inUse: GuestDisk | undefined;
let log: Log;
let ours: DiskConfig[];
let flush: () => Promise<void>;
let manager: DiskManager;

const open = (name: string, size = 64 * KIB) =>
  openDisk({ name, size, ...room, onFault: () => {} });

/** Waits until a job has ended; gives its state and why it failed. */
async function ended(id: number): Promise<string> {
  const job = () => manager.jobs().find((candidate) => candidate.id === id)!;
  await vi.waitFor(() => expect(job().state).not.toBe("running"));
  return `${job().state} ${job().error ?? ""}`.trim();
}

describe.each(PLACES)("DiskManager of disks in %s", (place) => {
  beforeEach(() => {
    room = memoryRoom(place);
    log = new Log({ wallClockMs: () => 0 });
    ours = [];
    inUse = undefined;
    flush = async () => {};
    const services = {
      indexedDB: room.factory,
      locks: room.locks,
      files: room.files,
      log,
      fetch: async () => new Response(new Uint8Array(4 * KIB).fill(3)),
    };
    manager = new DiskManager(services, {
      disks: () => ours,
      open: () => inUse,
      flush: () => flush(),
    });
  });

  it("exports what the machine has written, after it is stored", async () => {
    const { disk } = await open("work");
    ours = [{ name: "work" }];
    inUse = disk;
    flush = async () => disk.flush();
    await disk.write(100, [Uint8Array.of(1, 2, 3)]);
    expect(await manager.list()).toMatchObject([{ name: "work", isOurs: true, isLocked: true }]);
    const job = manager.export("work", false);
    expect(await ended(job)).toBe("done");
    const bytes = new Uint8Array(await manager.exported(job).arrayBuffer());
    expect([bytes.length, ...bytes.subarray(99, 104)]).toEqual([64 * KIB, 0, 1, 2, 3, 0]);
    manager.end(job);
    expect(manager.jobs()).toEqual([]);
    expect(() => manager.exported(job)).toThrow("no such file");
  });

  it("fails the export of a machine that cannot store, or of another tab's disk", async () => {
    await open("work");
    expect(await ended(manager.export("work", false))).toContain("in use by another tab");
    ours = [{ name: "work" }];
    flush = () => Promise.reject(new Error("no room."));
    expect(await ended(manager.export("work", false))).toBe("failed no room");
    expect(await ended(manager.export("none", false))).toContain("failed");
    expect(log.since(0).at(-1)).toMatchObject({ level: "warning", source: "host" });
  });

  it("imports what it has exported, packed", async () => {
    const { disk, close } = await open("work", 4 << 20);
    await disk.write(0, [new Uint8Array(1000).fill(9)]);
    await close();
    const job = manager.export("work", true);
    expect(await ended(job)).toBe("done");
    const file = manager.exported(job);
    expect(file.type).toBe("application/gzip");
    expect(file.size).toBeLessThan(64 * KIB);
    expect(await ended(manager.import("again", file))).toBe("done");
    expect(await manager.list()).toMatchObject([
      { name: "again", sizeBytes: 4 << 20, storedBytes: 32 * KIB, isOurs: false },
      { name: "work" },
    ]);
    await manager.delete("work");
    expect(await manager.list()).toHaveLength(1);
  });

  it("fetches the image below, if it is the one that it was", async () => {
    const url = "https://host/base.img";
    const make = async (name: string, identity: string) => {
      const read = async (_: number, length: number) => new Uint8Array(length);
      const { close } = await openDisk({
        name,
        base: { size: 4 * KIB, identity, read },
        ...room,
        onFault: () => {},
      });
      await close();
    };
    await make("over", url);
    await make("changed", `${url} "etag"`);
    await make("picked", "debian.img 100 5");
    const job = manager.export("over", false);
    expect(await ended(job)).toBe("done");
    expect(new Uint8Array(await manager.exported(job).arrayBuffer())[0]).toBe(3);
    expect(await ended(manager.export("changed", false))).toContain("has changed");
    expect(await ended(manager.export("picked", false))).toContain("was picked");
  });

  it("ends a job, of which nothing is left", async () => {
    const job = manager.import("half", new Blob([new Uint8Array(8 << 20).fill(1)]));
    manager.end(job);
    await vi.waitFor(async () => expect(await manager.list()).toEqual([]));
    await vi.waitFor(() => expect(log.since(0)).toHaveLength(1));
    expect(log.since(0)[0].text).toContain("cancelled");
    expect(manager.jobs()).toEqual([]);
  });
});
