/** The block device (virtio 5.2). Requests run concurrently and complete in any order. */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain, type Virtqueue } from "../queue.ts";
import { bit, DeviceType } from "../spec.ts";
import { type BlockBackend, NO_SEAL } from "./block-backend.ts";
import {
  BLOCK_QUEUE_SIZE,
  BlockConfig,
  type BlockDeviceOptions,
  BlockFeature,
  blockFeatures,
  checkBlockOptions,
  describeBlock,
} from "./block-config.ts";
import {
  BlockRequest,
  type BlockRules,
  BlockStatus,
  BlockType,
  executeBlockRequest,
  isBlockRequest,
} from "./block-request.ts";

/** Requests that the backend works on at once: enough to hide a slow one behind the others. */
export const BLOCK_IN_FLIGHT_MAX = 64;

/** Bytes of those requests, since a backend may hold a copy of each. One more may start below it. */
export const BLOCK_BYTES_IN_FLIGHT_MAX = 64 * 1024 * 1024;

export class BlockDevice implements VirtioDevice {
  readonly type = DeviceType.BLOCK;
  readonly names = {
    title: "Block device",
    chapter: "5.2",
    features: BlockFeature,
    config: BlockConfig,
    traffic: ["bytesRead", "bytesWritten"],
  };
  readonly name: string;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly config: ConfigFields;
  readonly #backend: BlockBackend;
  #io: DeviceIo | undefined;
  #negotiated = 0n;
  #rules: BlockRules;
  #draining = false;
  /** Queues to look at: kicked, or left with chains because too much was in flight. */
  readonly #waiting: boolean[];
  /** The queue that is looked at first, so that none starves the others. */
  #turn = 0;
  /** Completions that the driver has not been told of yet. */
  #unpublished = false;
  /** Also counts requests of before a reset: the backend still works on them. */
  #inFlight = 0;
  #bytesInFlight = 0;
  readonly #counters = {
    reads: 0,
    writes: 0,
    flushes: 0,
    others: 0,
    bytesRead: 0,
    bytesWritten: 0,
    errors: 0,
  };

  /** @throws RangeError if an option cannot be. */
  constructor(name: string, backend: BlockBackend, options: BlockDeviceOptions = {}) {
    const complete = checkBlockOptions(options);
    this.name = name;
    this.#backend = backend;
    this.features = blockFeatures(backend);
    this.queueSizes = new Array<number>(complete.queues).fill(BLOCK_QUEUE_SIZE);
    this.#waiting = new Array<boolean>(complete.queues).fill(false);
    this.config = new ConfigFields(BlockConfig.SIZE, (offset, _size, value) => {
      if (offset === BlockConfig.WRITEBACK) this.#switchCache((value & 1) !== 0);
    });
    describeBlock(this.config, backend, complete);
    this.config.setU64(BlockConfig.CAPACITY, backend.sectors);
    this.#rules = this.#setWriteback(true);
  }

  /** A driver that cannot flush gets a write-through cache, and sees so (5.2.5.2). */
  negotiated(features: bigint): void {
    this.#negotiated = features;
    this.#setWriteback(this.#has(BlockFeature.FLUSH));
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(index: number): void {
    this.#waiting[index] = true;
    this.#serve();
  }

  reset(): void {
    this.#io = undefined;
    this.#negotiated = 0n;
    this.#waiting.fill(false);
    this.#turn = 0;
    this.#setWriteback(true);
  }

  /** The backend has another number of sectors now. */
  resized(): void {
    this.config.setU64(BlockConfig.CAPACITY, this.#backend.sectors);
    this.#io?.configChanged();
  }

  counters(): Counters {
    return { ...this.#counters, inFlight: this.#inFlight, bytesInFlight: this.#bytesInFlight };
  }

  get underWay(): number {
    return this.#inFlight;
  }

  get obstacle(): string | undefined {
    return this.#backend.seal === undefined ? NO_SEAL : undefined;
  }

  async seal(): Promise<string> {
    return (await this.#backend.seal?.()) ?? "";
  }

  async sealed(): Promise<string | undefined> {
    return this.#backend.sealed?.();
  }

  save(): State {
    return { version: 1, writeback: !this.#rules.through };
  }

  load(state: State): void {
    this.#setWriteback(state.writeback !== false && this.#has(BlockFeature.FLUSH));
  }

  get #admits(): boolean {
    return this.#inFlight < BLOCK_IN_FLIGHT_MAX && this.#bytesInFlight < BLOCK_BYTES_IN_FLIGHT_MAX;
  }

  #has(feature: number): boolean {
    return (this.#negotiated & bit(feature)) !== 0n;
  }

  /** The driver's write to `writeback`, which exists only if negotiated (5.2.5). */
  #switchCache(writeback: boolean): void {
    if (!this.#has(BlockFeature.CONFIG_WCE) || !this.#has(BlockFeature.FLUSH)) return;
    const turnedOff = !this.#rules.through && !writeback;
    this.#setWriteback(writeback);
    if (!turnedOff || this.#backend.readOnly) return;
    // Nobody flushes any more, so this is the last chance for what was written before. The
    // specification asks for less, hence a failure is nobody's but the backend's to tell.
    try {
      this.#backend.flush()?.catch(() => {});
    } catch {}
  }

  /** Without CONFIG_WCE the cache is write-back exactly if the driver can flush it (5.2.5.2). */
  #setWriteback(writeback: boolean): BlockRules {
    this.config.setU8(BlockConfig.WRITEBACK, writeback ? 1 : 0);
    this.#rules = {
      discard: this.#has(BlockFeature.DISCARD),
      writeZeroes: this.#has(BlockFeature.WRITE_ZEROES),
      secureErase: this.#has(BlockFeature.SECURE_ERASE),
      lifetime: this.#has(BlockFeature.LIFETIME),
      through: !writeback,
    };
    return this.#rules;
  }

  /** Takes chains from the queues that have some, in turn, for as long as the backend may have more. */
  #serve(): void {
    const io = this.#io;
    if (io === undefined || this.#draining) return;
    this.#draining = true;
    for (let left = io.queues.length; left > 0 && this.#admits; left--) {
      const index = this.#turn;
      this.#turn = (index + 1) % io.queues.length;
      if (this.#waiting[index]) this.#drain(io.queues[index]);
    }
    this.#draining = false;
  }

  #drain(queue: Virtqueue): void {
    this.#waiting[queue.index] = false;
    drain(queue, (chain) => {
      this.#start(queue, chain);
      if (this.#admits) return true;
      this.#waiting[queue.index] = true;
      return false;
    });
    queue.publish();
  }

  #start(queue: Virtqueue, chain: DescriptorChain): void {
    if (!isBlockRequest(chain)) {
      this.#counters.errors++;
      chain.fillAt(chain.writableLength - 1, 1, BlockStatus.IOERR);
      queue.stage(chain, chain.writableLength === 1 ? 1 : 0);
      return;
    }
    const request = new BlockRequest(queue, chain);
    this.#count(request);
    let running: BlockStatus | Promise<BlockStatus>;
    try {
      running = executeBlockRequest(this.#backend, request, this.#rules);
    } catch {
      running = BlockStatus.IOERR;
    }
    if (typeof running === "number") this.#finish(request, running);
    else this.#await(request, running);
  }

  #await(request: BlockRequest, running: Promise<BlockStatus>): void {
    const bytes = request.dataOut + request.dataIn;
    this.#inFlight++;
    this.#bytesInFlight += bytes;
    const settle = (status: BlockStatus) => {
      this.#inFlight--;
      this.#bytesInFlight -= bytes;
      this.#finish(request, status);
      this.#publishSoon();
    };
    void running.then(settle, () => settle(BlockStatus.IOERR));
  }

  /** Once for all requests that the backend answers in one go, as a disk's cache often does. */
  #publishSoon(): void {
    if (this.#unpublished) return;
    this.#unpublished = true;
    void Promise.resolve().then(() => {
      this.#unpublished = false;
      const queues = this.#io?.queues ?? [];
      for (const queue of queues) queue.publish();
      if (this.#waiting.includes(true)) this.#serve();
    });
  }

  #finish(request: BlockRequest, status: BlockStatus): void {
    const { queue, chain, dataIn } = request;
    if (status !== BlockStatus.OK) this.#counters.errors++;
    chain.fillAt(dataIn, 1, status);
    // The length counts from the start, so the status behind data that was not written is not in it.
    const written = status === BlockStatus.OK ? request.produces : 0;
    queue.stage(chain, written === dataIn ? dataIn + 1 : written);
  }

  #count(request: BlockRequest): void {
    if (request.type === BlockType.IN) {
      this.#counters.reads++;
      this.#counters.bytesRead += request.dataIn;
    } else if (request.type === BlockType.OUT) {
      this.#counters.writes++;
      this.#counters.bytesWritten += request.dataOut;
    } else if (request.type === BlockType.FLUSH) {
      this.#counters.flushes++;
    } else {
      this.#counters.others++;
    }
  }
}
