/**
 * The memory device (virtio 5.15): memory that is plugged and unplugged while the guest runs, in blocks
 * that the driver chooses.
 */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { type MemoryWindow, WINDOW_BLOCK_BYTES } from "../../memory/memory-window.ts";
import { ChainReader, type DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bit, DeviceType } from "../spec.ts";

/** Feature bits (5.15.3). There is no ACPI, and so no ACPI_PXM. */
const MemFeature = { UNPLUGGED_INACCESSIBLE: 1 } as const;

/** Configuration layout (5.15.4). `node_id` stays 0. */
const Config = {
  BLOCK_SIZE: 0,
  NODE_ID: 8,
  ADDR: 16,
  REGION_SIZE: 24,
  USABLE_REGION_SIZE: 32,
  PLUGGED_SIZE: 40,
  REQUESTED_SIZE: 48,
  SIZE: 56,
} as const;

/** Requests, responses and the states that STATE tells (5.15.6). */
export const MemRequest = { PLUG: 0, UNPLUG: 1, UNPLUG_ALL: 2, STATE: 3 } as const;
export const MemResponse = { ACK: 0, NACK: 1, BUSY: 2, ERROR: 3 } as const;
export const MemState = { PLUGGED: 0, UNPLUGGED: 1, MIXED: 2 } as const;

/** Bytes of a response, of which 2 are the type and 2, after padding, the state. */
const RESPONSE_BYTES = 10;
const RESPONSE_STATE = 8;

const QUEUE_SIZE = 64;

/** Linux adds memory in whole sections of so many bytes on RISC-V: the region should consist of them. */
export const MEM_SECTION_BYTES = 128 * 1024 * 1024;

/**
 * Alignment of the region. Sections would do, but then a kernel whose `struct page` is not a power of two
 * keeps what it knows of RAM's last section and of the region's first in one huge page, and loses both
 * when the latter is unplugged. The guest's addresses are the only cost.
 */
export const MEM_REGION_ALIGNMENT = 1024 * 1024 * 1024;

/**
 * Bytes that the requests of one kick may plug, some 50 ms of clearing: what is beyond is answered with
 * BUSY, and the driver tries again. Drivers plug a section at a time.
 */
export const MEM_PLUG_MAX = 256 * 1024 * 1024;

interface Answer {
  readonly type: number;
  readonly state?: number;
}

const ACK: Answer = { type: MemResponse.ACK };
const NACK: Answer = { type: MemResponse.NACK };
const BUSY: Answer = { type: MemResponse.BUSY };
const ERROR: Answer = { type: MemResponse.ERROR };

export class MemDevice implements VirtioDevice {
  readonly type = DeviceType.MEM;
  readonly names = {
    title: "Memory device",
    chapter: "5.15",
    features: MemFeature,
    config: Config,
  };
  readonly name: string;
  readonly features = bit(MemFeature.UNPLUGGED_INACCESSIBLE);
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new ConfigFields(Config.SIZE);
  readonly #memory: GuestMemory;
  readonly #window: MemoryWindow;
  #io: DeviceIo | undefined;
  #requested = 0;
  #plugLeft = 0;
  readonly #counters = { plugs: 0, unplugs: 0, refusals: 0 };

  /** All of `window` may be plugged; nothing of it is. */
  constructor(name: string, memory: GuestMemory, window: MemoryWindow) {
    this.name = name;
    this.#memory = memory;
    this.#window = window;
    this.config
      .setU64(Config.BLOCK_SIZE, WINDOW_BLOCK_BYTES)
      .setU64(Config.ADDR, window.base)
      .setU64(Config.REGION_SIZE, window.size)
      // Whole from the start, so that the driver may choose its blocks anywhere.
      .setU64(Config.USABLE_REGION_SIZE, window.size);
  }

  /** Bytes that can be plugged at most. */
  get size(): number {
    return this.#window.size;
  }

  get plugged(): number {
    return this.#window.presentBytes;
  }

  /** Bytes that the guest is asked to have plugged, in whole blocks; it gets there as far as it can. */
  get requested(): number {
    return this.#requested;
  }

  set requested(bytes: number) {
    const blocks = Math.floor(Math.max(0, bytes) / WINDOW_BLOCK_BYTES);
    this.#requested = Math.min(blocks * WINDOW_BLOCK_BYTES, this.#window.size);
    this.config.setU64(Config.REQUESTED_SIZE, this.#requested);
    this.#io?.configChanged();
  }

  activate(io: DeviceIo): void {
    // Without it unplugged blocks would have to be readable (5.15.6.2), and there is nothing to read.
    if ((io.features & bit(MemFeature.UNPLUGGED_INACCESSIBLE)) === 0n) {
      io.needsReset("the driver would read memory that is unplugged");
      return;
    }
    this.#io = io;
  }

  notify(): void {
    const queue = this.#io?.queues[0];
    if (queue === undefined) return;
    this.#plugLeft = MEM_PLUG_MAX;
    drain(queue, (chain) => {
      // Too short for an answer: then nothing is done either, since the driver would not know.
      queue.push(chain, chain.writableLength < RESPONSE_BYTES ? 0 : this.#serve(chain));
      return true;
    });
  }

  /** Blocks stay as they are: the driver finds them by STATE, or unplugs all (5.15.5.2). */
  reset(): void {
    this.#io = undefined;
    this.config.setU64(Config.PLUGGED_SIZE, this.plugged);
  }

  /** The machine starts anew, and nothing is plugged any more. */
  systemReset(): void {
    this.#unplugAll();
  }

  /** What is plugged. */
  get ownMemory(): MemoryWindow {
    return this.#window;
  }

  save(): State {
    return { version: 1, requested: this.#requested };
  }

  load(state: State): void {
    this.requested = Number(state.requested ?? 0);
  }

  counters(): Counters {
    return {
      ...this.#counters,
      pluggedBytes: this.plugged,
      requestedBytes: this.#requested,
      regionBytes: this.#window.size,
    };
  }

  #serve(chain: DescriptorChain): number {
    const reader = new ChainReader(chain);
    const type = reader.u16();
    reader.skip(6);
    const gpa = reader.u64() ?? 0;
    const length = (reader.u16() ?? 0) * WINDOW_BLOCK_BYTES;
    const answer = this.#execute(type, gpa, length);
    if (answer.type !== MemResponse.ACK) this.#counters.refusals++;
    const response = new DataView(new ArrayBuffer(RESPONSE_BYTES));
    response.setUint16(0, answer.type, true);
    response.setUint16(RESPONSE_STATE, answer.state ?? 0, true);
    return chain.writeAt(0, new Uint8Array(response.buffer));
  }

  #execute(type: number | undefined, gpa: number, length: number): Answer {
    if (type === MemRequest.UNPLUG_ALL) {
      this.#unplugAll();
      return ACK;
    }
    if (!this.#isUsable(gpa, length)) return ERROR;
    switch (type) {
      case MemRequest.PLUG:
        return this.#plug(gpa, length);
      case MemRequest.UNPLUG:
        if (!this.#window.isPresent(gpa, length)) return ERROR;
        this.#counters.unplugs++;
        this.#setPlugged(gpa, length, false);
        return ACK;
      case MemRequest.STATE:
        return { type: MemResponse.ACK, state: this.#stateOf(gpa, length) };
      default:
        return ERROR;
    }
  }

  #plug(gpa: number, length: number): Answer {
    if (!this.#window.isAbsent(gpa, length)) return ERROR;
    // More than was asked for is rejected (5.15), whatever the driver had in mind.
    if (this.plugged + length > this.#requested) return NACK;
    if (length > this.#plugLeft) return BUSY;
    this.#plugLeft -= length;
    this.#counters.plugs++;
    this.#setPlugged(gpa, length, true);
    // What was there before, or was written by a device meanwhile, is gone.
    this.#memory.discard(gpa, length);
    return ACK;
  }

  #unplugAll(): void {
    this.#setPlugged(this.#window.base, this.#window.size, false);
  }

  #setPlugged(gpa: number, length: number, isPlugged: boolean): void {
    this.#window.setPresent(gpa, length, isPlugged);
    this.config.setU64(Config.PLUGGED_SIZE, this.plugged);
  }

  #stateOf(gpa: number, length: number): number {
    if (this.#window.isPresent(gpa, length)) return MemState.PLUGGED;
    return this.#window.isAbsent(gpa, length) ? MemState.UNPLUGGED : MemState.MIXED;
  }

  /** Whole blocks, at least one, inside the usable region. */
  #isUsable(gpa: number, length: number): boolean {
    const { base, size } = this.#window;
    const start = gpa - base;
    const isInside = start >= 0 && start < size && length > 0 && length <= size - start;
    return isInside && start % WINDOW_BLOCK_BYTES === 0;
  }
}
