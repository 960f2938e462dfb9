/** The block device (virtio 5.2). Requests run concurrently and complete in any order. */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bit, bits, DeviceType } from "../spec.ts";
import { type BlockBackend, SECTOR_SIZE } from "./block-backend.ts";
import {
  BLOCK_SEGMENTS_MAX,
  BLOCK_ZERO_SECTORS_MAX,
  type BlockRequest,
  type BlockRules,
  BlockStatus,
  executeBlockRequest,
  parseBlockRequest,
} from "./block-request.ts";

/** Feature bits (5.2.3). */
export const BlockFeature = {
  SEG_MAX: 2,
  RO: 5,
  BLK_SIZE: 6,
  FLUSH: 9,
  TOPOLOGY: 10,
  CONFIG_WCE: 11,
  DISCARD: 13,
  WRITE_ZEROES: 14,
} as const;

/** Offsets in the configuration space (5.2.4). */
const Config = {
  CAPACITY: 0,
  SEG_MAX: 12,
  BLK_SIZE: 20,
  PHYSICAL_BLOCK_EXP: 24,
  MIN_IO_SIZE: 26,
  OPT_IO_SIZE: 28,
  WRITEBACK: 32,
  NUM_QUEUES: 34,
  MAX_DISCARD_SECTORS: 36,
  MAX_DISCARD_SEG: 40,
  DISCARD_SECTOR_ALIGNMENT: 44,
  MAX_WRITE_ZEROES_SECTORS: 48,
  MAX_WRITE_ZEROES_SEG: 52,
  WRITE_ZEROES_MAY_UNMAP: 56,
  SIZE: 60,
} as const;

const QUEUE_SIZE = 256;

/** Data segments per request: the queue less the request header and the status byte. */
const SEG_MAX = QUEUE_SIZE - 2;

/** Requests that the backend works on at once: enough to hide a slow one behind the others. */
export const BLOCK_IN_FLIGHT_MAX = 64;

/** Bytes of those requests, since a backend may hold a copy of each. One more may start below it. */
export const BLOCK_BYTES_IN_FLIGHT_MAX = 64 * 1024 * 1024;

/** 4 KiB physical blocks, as a power of two of sectors; 64 KiB is a good size to transfer. */
const PHYSICAL_BLOCK_EXP = 3;
const OPTIMAL_SECTORS = 128;

export class BlockDevice implements VirtioDevice {
  readonly type = DeviceType.BLOCK;
  readonly name: string;
  readonly features: bigint;
  readonly dependencies = [{ feature: BlockFeature.CONFIG_WCE, anyOf: [BlockFeature.FLUSH] }];
  readonly queueSizes = [QUEUE_SIZE];
  readonly config: ConfigFields;
  readonly #backend: BlockBackend;
  #io: DeviceIo | undefined;
  #writeback = true;
  #rules: BlockRules = { discard: false, writeZeroes: false, through: true };
  #draining = false;
  /** Chains are left in the queue because too much is in flight. */
  #stalled = false;
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

  constructor(name: string, backend: BlockBackend) {
    this.name = name;
    this.#backend = backend;
    this.features = featuresOf(backend);
    this.config = new ConfigFields(Config.SIZE, (offset, _size, value) => {
      if (offset === Config.WRITEBACK) this.#setWriteback((value & 1) !== 0);
    });
    this.#describe();
  }

  activate(io: DeviceIo): void {
    this.#io = io;
    this.#decide();
  }

  notify(): void {
    const io = this.#io;
    if (io === undefined) return;
    const [queue] = io.queues;
    this.#stalled = !this.#admits;
    if (this.#stalled || this.#draining) return;
    this.#draining = true;
    drain(queue, (chain) => {
      this.#start(io, chain);
      this.#stalled = !this.#admits;
      return !this.#stalled;
    });
    this.#draining = false;
    queue.publish();
  }

  reset(): void {
    this.#io = undefined;
    this.#draining = false;
    this.#stalled = false;
    this.#setWriteback(true);
  }

  /** The backend has another number of sectors now. */
  resized(): void {
    this.config.setU64(Config.CAPACITY, this.#backend.sectors);
    this.#io?.configChanged();
  }

  counters(): Counters {
    return { ...this.#counters, inFlight: this.#inFlight, bytesInFlight: this.#bytesInFlight };
  }

  save(): State {
    return { version: 1, writeback: this.#writeback };
  }

  load(state: State): void {
    this.#setWriteback(state.writeback !== false);
  }

  get #admits(): boolean {
    return this.#inFlight < BLOCK_IN_FLIGHT_MAX && this.#bytesInFlight < BLOCK_BYTES_IN_FLIGHT_MAX;
  }

  /** Without CONFIG_WCE the cache is write-back exactly if the driver can flush it (5.2.5.2). */
  #decide(): void {
    const features = this.#io?.features ?? 0n;
    const has = (feature: number) => (features & bit(feature)) !== 0n;
    this.#rules = {
      discard: has(BlockFeature.DISCARD),
      writeZeroes: has(BlockFeature.WRITE_ZEROES),
      through: has(BlockFeature.CONFIG_WCE) ? !this.#writeback : !has(BlockFeature.FLUSH),
    };
  }

  #start(io: DeviceIo, chain: DescriptorChain): void {
    const request = parseBlockRequest(chain);
    if (request === undefined) {
      this.#counters.errors++;
      chain.writeAt(chain.writableLength - 1, Uint8Array.of(BlockStatus.IOERR));
      io.queues[0].stage(chain, chain.writableLength === 1 ? 1 : 0);
      return;
    }
    this.#count(request);
    let running: BlockStatus | Promise<BlockStatus>;
    try {
      running = executeBlockRequest(this.#backend, request, this.#rules);
    } catch {
      running = BlockStatus.IOERR;
    }
    if (typeof running === "number") {
      this.#finish(io, request, running);
      return;
    }
    const bytes = request.dataOut + request.dataIn;
    this.#inFlight++;
    this.#bytesInFlight += bytes;
    const settle = (status: BlockStatus) => {
      this.#inFlight--;
      this.#bytesInFlight -= bytes;
      this.#finish(io, request, status);
      if (this.#stalled) this.notify();
    };
    void running.then(settle, () => settle(BlockStatus.IOERR));
  }

  #finish(io: DeviceIo, request: BlockRequest, status: BlockStatus): void {
    const { chain, dataIn } = request;
    if (status !== BlockStatus.OK) this.#counters.errors++;
    chain.writeAt(dataIn, Uint8Array.of(status));
    // The length counts from the start, so the status behind data that was not written is not in it.
    const written = status === BlockStatus.OK ? request.produces : 0;
    io.queues[0].stage(chain, written === dataIn ? dataIn + 1 : written);
    if (!this.#draining) io.queues[0].publish();
  }

  #count(request: BlockRequest): void {
    if (request.kind === "in") {
      this.#counters.reads++;
      this.#counters.bytesRead += request.dataIn;
    } else if (request.kind === "out") {
      this.#counters.writes++;
      this.#counters.bytesWritten += request.dataOut;
    } else if (request.kind === "flush") {
      this.#counters.flushes++;
    } else {
      this.#counters.others++;
    }
  }

  #setWriteback(writeback: boolean): void {
    this.#writeback = writeback;
    this.config.setU8(Config.WRITEBACK, writeback ? 1 : 0);
    this.#decide();
  }

  #describe(): void {
    this.config
      .setU64(Config.CAPACITY, this.#backend.sectors)
      .setU32(Config.SEG_MAX, SEG_MAX)
      .setU32(Config.BLK_SIZE, SECTOR_SIZE)
      .setU8(Config.PHYSICAL_BLOCK_EXP, PHYSICAL_BLOCK_EXP)
      .setU16(Config.MIN_IO_SIZE, 1 << PHYSICAL_BLOCK_EXP)
      .setU32(Config.OPT_IO_SIZE, OPTIMAL_SECTORS)
      .setU8(Config.WRITEBACK, 1)
      .setU16(Config.NUM_QUEUES, 1)
      .setU32(Config.MAX_DISCARD_SECTORS, BLOCK_ZERO_SECTORS_MAX)
      .setU32(Config.MAX_DISCARD_SEG, BLOCK_SEGMENTS_MAX)
      .setU32(Config.DISCARD_SECTOR_ALIGNMENT, 1 << PHYSICAL_BLOCK_EXP)
      .setU32(Config.MAX_WRITE_ZEROES_SECTORS, BLOCK_ZERO_SECTORS_MAX)
      .setU32(Config.MAX_WRITE_ZEROES_SEG, BLOCK_SEGMENTS_MAX)
      .setU8(Config.WRITE_ZEROES_MAY_UNMAP, 1);
  }
}

function featuresOf(backend: BlockBackend): bigint {
  const { SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE } = BlockFeature;
  let features = bits(SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE);
  if (backend.readOnly) return features | bit(BlockFeature.RO);
  if (backend.discard !== undefined) features |= bit(BlockFeature.DISCARD);
  if (backend.writeZeroes !== undefined) features |= bit(BlockFeature.WRITE_ZEROES);
  return features;
}
