/** A disk in which requests fail or are late, as somebody asked for. */
import type { BlockBackend, BlockTarget } from "../virtio/devices/block-backend.ts";
import type { ArmedFaults } from "./armed-faults.ts";
import type { Sleep } from "./subject.ts";

/** Discarding, zeroing and erasing count as writing. */
export type DiskOperation = "read" | "write" | "flush";

export interface DiskFault {
  readonly operation: DiskOperation;
  readonly effect: "fail" | "delay";
  /** How many requests. */
  readonly requests: number;
  /** For `delay`, how late the answer is. */
  readonly delayMs?: number;
}

/**
 * A request that fails does nothing at all, and the guest is told (VIRTIO_BLK_S_IOERR). What is late is
 * the answer: the work itself is done at once, so that nothing that comes later can be overtaken by it.
 */
export class FaultyDisk implements BlockBackend {
  readonly faults: ArmedFaults<DiskFault>;
  readonly #disk: BlockBackend;
  readonly #sleep: Sleep;

  constructor(disk: BlockBackend, sleep: Sleep, faults: ArmedFaults<DiskFault>) {
    this.#disk = disk;
    this.#sleep = sleep;
    this.faults = faults;
  }

  get sectors(): number {
    return this.#disk.sectors;
  }

  get readOnly(): boolean {
    return this.#disk.readOnly;
  }

  get id(): string {
    return this.#disk.id;
  }

  read(sector: number, target: BlockTarget): void | Promise<void> {
    return this.#meet("read", () => this.#disk.read(sector, target));
  }

  write(sector: number, source: readonly Uint8Array[]): void | Promise<void> {
    return this.#meet("write", () => this.#disk.write(sector, source));
  }

  flush(): void | Promise<void> {
    return this.#meet("flush", () => this.#disk.flush());
  }

  discard(sector: number, count: number): void | Promise<void> {
    return this.#meet("write", () => this.#disk.discard?.(sector, count));
  }

  writeZeroes(sector: number, count: number, mayUnmap: boolean): void | Promise<void> {
    return this.#meet("write", () => this.#disk.writeZeroes?.(sector, count, mayUnmap));
  }

  secureErase(sector: number, count: number): void | Promise<void> {
    return this.#meet("write", () => this.#disk.secureErase?.(sector, count));
  }

  #meet(operation: DiskOperation, work: () => void | Promise<void>): void | Promise<void> {
    if (this.#take(operation, "fail")) throw new Error(`this ${operation} fails as asked for`);
    const late = this.#take(operation, "delay");
    const answer = work();
    return late === undefined ? answer : this.#later(answer, late.delayMs ?? 0);
  }

  #take(operation: DiskOperation, effect: DiskFault["effect"]): DiskFault | undefined {
    return this.faults.take((fault) => fault.operation === operation && fault.effect === effect);
  }

  async #later(answer: void | Promise<void>, ms: number): Promise<void> {
    const waiting = new Promise<void>((resolve) => {
      this.#sleep(ms, resolve);
    });
    await Promise.all([answer, waiting]);
  }
}
