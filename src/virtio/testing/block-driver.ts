/** The driver's side of a block device: headers, segments, and a backend that answers when told to. */
import { BlockDevice } from "../devices/block.ts";
import type { BlockBackend, BlockTarget } from "../devices/block-backend.ts";
import type { BlockDeviceOptions } from "../devices/block-config.ts";
import { MemoryBlockBackend } from "../devices/memory-block-backend.ts";
import { TestDriver } from "./driver.ts";

/** The 16 bytes that begin a request (5.2.6). */
export function header(type: number, sector = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(8, sector % 0x1_0000_0000, true);
  view.setUint32(12, Math.floor(sector / 0x1_0000_0000), true);
  return bytes;
}

/** One range of a discard, write-zeroes or secure-erase request. */
export function segment(sector: number, count: number, flags = 0): Uint8Array<ArrayBuffer> {
  const bytes = header(sector % 0x1_0000_0000, 0);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, Math.floor(sector / 0x1_0000_0000), true);
  view.setUint32(8, count, true);
  view.setUint32(12, flags, true);
  return bytes;
}

/** Bytes that differ from their neighbours. */
export const pattern = (length: number, seed = 1): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);

export interface BlockDriverOptions extends BlockDeviceOptions {
  /** Of the features offered, those to accept; default all. */
  readonly accept?: bigint;
}

/** A device over `backend` with its driver, started. */
export function startBlock(
  backend: BlockBackend = new MemoryBlockBackend({ sectors: 1024 }),
  { accept = -1n, ...options }: BlockDriverOptions = {},
) {
  const device = new BlockDevice("blk0", backend, options);
  const driver = new TestDriver(device, { ramSize: 0x40_0000 }).start({ accept });
  const [queue] = driver.splitQueues;
  /** Runs one request of a backend that answers at once. @throws Error if that gives no answer. */
  const run = (readable: Uint8Array[], writable: number[], indirect = false) => {
    const request = queue.add(readable, writable, { indirect });
    queue.kick();
    const used = queue.poll();
    if (used.length !== 1) throw new Error(`${used.length} answers to one request`);
    const data = queue.written(request);
    return { length: used[0].length, status: data[data.length - 1], data };
  };
  return { device, driver, queue, run };
}

/** Answers when the test says so, in any order. */
export class DeferredBackend implements BlockBackend {
  sectors = 1 << 20;
  readonly readOnly = false;
  readonly id = "deferred";
  readonly log: string[] = [];
  readonly targets: BlockTarget[] = [];
  readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  read(sector: number, target: BlockTarget): Promise<void> {
    this.targets.push(target);
    return this.#wait(`read ${sector}`);
  }

  write(sector: number): Promise<void> {
    return this.#wait(`write ${sector}`);
  }

  flush(): Promise<void> {
    return this.#wait("flush");
  }

  #wait(what: string): Promise<void> {
    this.log.push(what);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
}
