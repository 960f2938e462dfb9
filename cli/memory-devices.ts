/** The devices about memory that the command line asks for. */
import { setTimeout as sleep } from "node:timers/promises";
import { LoadError } from "../src/machine/load-error.ts";
import { MemoryDevices } from "../src/machine/memory-devices.ts";
import type { BalloonDevice } from "../src/virtio/devices/balloon.ts";
import { MEM_SECTION_BYTES, type MemDevice } from "../src/virtio/devices/mem.ts";
import type { MemoryCommand } from "./escape.ts";
import { FileDisk } from "./file-disk.ts";
import type { RunOptions } from "./options.ts";

const MIB = 1024 * 1024;

/** Time for the guest to answer a question, in ms. */
const ANSWER_MS = 300;

/** Their images are files. */
export class FileMemoryDevices extends MemoryDevices {
  readonly #files: readonly FileDisk[];

  /** Opens the images of persistent memory. @throws LoadError */
  static async open(options: RunOptions): Promise<FileMemoryDevices> {
    const files = await Promise.all(
      options.pmems.map(({ path, readOnly }) => FileDisk.open(path, readOnly)),
    );
    return new FileMemoryDevices(options, files);
  }

  private constructor(options: RunOptions, files: readonly FileDisk[]) {
    super(options, files);
    this.#files = files;
  }

  /** Stores what the guest has written. @throws LoadError if that is not possible. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      throw new LoadError(
        `What the guest wrote last to persistent memory is lost (${error}).`,
        "Make sure that the image has room for it.",
      );
    } finally {
      await Promise.all(this.#files.map((file) => file.close()));
    }
  }

  /** Does what a key of the monitor says, and tells how the guest's memory is then. */
  async obey(command: MemoryCommand): Promise<string> {
    if (this.mem !== undefined && command !== "memory") {
      this.mem.requested += (command === "plug" ? 1 : -1) * MEM_SECTION_BYTES;
    }
    this.balloon?.requestStatistics();
    this.balloon?.requestHints();
    await sleep(ANSWER_MS);
    return [...describeBalloon(this.balloon), ...describeMem(this.mem)].join("; ");
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

const mib = (bytes: number | undefined): string =>
  bytes === undefined ? "?" : (bytes / MIB).toFixed(0);
