/**
 * The traditional memory balloon (virtio 5.5): takes memory from the guest and gives it back, learns
 * which pages are free, and how the guest uses its memory.
 */
import { ChainReader, type DescriptorChain } from "../chain.ts";
import { ConfigFields, readConfig } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain, type Virtqueue } from "../queue.ts";
import { bit, bits, DeviceType } from "../spec.ts";
import { type BalloonStatistics, readStatistics } from "./balloon-statistics.ts";
import { PageSet } from "./page-set.ts";

/** Feature bits (5.5.3). */
export const BalloonFeature = {
  MUST_TELL_HOST: 0,
  STATS_VQ: 1,
  DEFLATE_ON_OOM: 2,
  FREE_PAGE_HINT: 3,
  PAGE_POISON: 4,
  PAGE_REPORTING: 5,
} as const;

/** Queues (5.5.2). */
export const BalloonQueue = {
  INFLATE: 0,
  DEFLATE: 1,
  STATISTICS: 2,
  FREE_PAGE: 3,
  REPORTING: 4,
} as const;
type BalloonQueue = (typeof BalloonQueue)[keyof typeof BalloonQueue];

/** The queues that exist only with a feature, in order. */
export const OPTIONAL_QUEUES: readonly (readonly [queue: BalloonQueue, feature: number])[] = [
  [BalloonQueue.STATISTICS, BalloonFeature.STATS_VQ],
  [BalloonQueue.FREE_PAGE, BalloonFeature.FREE_PAGE_HINT],
  [BalloonQueue.REPORTING, BalloonFeature.PAGE_REPORTING],
];

/** Configuration layout (5.5.4). */
const Config = { NUM_PAGES: 0, ACTUAL: 4, FREE_PAGE_HINT_CMD_ID: 8, POISON_VAL: 12, SIZE: 16 };

/** Reserved values of `free_page_hint_cmd_id` (5.5.6.5). */
export const HintCommand = { STOP: 0, DONE: 1, FIRST: 2 } as const;

/** Linux refuses a reporting queue of less than 32; the other queues hold one request at a time. */
const QUEUE_SIZE = 64;

/** Pages are numbered in units of 4 KiB, whatever the guest's page size is (5.5.6). */
export const PAGE_BYTES = 4096;

/**
 * Page numbers of one inflate or deflate request that are looked at. Drivers send 256; a request may
 * claim a gigabyte of them by naming the same bytes many times.
 */
export const BALLOON_PAGES_MAX = 1024;

/**
 * Bytes cleared per kick of a queue, some 50 ms of work: a kick may name all of RAM many times over.
 * Beyond that requests are completed and the pages stay as they are, which the driver must allow.
 */
export const BALLOON_CLEAR_MAX = 256 * 1024 * 1024;

export class BalloonDevice implements VirtioDevice {
  readonly type = DeviceType.BALLOON;
  readonly names = {
    title: "Memory balloon device",
    chapter: "5.5",
    features: BalloonFeature,
    config: Config,
    levels: ["availableBytes", "freeBytes", "cacheBytes"],
  };
  readonly name: string;
  readonly features = bits(...Object.values(BalloonFeature));
  readonly queueSizes = Object.values(BalloonQueue).map(() => QUEUE_SIZE);
  readonly config: ConfigFields;
  #io: DeviceIo | undefined;
  /** What each queue is for. */
  #roles: readonly BalloonQueue[] = [];
  /** Pages that the guest has given and not taken back. */
  readonly #held = new PageSet();
  #clearLeft = 0;
  #statistics: BalloonStatistics = {};
  /** The buffer that the next request for statistics gives back. */
  #statisticsBuffer: DescriptorChain | undefined;
  #lastHintCommand: number = HintCommand.DONE;
  /** The driver has begun to answer the present command. */
  #hinting = false;
  #hintedBytes = 0;
  readonly #counters = {
    inflatedPages: 0,
    deflatedPages: 0,
    ignoredPages: 0,
    reports: 0,
    reportedBytes: 0,
  };

  constructor(name: string) {
    this.name = name;
    this.config = new ConfigFields(Config.SIZE, (offset, size, value) =>
      this.#writeConfig(offset, size, value),
    );
  }

  /** Bytes that the balloon should have; the driver gets there when it can. */
  get target(): number {
    return this.#field(Config.NUM_PAGES) * PAGE_BYTES;
  }

  set target(bytes: number) {
    const pages = Math.min(Math.max(0, Math.floor(bytes / PAGE_BYTES)), 0xffff_ffff);
    this.config.setU32(Config.NUM_PAGES, pages);
    this.#io?.configChanged();
  }

  /** Bytes that the guest has given and not taken back. */
  get heldBytes(): number {
    return this.#held.size * PAGE_BYTES;
  }

  /** What the guest said last of its memory. */
  get statistics(): BalloonStatistics {
    return this.#statistics;
  }

  /** Asks the guest for new statistics; they are in `statistics` when it has answered. */
  requestStatistics(): void {
    const buffer = this.#statisticsBuffer;
    if (buffer === undefined) return;
    this.#statisticsBuffer = undefined;
    this.#queueOf(BalloonQueue.STATISTICS)?.push(buffer, 0);
  }

  /** Asks the guest which pages are free now; `hintedBytes` of the counters grows to their size. */
  requestHints(): void {
    // An identifier that the driver may still answer is not used again.
    const next = this.#lastHintCommand + 1;
    this.#lastHintCommand = next > 0xffff_ffff ? HintCommand.FIRST : next;
    this.#hintedBytes = 0;
    this.#hinting = false;
    this.#command(this.#lastHintCommand);
  }

  activate(io: DeviceIo): void {
    this.#io = io;
    this.#roles = rolesOf(io);
  }

  notify(index: number): void {
    const io = this.#io;
    if (io === undefined) return;
    const queue = io.queues[index];
    const role = this.#roles[index];
    this.#clearLeft = BALLOON_CLEAR_MAX;
    drain(queue, (chain) => {
      if (role === BalloonQueue.STATISTICS) this.#takeStatistics(queue, chain);
      else queue.stage(chain, this.#serve(io, role, chain));
      return true;
    });
    queue.publish();
  }

  reset(): void {
    this.#io = undefined;
    this.#roles = [];
    this.#held.clear();
    this.#statistics = {};
    this.#statisticsBuffer = undefined;
    this.#hinting = false;
    this.#setDriverFields(0, 0);
    this.config.setU32(Config.FREE_PAGE_HINT_CMD_ID, HintCommand.STOP);
  }

  counters(): Counters {
    return {
      ...this.#counters,
      targetPages: this.#field(Config.NUM_PAGES),
      actualPages: this.#field(Config.ACTUAL),
      heldPages: this.#held.size,
      hintedBytes: this.#hintedBytes,
      ...this.#statistics,
    };
  }

  save(): State {
    return {
      version: 1,
      target: this.target,
      actual: this.#field(Config.ACTUAL),
      poison: this.#field(Config.POISON_VAL),
      held: this.#held.values(),
      lastHintCommand: this.#lastHintCommand,
    };
  }

  load(state: State): void {
    if (typeof state.target === "number") this.target = state.target;
    this.#setDriverFields(Number(state.actual ?? 0), Number(state.poison ?? 0));
    this.#held.clear();
    for (const page of (state.held ?? []) as number[]) this.#held.add(page);
    this.#lastHintCommand = Number(state.lastHintCommand ?? HintCommand.DONE);
    // A command that was under way is over: its hints went to the machine that was saved.
    this.#command(HintCommand.DONE);
  }

  #serve(io: DeviceIo, role: BalloonQueue | undefined, chain: DescriptorChain): number {
    switch (role) {
      case BalloonQueue.INFLATE:
        this.#eachPage(chain, (page) => this.#inflate(io, page));
        return 0;
      case BalloonQueue.DEFLATE:
        this.#eachPage(chain, (page) => {
          if (this.#held.delete(page)) this.#counters.deflatedPages++;
          else this.#counters.ignoredPages++;
        });
        return 0;
      case BalloonQueue.FREE_PAGE:
        this.#takeHint(chain);
        return 0;
      case BalloonQueue.REPORTING:
        return this.#takeReport(io, chain);
      default:
        return 0;
    }
  }

  #eachPage(chain: DescriptorChain, visit: (page: number) => void): void {
    const reader = new ChainReader(chain);
    for (let i = 0; i < BALLOON_PAGES_MAX; i++) {
      const page = reader.u32();
      if (page === undefined) return;
      visit(page);
    }
  }

  /** The contents of a page are the device's from here until it is acknowledged (5.5.6.2). */
  #inflate(io: DeviceIo, page: number): void {
    const gpa = page * PAGE_BYTES;
    if (!io.memory.contains(gpa, PAGE_BYTES) || !this.#held.add(page)) {
      this.#counters.ignoredPages++;
      return;
    }
    this.#counters.inflatedPages++;
    if (this.#mayClear(PAGE_BYTES)) io.memory.discard(gpa, PAGE_BYTES);
  }

  /** Reported pages are cleared, or get the value that the driver relies on (5.5.6.7). */
  #takeReport(io: DeviceIo, chain: DescriptorChain): number {
    this.#counters.reports++;
    this.#counters.reportedBytes += chain.writableLength;
    // With a poison value the pages have it already, and no other value may be put there.
    const hasPoison = this.#has(io, BalloonFeature.PAGE_POISON);
    if (hasPoison && this.#field(Config.POISON_VAL) !== 0) return 0;
    for (const { gpa, length } of chain.writableRanges()) {
      if (this.#mayClear(length)) io.memory.discard(gpa, length);
    }
    return 0;
  }

  #mayClear(bytes: number): boolean {
    if (bytes > this.#clearLeft) return false;
    this.#clearLeft -= bytes;
    this.#io?.spend(bytes);
    return true;
  }

  #takeStatistics(queue: Virtqueue, chain: DescriptorChain): void {
    // A driver has one buffer there. If there are more, the older one goes back.
    const previous = this.#statisticsBuffer;
    if (previous !== undefined) queue.stage(previous, 0);
    this.#statisticsBuffer = chain;
    this.#statistics = readStatistics(chain);
  }

  /**
   * A command identifier, or pages. Hinted pages are counted and left alone: the driver may have taken
   * them back and written them before the device sees the hint (5.5.6.5).
   */
  #takeHint(chain: DescriptorChain): void {
    const command = new ChainReader(chain).u32();
    if (command === undefined) {
      if (this.#hinting) this.#hintedBytes += chain.writableLength;
    } else if (command === HintCommand.STOP) {
      // The driver knows no more; it may have its pages back.
      if (this.#hinting) this.#command(HintCommand.DONE);
      this.#hinting = false;
    } else {
      this.#hinting = command === this.#field(Config.FREE_PAGE_HINT_CMD_ID);
    }
  }

  #command(command: number): void {
    this.config.setU32(Config.FREE_PAGE_HINT_CMD_ID, command);
    const io = this.#io;
    if (io !== undefined && this.#has(io, BalloonFeature.FREE_PAGE_HINT)) io.configChanged();
  }

  /** `actual` and `poison_val` are the driver's, and may be written byte by byte. */
  #writeConfig(offset: number, size: number, value: number): void {
    const field = offset - (offset % 4);
    if (field !== Config.ACTUAL && field !== Config.POISON_VAL) return;
    for (let i = 0; i < size && offset + i < field + 4; i++) {
      this.config.setU8(offset + i, (value >>> (8 * i)) & 0xff);
    }
  }

  #setDriverFields(actual: number, poison: number): void {
    this.config.setU32(Config.ACTUAL, actual).setU32(Config.POISON_VAL, poison);
  }

  #field(offset: number): number {
    return readConfig(this.config, offset, 4);
  }

  #has(io: DeviceIo, feature: number): boolean {
    return (io.features & bit(feature)) !== 0n;
  }

  #queueOf(role: BalloonQueue): Virtqueue | undefined {
    return this.#io?.queues[this.#roles.indexOf(role)];
  }
}

/**
 * Which queue is which. By the specification a queue keeps its number when one before it does not
 * exist; Linux's driver over MMIO moves the others up. A driver of the first kind has set up every
 * queue at its own number.
 */
function rolesOf({ features, queues }: DeviceIo): readonly BalloonQueue[] {
  const present = OPTIONAL_QUEUES.filter(([, feature]) => (features & bit(feature)) !== 0n);
  if (present.every(([queue]) => queues[queue].ready)) return Object.values(BalloonQueue);
  return [BalloonQueue.INFLATE, BalloonQueue.DEFLATE, ...present.map(([queue]) => queue)];
}
