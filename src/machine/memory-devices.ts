/** The devices about a guest's memory: a balloon, memory that can be plugged, and images that are memory. */
import { BalloonDevice } from "../virtio/devices/balloon.ts";
import { type BlockBackend, SECTOR_SIZE } from "../virtio/devices/block-backend.ts";
import { MEM_REGION_ALIGNMENT, MemDevice } from "../virtio/devices/mem.ts";
import { PmemDevice } from "../virtio/devices/pmem.ts";
import type { Machine } from "./machine.ts";
import { windowBytesFor } from "./windows.ts";

const MIB = 1 << 20;

export interface MemoryOptions {
  /** What the balloon takes from the guest at first; absent for a machine without one. */
  readonly balloonMiB?: number;
  /** Memory that can be plugged while the machine runs, and what is plugged of it at first. */
  readonly hotplug?: { readonly mib: number; readonly pluggedMiB: number };
}

export class MemoryDevices {
  protected readonly balloon: BalloonDevice | undefined;
  protected mem: MemDevice | undefined;
  readonly #hotplug: MemoryOptions["hotplug"];
  readonly #images: readonly BlockBackend[];
  readonly #pmems: PmemDevice[] = [];

  /** `images` are disks that are to be persistent memory of the guest. */
  constructor({ balloonMiB, hotplug }: MemoryOptions, images: readonly BlockBackend[]) {
    this.#hotplug = hotplug;
    this.#images = images;
    if (balloonMiB === undefined) return;
    this.balloon = new BalloonDevice("balloon0");
    this.balloon.target = balloonMiB * MIB;
  }

  /** What the machine needs above its RAM. */
  get windowBytes(): number {
    const hotplug = (this.#hotplug?.mib ?? 0) * MIB;
    return this.#images.reduce((sum, image) => sum + windowBytesFor(bytesOf(image)), hotplug);
  }

  /** Brings the images into the machine's memory, before `attach`. Rejects if one cannot be read. */
  async load(machine: Machine): Promise<void> {
    for (const [i, backend] of this.#images.entries()) {
      const window = machine.openWindow(bytesOf(backend));
      const device = new PmemDevice(`pmem${i}`, { memory: machine.memory, window, backend });
      await device.load();
      this.#pmems.push(device);
    }
  }

  attach(machine: Machine): void {
    if (this.balloon !== undefined) machine.attach(this.balloon);
    for (const device of this.#pmems) machine.attach(device);
    if (this.#hotplug === undefined) return;
    const window = machine.openWindow(this.#hotplug.mib * MIB, MEM_REGION_ALIGNMENT);
    this.mem = new MemDevice("mem0", machine.memory, window);
    this.mem.requested = this.#hotplug.pluggedMiB * MIB;
    machine.attach(this.mem);
  }

  /** Stores what the guest has written to images. Rejects if some of it could not be. */
  async flush(): Promise<void> {
    const writable = this.#pmems.filter((_, i) => !this.#images[i].readOnly);
    const stored = await Promise.allSettled(writable.map((device) => device.flush()));
    const failure = stored.find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }
}

const bytesOf = (image: BlockBackend): number => image.sectors * SECTOR_SIZE;
