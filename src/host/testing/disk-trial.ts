/** A guest on one disk through faults and crashes, and what its disk may read as. */
import fc from "fast-check";
import { expect } from "vitest";
import { BlockDevice } from "../../virtio/devices/block.ts";
import { BlockStatus, BlockType } from "../../virtio/devices/block-request.ts";
import { header, segment } from "../../virtio/testing/block-driver.ts";
import { TestDriver } from "../../virtio/testing/driver.ts";
import type { DriverRequest } from "../../virtio/testing/driver-queue.ts";
import { DiskBackend } from "../disk-backend.ts";
import type { GuestDisk } from "../guest-disk.ts";

export const CHUNK = 4096;
const SECTOR = 512;
const SECTORS = (12 * CHUNK) / SECTOR;
export const DISK_BYTES = SECTORS * SECTOR;
const LONGEST = 24;

/** What keeps a disk's bytes, and can be made to fail. */
export interface TrialStorage<Fault> {
  /** Opens what is stored, as a page does that is loaded again. Faults are told to `onFault`. */
  open(onFault: () => void): Promise<GuestDisk>;
  /** The next use of it fails like that. */
  arm(fault: Fault): void;
  disarm(): void;
  /** The tab is gone, or the power: what was not durable may be there in part. */
  crash(): void;
}

type Step<Fault> =
  | { kind: "write" | "zero" | "discard"; sector: number; count: number }
  | { kind: "flush" | "read all" | "pass time" | "crash" | "wait" }
  | { kind: "fault"; fault: Fault };

const range = fc.record({
  sector: fc.integer({ min: 0, max: SECTORS - LONGEST }),
  count: fc.integer({ min: 1, max: LONGEST }),
});

/** What a guest and its host do, in some order. */
function stepsWith<Fault>(faults: readonly Fault[]): fc.Arbitrary<Step<Fault>[]> {
  const change = (kind: "write" | "zero" | "discard") =>
    range.map((r): Step<Fault> => ({ kind, ...r }));
  const event = (kind: "flush" | "read all" | "pass time" | "crash" | "wait") =>
    fc.constant<Step<Fault>>({ kind });
  const fault = fc.constantFrom(...faults).map((fault): Step<Fault> => ({ kind: "fault", fault }));
  const step = fc.oneof(
    { weight: 8, arbitrary: change("write") },
    { weight: 2, arbitrary: change("zero") },
    { weight: 2, arbitrary: change("discard") },
    { weight: 4, arbitrary: event("flush") },
    { weight: 2, arbitrary: event("read all") },
    { weight: 3, arbitrary: event("wait") },
    { weight: 2, arbitrary: event("pass time") },
    { weight: 2, arbitrary: event("crash") },
    { weight: 3, arbitrary: fault },
  );
  return fc.array(step, { minLength: 10, maxLength: 40 });
}

interface Version {
  readonly value: number;
  /** When the guest was told that it is written; never for a request that failed. */
  doneAt: number;
}

/** What each sector, which holds one repeated byte, may read as. */
class Model {
  #clock = 0;
  readonly #versions: Version[][] = Array.from({ length: SECTORS }, () => [
    { value: 0, doneAt: 0 },
  ]);

  begin(sector: number, count: number, value: number): Version[] {
    return Array.from({ length: count }, (_, i) => {
      const version = { value, doneAt: Number.POSITIVE_INFINITY };
      this.#versions[sector + i].push(version);
      return version;
    });
  }

  done(versions: readonly Version[]): void {
    this.#clock++;
    for (const version of versions) version.doneAt = this.#clock;
  }

  now(): number {
    return this.#clock;
  }

  /** A flush that was sent at `time` was acknowledged: nothing older comes back. */
  flushed(time: number): void {
    for (const versions of this.#versions) {
      versions.splice(
        0,
        versions.findLastIndex(({ doneAt }) => doneAt <= time),
      );
    }
  }

  /** A running disk shows the last version that was acknowledged, or one that came later. */
  checkRead(bytes: Uint8Array): void {
    this.#check(bytes, (versions) =>
      versions.slice(versions.findLastIndex(({ doneAt }) => doneAt <= this.#clock)),
    );
  }

  /** What a crash leaves is any version since the last flush, and is what there is from now on. */
  recovered(bytes: Uint8Array): void {
    this.#check(bytes, (versions) => versions);
    for (const [sector, versions] of this.#versions.entries()) {
      versions.splice(0, versions.length, { value: bytes[sector * SECTOR], doneAt: 0 });
    }
  }

  #check(bytes: Uint8Array, allowed: (versions: Version[]) => Version[]): void {
    for (const [sector, versions] of this.#versions.entries()) {
      const part = bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      const values = allowed(versions).map(({ value }) => value);
      expect(new Set(part).size, `sector ${sector} is torn`).toBe(1);
      expect(values, `sector ${sector}`).toContain(part[0]);
    }
  }
}

interface Pending {
  readonly request: DriverRequest;
  /** The sectors that it changes. */
  readonly from: number;
  readonly to: number;
  readonly end: (isOk: boolean, data: Uint8Array) => void;
}

/** One guest on one disk, through crashes. */
class Trial<Fault> {
  readonly model = new Model();
  readonly counts = { ok: 0, failed: 0, faults: 0 };
  readonly #storage: TrialStorage<Fault>;
  #driver!: TestDriver;
  #pending: Pending[] = [];
  #stamp = 0;

  constructor(storage: TrialStorage<Fault>) {
    this.#storage = storage;
  }

  async mount(): Promise<void> {
    const disk = await this.#storage.open(() => this.counts.faults++);
    const backend = new DiskBackend({ disk, id: "disk", readOnly: false, onActivity: () => {} });
    this.#driver = new TestDriver(new BlockDevice("blk0", backend), { ramSize: 0x80_0000 }).start();
    this.#pending = [];
  }

  async run(step: Step<Fault>): Promise<void> {
    switch (step.kind) {
      case "write":
      case "zero":
      case "discard":
        return this.#change(step);
      case "flush":
        return this.#flush();
      case "read all":
        return this.#readAll((bytes) => this.model.checkRead(bytes));
      case "pass time":
        return new Promise((resolve) => setTimeout(resolve, 5));
      case "wait":
        return this.idle();
      case "fault":
        return this.#storage.arm(step.fault);
      case "crash":
        return this.crash();
    }
  }

  /** The tab is gone, in the middle of whatever it did. */
  async crash(): Promise<void> {
    this.#storage.crash();
    await this.mount();
    await this.#readAll((bytes) => this.model.recovered(bytes));
    await this.idle();
  }

  /** Waits until every request has its answer. */
  async idle(): Promise<void> {
    for (let i = 0; this.#pending.length > 0; i++) {
      if (i > 2000) throw new Error("a request was never answered");
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#collect();
    }
  }

  async #change({ kind, sector, count }: Extract<Step<Fault>, { sector: number }>): Promise<void> {
    // Requests that run at the same time have no order, so a guest sends none that overlap.
    const overlaps = ({ from, to }: Pending) => from < sector + count && sector < to;
    if (this.#pending.some(overlaps)) await this.idle();
    this.#stamp = (this.#stamp % 255) + 1;
    const value = kind === "write" ? this.#stamp : 0;
    const versions = this.model.begin(sector, count, value);
    const data = new Uint8Array(count * SECTOR).fill(value);
    const requests = {
      write: [header(BlockType.OUT, sector), data],
      zero: [header(BlockType.WRITE_ZEROES), segment(sector, count, 1)],
      discard: [header(BlockType.DISCARD), segment(sector, count)],
    };
    // What a discard leaves in which sector is the disk's choice, so it is never "done".
    const end = (isOk: boolean) => {
      if (isOk && kind !== "discard") this.model.done(versions);
    };
    this.#send(requests[kind], [1], end, [sector, sector + count]);
  }

  #flush(): void {
    const time = this.model.now();
    this.#send([header(BlockType.FLUSH)], [1], (isOk) => {
      if (isOk) this.model.flushed(time);
    });
  }

  async #readAll(check: (bytes: Uint8Array) => void): Promise<void> {
    await this.idle();
    this.#send([header(BlockType.IN)], [SECTORS * SECTOR, 1], (isOk, data) => {
      if (isOk) check(data.subarray(0, SECTORS * SECTOR));
    });
    await this.idle();
  }

  #send(readable: Uint8Array[], writable: number[], end: Pending["end"], range = [0, 0]): void {
    const [queue] = this.#driver.splitQueues;
    const request = queue.add(readable, writable);
    this.#pending.push({ request, end, from: range[0], to: range[1] });
    queue.kick();
    this.#collect();
  }

  #collect(): void {
    const [queue] = this.#driver.splitQueues;
    for (const { id } of queue.poll()) {
      const at = this.#pending.findIndex(({ request }) => request.id === id);
      const [{ request, end }] = this.#pending.splice(at, 1);
      const data = queue.written(request);
      const isOk = data[data.length - 1] === BlockStatus.OK;
      this.counts[isOk ? "ok" : "failed"]++;
      end(isOk, data);
    }
  }
}

/** Goes through many histories of a disk; gives how many requests went well and not, and the faults. */
export async function endure<Fault>(
  makeStorage: () => TrialStorage<Fault>,
  faults: readonly Fault[],
  numRuns: number,
): Promise<{ ok: number; failed: number; faults: number }> {
  const totals = { ok: 0, failed: 0, faults: 0 };
  await fc.assert(
    fc.asyncProperty(stepsWith(faults), async (steps) => {
      const storage = makeStorage();
      const trial = new Trial(storage);
      await trial.mount();
      for (const one of steps) await trial.run(one);
      await trial.idle();
      // Whatever went wrong is over: the disk works, and keeps what it had in memory until now.
      storage.disarm();
      await trial.run({ kind: "flush" });
      await trial.run({ kind: "read all" });
      await trial.crash();
      for (const key of ["ok", "failed", "faults"] as const) totals[key] += trial.counts[key];
    }),
    { numRuns },
  );
  return totals;
}
