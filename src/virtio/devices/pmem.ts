/**
 * The persistent memory device (virtio 5.19): a disk image that is memory of the guest. A flush makes
 * durable what was written since the last one.
 */
import { type GuestMemory, PAGE_BYTES } from "../../memory/guest-memory.ts";
import type { MemoryWindow } from "../../memory/memory-window.ts";
import { ChainReader, type DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bit, DeviceType } from "../spec.ts";
import { type BlockBackend, NO_SEAL, SECTOR_SIZE } from "./block-backend.ts";

/** Feature bits (5.19.3). */
const PmemFeature = { SHMEM_REGION: 0 } as const;

/** Configuration layout (5.19.4). */
const Config = { START: 0, SIZE: 8, BYTES: 16 } as const;

/** Request types and results (5.19.6). */
export const PmemRequest = { FLUSH: 0 } as const;
export const PmemResult = { OK: 0, FAILED: 0xffff_ffff } as const;

const QUEUE_SIZE = 64;

/** Bytes that are read or written at once: backends keep a copy until they are done with it. */
export const PMEM_TRANSFER_MAX = 1024 * 1024;

export interface PmemOptions {
  readonly memory: GuestMemory;
  /** At least as large as the disk. What lies behind the disk's end is memory that cannot be saved. */
  readonly window: MemoryWindow;
  readonly backend: BlockBackend;
}

export class PmemDevice implements VirtioDevice {
  readonly type = DeviceType.PMEM;
  readonly names = {
    title: "PMEM device",
    chapter: "5.19",
    features: PmemFeature,
    config: Config,
    traffic: ["storedBytes"],
  };
  readonly name: string;
  readonly features = bit(PmemFeature.SHMEM_REGION);
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new ConfigFields(Config.BYTES);
  readonly sharedMemory;
  readonly #memory: GuestMemory;
  readonly #window: MemoryWindow;
  readonly #backend: BlockBackend;
  readonly #imageBytes: number;
  #io: DeviceIo | undefined;
  /** Requests that wait for the next flush. */
  #waiting: DescriptorChain[] = [];
  #isFlushing = false;
  /** The last of all flushes, so that they come one after the other. */
  #last: Promise<void> = Promise.resolve();
  /** First addresses of pages that were written, and not stored by a flush that failed. */
  #unsaved: number[] = [];
  readonly #counters = { flushes: 0, failedFlushes: 0, badRequests: 0, storedBytes: 0 };

  /** @throws RangeError if the window is smaller than the disk. */
  constructor(name: string, { memory, window, backend }: PmemOptions) {
    this.name = name;
    this.#memory = memory;
    this.#window = window;
    this.#backend = backend;
    this.#imageBytes = backend.sectors * SECTOR_SIZE;
    if (this.#imageBytes > window.size) throw new RangeError(`${name} is larger than its window`);
    this.config.setU64(Config.START, window.base).setU64(Config.SIZE, window.size);
    this.sharedMemory = [{ id: 0, base: window.base, length: window.size }];
  }

  /** Brings the disk into memory, before the guest starts. Rejects if it cannot be read. */
  async load(): Promise<void> {
    const { base, size } = this.#window;
    this.#window.setPresent(base, size, true);
    for (let at = 0; at < this.#imageBytes; at += PMEM_TRANSFER_MAX) {
      const length = Math.min(PMEM_TRANSFER_MAX, this.#imageBytes - at);
      const bytes = this.#memory.view(base + at, length);
      await this.#backend.read(at / SECTOR_SIZE, {
        length,
        alive: true,
        write: (offset, part) => bytes?.set(part, offset),
        // The memory is new, and zero.
        zero: () => {},
      });
    }
  }

  /** Makes durable what the guest has written until now. Rejects if that is not possible. */
  flush(): Promise<void> {
    this.#last = this.#last.then(
      () => this.#store(),
      () => this.#store(),
    );
    return this.#last;
  }

  get underWay(): number {
    return this.#waiting.length + (this.#isFlushing ? 1 : 0);
  }

  get obstacle(): string | undefined {
    return this.#backend.seal === undefined ? NO_SEAL : undefined;
  }

  /** The image has then all that is in its memory, which `load` brings back. */
  async seal(): Promise<string> {
    await this.flush();
    return (await this.#backend.seal?.()) ?? "";
  }

  async sealed(): Promise<string | undefined> {
    return this.#backend.sealed?.();
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(): void {
    const queue = this.#io?.queues[0];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      if (new ChainReader(chain).u32() === PmemRequest.FLUSH && chain.writableLength >= 4) {
        this.#waiting.push(chain);
      } else {
        this.#counters.badRequests++;
        this.#answer(chain, PmemResult.FAILED);
      }
      return true;
    });
    this.#serve();
  }

  reset(): void {
    this.#io = undefined;
    this.#waiting = [];
  }

  counters(): Counters {
    return { ...this.#counters, imageBytes: this.#imageBytes, unsavedPages: this.#unsaved.length };
  }

  /** One flush for all requests that wait: each came after what it wants to be durable. */
  #serve(): void {
    if (this.#isFlushing || this.#waiting.length === 0) return;
    const round = this.#waiting;
    this.#waiting = [];
    this.#isFlushing = true;
    const settle = (result: number) => {
      this.#isFlushing = false;
      for (const chain of round) this.#answer(chain, result);
      this.#serve();
    };
    void this.flush().then(
      () => settle(PmemResult.OK),
      () => settle(PmemResult.FAILED),
    );
  }

  #answer(chain: DescriptorChain, result: number): void {
    const bytes = new Uint8Array(Uint32Array.of(result).buffer);
    const hasRoom = chain.writableLength >= bytes.length;
    this.#io?.queues[0].push(chain, hasRoom ? chain.writeAt(0, bytes) : 0);
  }

  /** @throws Error if something cannot be stored; then all of it is tried again the next time. */
  async #store(): Promise<void> {
    this.#counters.flushes++;
    const pages = merge(this.#unsaved, this.#memory.takeWritten(this.#window));
    this.#unsaved = pages;
    try {
      for (const { gpa, length } of runs(pages)) await this.#write(gpa, length);
      if (!this.#backend.readOnly) await this.#backend.flush();
      // Nobody else adds to it: flushes come one after the other.
      this.#unsaved = [];
    } catch (error) {
      this.#counters.failedFlushes++;
      throw error;
    }
  }

  async #write(gpa: number, length: number): Promise<void> {
    if (this.#backend.readOnly) throw new Error(`${this.name} is read-only`);
    const at = gpa - this.#window.base;
    const kept = Math.max(0, Math.min(length, this.#imageBytes - at));
    if (this.#memory.view(gpa + kept, length - kept)?.some((byte) => byte !== 0)) {
      throw new Error(`${this.name} was written behind its end`);
    }
    const bytes = this.#memory.view(gpa, kept);
    if (bytes === undefined || kept === 0) return;
    await this.#backend.write(at / SECTOR_SIZE, [bytes]);
    this.#counters.storedBytes += kept;
  }
}

/** Two sorted lists as one, each page once. */
function merge(a: readonly number[], b: readonly number[]): number[] {
  if (a.length === 0) return [...b];
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

/** Pages that follow one another, together. */
function* runs(pages: readonly number[]): Iterable<{ gpa: number; length: number }> {
  let [gpa, length] = [0, 0];
  for (const page of pages) {
    if (page === gpa + length && length > 0 && length < PMEM_TRANSFER_MAX) {
      length += PAGE_BYTES;
      continue;
    }
    if (length > 0) yield { gpa, length };
    [gpa, length] = [page, PAGE_BYTES];
  }
  if (length > 0) yield { gpa, length };
}
