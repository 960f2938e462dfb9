/** The devices about memory that the command line asks for. */
import { setTimeout as sleep } from "node:timers/promises";
import { LoadError } from "../src/machine/load-error.ts";
import type { Machine } from "../src/machine/machine.ts";
import { windowBytesFor } from "../src/machine/windows.ts";
import { BalloonDevice } from "../src/virtio/devices/balloon.ts";
import { SECTOR_SIZE } from "../src/virtio/devices/block-backend.ts";
import { MEM_REGION_ALIGNMENT, MEM_SECTION_BYTES, MemDevice } from "../src/virtio/devices/mem.ts";
import { PmemDevice } from "../src/virtio/devices/pmem.ts";
import type { MemoryCommand } from "./escape.ts";
import { FileDisk } from "./file-disk.ts";
import type { RunOptions } from "./options.ts";

const MIB = 1024 * 1024;

/** Time for the guest to answer a question, in ms. */
const ANSWER_MS = 300;

export class MemoryDevices {
  readonly #balloon: BalloonDevice | undefined;
  readonly #images: readonly FileDisk[];
  readonly #pmems: PmemDevice[] = [];
  readonly #hotplug: RunOptions["hotplug"];
  #mem: MemDevice | undefined;

  /** Opens the images of persistent memory. @throws LoadError */
  static async open(options: RunOptions): Promise<MemoryDevices> {
    const images = await Promise.all(
      options.pmems.map(({ path, readOnly }) => FileDisk.open(path, readOnly)),
    );
    return new MemoryDevices(options, images);
  }

  private constructor({ balloonMiB, hotplug }: RunOptions, images: readonly FileDisk[]) {
    this.#images = images;
    this.#hotplug = hotplug;
    if (balloonMiB === undefined) return;
    this.#balloon = new BalloonDevice("balloon0");
    this.#balloon.target = balloonMiB * MIB;
  }

  /** What the machine needs above its RAM. */
  get windowBytes(): number {
    const hotplug = (this.#hotplug?.mib ?? 0) * MIB;
    return this.#images.reduce((sum, image) => sum + windowBytesFor(bytesOf(image)), hotplug);
  }

  /** Rejects if an image cannot be read. */
  async attach(machine: Machine): Promise<void> {
    if (this.#balloon !== undefined) machine.attach(this.#balloon);
    if (this.#hotplug !== undefined) {
      const window = machine.openWindow(this.#hotplug.mib * MIB, MEM_REGION_ALIGNMENT);
      this.#mem = new MemDevice("mem0", machine.memory, window);
      this.#mem.requested = this.#hotplug.pluggedMiB * MIB;
      machine.attach(this.#mem);
    }
    for (const [i, backend] of this.#images.entries()) {
      const window = machine.openWindow(bytesOf(backend));
      const device = new PmemDevice(`pmem${i}`, { memory: machine.memory, window, backend });
      await device.load();
      machine.attach(device);
      this.#pmems.push(device);
    }
  }

  /** Stores what the guest has written. @throws LoadError if that is not possible. */
  async close(): Promise<void> {
    const writable = this.#pmems.filter((_, i) => !this.#images[i].readOnly);
    const stored = await Promise.allSettled(writable.map((device) => device.flush()));
    await Promise.all(this.#images.map((image) => image.close()));
    const failure = stored.find((result) => result.status === "rejected");
    if (failure === undefined) return;
    throw new LoadError(
      `What the guest wrote last to persistent memory is lost (${failure.reason}).`,
      "Make sure that the image has room for it.",
    );
  }

  /** Does what a key of the monitor says, and tells how the guest's memory is then. */
  async obey(command: MemoryCommand): Promise<string> {
    if (this.#mem !== undefined && command !== "memory") {
      this.#mem.requested += (command === "plug" ? 1 : -1) * MEM_SECTION_BYTES;
    }
    this.#balloon?.requestStatistics();
    this.#balloon?.requestHints();
    await sleep(ANSWER_MS);
    return [...describeBalloon(this.#balloon), ...describeMem(this.#mem)].join("; ");
  }
}

function describeBalloon(balloon: BalloonDevice | undefined): string[] {
  if (balloon === undefined) return ["no balloon (see --balloon)"];
  const { totalBytes, availableBytes } = balloon.statistics;
  const { hintedBytes } = balloon.counters();
  return [
    `the balloon has ${mib(balloon.heldBytes)} of ${mib(balloon.target)} MiB`,
    `the guest has ${mib(totalBytes)} MiB, ${mib(availableBytes)} available`,
    `${mib(hintedBytes)} in free pages`,
  ];
}

function describeMem(mem: MemDevice | undefined): string[] {
  if (mem === undefined) return ["nothing to plug (see --hotplug-memory)"];
  return [`${mib(mem.plugged)} of ${mib(mem.requested)} MiB are plugged, ${mib(mem.size)} at most`];
}

const bytesOf = (image: FileDisk): number => image.sectors * SECTOR_SIZE;

const mib = (bytes: number | undefined): string =>
  bytes === undefined ? "?" : (bytes / MIB).toFixed(0);
