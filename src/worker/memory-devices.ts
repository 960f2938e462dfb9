/** The guest's devices that are about its memory, and what they say of it. */
import { DiskBackend } from "../host/disk-backend.ts";
import type { OpenedDisk } from "../host/stored-disk.ts";
import { MemoryDevices } from "../machine/memory-devices.ts";
import type { MemoryConfig, MemoryStats } from "./protocol.ts";

const MIB = 1 << 20;

/** Measurements between two questions to the guest: 2 s while it works, and 10 s while it is idle. */
const ASK_EVERY = 10;
const ASK_EVERY_IDLE = 50;

export class PageMemoryDevices extends MemoryDevices {
  /** The disk that is memory of the guest. */
  readonly image: OpenedDisk | undefined;
  #measured = 0;

  /**
   * `image` is a disk that is to be memory of the guest; `onActivity` is told of each of its transfers,
   * in bytes.
   */
  constructor(
    config: MemoryConfig,
    image: OpenedDisk | undefined,
    onActivity: (bytes: number) => void,
  ) {
    super(config, image === undefined ? [] : [backendOf(image, onActivity)]);
    this.image = image;
  }

  /** Stores what the guest has written. Rejects if that is not possible. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.image?.close();
    }
  }

  /** Asks the guest to have a balloon of that size, and so much memory plugged. */
  resize({ balloonMiB, pluggedMiB }: { balloonMiB: number; pluggedMiB: number }): void {
    if (this.balloon !== undefined) this.balloon.target = balloonMiB * MIB;
    if (this.mem !== undefined) this.mem.requested = pluggedMiB * MIB;
  }

  /** Undefined if there is nothing to tell. */
  measure(isIdle: boolean): MemoryStats | undefined {
    const [balloon, mem] = [this.balloon, this.mem];
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

function backendOf({ disk, name }: OpenedDisk, onActivity: (bytes: number) => void): DiskBackend {
  return new DiskBackend({ disk, id: name, readOnly: false, onActivity });
}
