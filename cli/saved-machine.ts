/** Saved machines in files. */
import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { sleep } from "../src/host/sleep.ts";
import { LoadError } from "../src/machine/load-error.ts";
import type { Machine } from "../src/machine/machine.ts";
import { type MachineFile, openMachineFile } from "../src/machine/saved/saved-machine.ts";

/** The file gets its name when it is complete. */
const UNFINISHED = ".unfinished";

/** All that the guest has in its memory is in there. */
const OWNER_ALONE = 0o600;

/**
 * No instruction of the machine runs again: what it did to its disks would make the file useless.
 * @throws LoadError if it cannot be saved, and it goes on
 */
export async function saveMachine(machine: Machine, path: string): Promise<void> {
  const pieces = await machine.save({ nowMs: () => performance.now(), sleep, note: undefined });
  machine.hold.begin();
  try {
    const file = await open(path + UNFINISHED, "w", OWNER_ALONE);
    try {
      for await (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(path + UNFINISHED, path);
  } catch (error) {
    await rm(path + UNFINISHED, { force: true });
    machine.hold.end();
    throw new LoadError(
      `The machine could not be stored (${(error as Error).message}).`,
      "It goes on: make room and try again.",
    );
  }
}

/** @throws LoadError */
export async function openMachine(path: string): Promise<MachineFile> {
  try {
    return await openMachineFile(createReadStream(path) as AsyncIterable<Uint8Array<ArrayBuffer>>);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw new LoadError(
      `The saved machine cannot be opened (${(error as Error).message}).`,
      "Check its name; Ctrl-A S saves a machine that was started with --save.",
    );
  }
}
