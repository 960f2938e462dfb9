/** The guest's devices that are about its memory, and what they say of it. */

import { DiskBackend } from "../host/disk-backend.ts";
import type { IndexedDbDisk } from "../host/indexeddb-disk.ts";
import type { Machine } from "../machine/machine.ts";
import { windowBytesFor } from "../machine/windows.ts";
import { BalloonDevice } from "../virtio/devices/balloon.ts";
import { MEM_REGION_ALIGNMENT, MemDevice } from "../virtio/devices/mem.ts";
import { PmemDevice } from "../virtio/devices/pmem.ts";
import type { MemoryConfig, MemoryStats } from "./protocol.ts";

const MIB = 1 << 20;

/** Measurements between two questions to the guest: 2 s while it works, and 10 s while it is idle. */
const ASK_EVERY = 10;
const ASK_EVERY_IDLE = 50;

export class MemoryDevices {
  readonly #balloon: BalloonDevice | undefined;
  readonly #image: IndexedDbDisk | undefined;
  readonly #hotplug: MemoryConfig["hotplug"];
  #mem: MemDevice | undefined;
  #pmem: PmemDevice | undefined;
  #measured = 0;

  /** `image` is a disk that is to be memory of the guest. */
  constructor({ balloonMiB, hotplug }: MemoryConfig, image: IndexedDbDisk | undefined) {
    this.#hotplug = hotplug;
    this.#image = image;
    if (balloonMiB === undefined) return;
    this.#balloon = new BalloonDevice("balloon0");
    this.#balloon.target = balloonMiB * MIB;
  }

  /** What the machine needs above its RAM. */
  get windowBytes(): number {
    return windowBytesFor(this.#image?.disk.size ?? 0) + (this.#hotplug?.mib ?? 0) * MIB;
  }

  attach(machine: Machine): void {
    if (this.#balloon !== undefined) machine.attach(this.#balloon);
    if (this.#pmem !== undefined) machine.attach(this.#pmem);
    if (this.#hotplug === undefined) return;
    const window = machine.openWindow(this.#hotplug.mib * MIB, MEM_REGION_ALIGNMENT);
    this.#mem = new MemDevice("mem0", machine.memory, window);
    this.#mem.requested = this.#hotplug.pluggedMiB * MIB;
    machine.attach(this.#mem);
  }

  /** Brings the image into the machine's memory, before `attach`. Rejects if it cannot be read. */
  async load(machine: Machine, onActivity: (bytes: number) => void): Promise<void> {
    if (this.#image === undefined) return;
    const { disk, name } = this.#image;
    const backend = new DiskBackend({ disk, id: name, readOnly: false, onActivity });
    const window = machine.openWindow(disk.size);
    const device = new PmemDevice("pmem0", { memory: machine.memory, window, backend });
    await device.load();
    this.#pmem = device;
  }

  /** Stores what the guest has written. Rejects if that is not possible. */
  async flush(): Promise<void> {
    await this.#pmem?.flush();
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#image?.close();
    }
  }

  /** Asks the guest to have a balloon of that size, and so much memory plugged. */
  resize({ balloonMiB, pluggedMiB }: { balloonMiB: number; pluggedMiB: number }): void {
    if (this.#balloon !== undefined) this.#balloon.target = balloonMiB * MIB;
    if (this.#mem !== undefined) this.#mem.requested = pluggedMiB * MIB;
  }

  /** Undefined if there is nothing to tell. */
  measure(isIdle: boolean): MemoryStats | undefined {
    const [balloon, mem] = [this.#balloon, this.#mem];
    if (balloon === undefined && mem === undefined) return undefined;
    this.#measured++;
    if (this.#measured % (isIdle ? ASK_EVERY_IDLE : ASK_EVERY) === 0) balloon?.requestStatistics();
    const { freeBytes, availableBytes, totalBytes } = balloon?.statistics ?? {};
    return {
      ...(balloon && { balloon: { bytes: balloon.heldBytes, targetBytes: balloon.target } }),
      ...(mem && {
        hotplug: { bytes: mem.plugged, requestedBytes: mem.requested, mostBytes: mem.size },
      }),
      ...(freeBytes !== undefined && { freeBytes }),
      ...(availableBytes !== undefined && { availableBytes }),
      ...(totalBytes !== undefined && { totalBytes }),
    };
  }
}
