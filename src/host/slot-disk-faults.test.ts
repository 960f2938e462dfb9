/** A guest's disk in files while those fail: what was flushed is there, all else is an error. */
import { describe, expect, it } from "vitest";
import { SlotDisk } from "./slot-disk.ts";
import { CHUNK, DISK_BYTES, endure, type TrialStorage } from "./testing/disk-trial.ts";
import { FaultyFile, FILE_FAULTS, type FileFault } from "./testing/faulty-file.ts";

class FaultyFiles implements TrialStorage<FileFault> {
  readonly #random = randomNumbers();
  #data = new FaultyFile(this.#random);
  #index = new FaultyFile(this.#random);

  async open(onFault: () => void): Promise<SlotDisk> {
    return new SlotDisk({
      files: { data: this.#data, index: this.#index },
      size: DISK_BYTES,
      chunkSize: CHUNK,
      writeBackMs: 2,
      maxUnusedChunks: 0,
      onFault,
    });
  }

  arm(fault: FileFault): void {
    (this.#random() < 0.5 ? this.#data : this.#index).fault = fault;
  }

  disarm(): void {
    this.#data.fault = undefined;
    this.#index.fault = undefined;
  }

  crash(): void {
    this.disarm();
    this.#data = this.#data.crash();
    this.#index = this.#index.crash();
  }
}

/** The same for each trial. */
function randomNumbers(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state / 0x8000_0000;
  };
}

describe("a disk in files that fail in every way", () => {
  it("loses nothing that it said was flushed, and goes on", { timeout: 60_000 }, async () => {
    const totals = await endure(() => new FaultyFiles(), FILE_FAULTS, 100);
    expect(totals.ok).toBeGreaterThan(400);
    expect(totals.failed).toBeGreaterThan(0);
    expect(totals.faults).toBeGreaterThan(0);
  });
});
