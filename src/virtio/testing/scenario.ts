/**
 * A guest's behaviour as a list of numbers, honest or not, and what has to hold whatever it is:
 * nothing throws, nothing outside the writable parts of chains in flight is written, no chain is
 * completed that is not in flight, and an honest driver is served afterwards. Property tests make
 * such lists at random; the fuzzer keeps those that reach new code.
 */
import type { AccessSize } from "../../bus/bus.ts";
import { bit, DescriptorFlag, Feature, Register, Status } from "../spec.ts";
import { RAM_BASE, settle, TestDriver } from "./driver.ts";
import type { DriverQueue, FlaggedPart } from "./driver-queue.ts";
import { unanswered } from "./honest.ts";
import { PackedDriverQueue } from "./packed-driver-queue.ts";
import type { Specimen } from "./specimen.ts";
import { SplitDriverQueue } from "./split-driver-queue.ts";

/** One step: its kind and unsigned 32-bit arguments; a missing one is 0. */
export type Step = readonly number[];

/** Kinds of steps, with their arguments. */
export const StepKind = {
  /** queue, style, then address, length and flags of each part. */
  CHAIN: 0,
  /** request of the specimen, style, change of an answer's length, then index and value of bytes. */
  REQUEST: 1,
  /** queue */
  KICK: 2,
  /** style: 1 also lets promises run. */
  STIR: 3,
  /** offset, size, value */
  WRITE: 4,
  /** offset, size */
  READ: 5,
  /** features of words 0, 1 and 2 to leave out, queue size */
  RESTART: 6,
  /** queue */
  QUEUE_RESET: 7,
  /** queue, head or available index, which */
  RAW: 8,
  /** queue, flags, position: interrupt suppression */
  SUPPRESS: 9,
  /** offset, bytes: data in the buffers */
  POKE: 10,
  /** Saves and loads the transport. */
  RELOAD: 11,
} as const;
export const STEP_KINDS = Object.keys(StepKind).length;

const Style = { INDIRECT: 1, KICK: 2, SETTLE: 4, SPLIT: 8, CUT: 16 } as const;

const RAM_SIZE = 0x4_0000;
const QUEUE_SIZE = 16;

/** Rings are below the tables, and those below the buffers: no request can rewrite them. */
const TABLES = RAM_BASE + 0x1_0000;
const TABLE_SIZE = 0x80;
const DATA = RAM_BASE + 0x2_0000;
const DATA_SIZE = RAM_SIZE - 0x2_0000;
const PARTS_MAX = TABLE_SIZE / 16;

/** Addresses that are no RAM, wholly or in part. */
const ELSEWHERE = [0, RAM_BASE - 1, RAM_BASE + RAM_SIZE - 8, 0x0f00_0000, 2 ** 32, 2 ** 64 - 4096];

interface InFlight {
  readonly id: number;
  readonly start: number;
  readonly writable: readonly FlaggedPart[];
}

/** What the driver knows of a queue since it was set up. */
interface QueueModel {
  /** Descriptors of the ring handed out so far. */
  cursor: number;
  inFlight: InFlight[];
}

export class Scenario {
  readonly #specimen: Specimen;
  readonly #driver: TestDriver;
  #models: QueueModel[] = [];
  /** Bytes that the device may write now: how many chains in flight allow it. */
  readonly #allowed = new Uint16Array(RAM_SIZE);
  readonly #mirror = new Uint32Array(RAM_SIZE / 4);
  readonly #words: Uint32Array;
  /** Every writable part since the restart. */
  #parts: FlaggedPart[] = [];
  /** The driver broke its own rules in a way that leaves no account of what is in flight. */
  #lawless = false;
  /** A ring may be anywhere: there is no telling what the device may write. */
  #isForeign = false;

  constructor(specimen: Specimen) {
    this.#specimen = specimen;
    const options = { packed: true, inOrder: true, ramSize: RAM_SIZE };
    this.#driver = new TestDriver(specimen.device, options);
    const { ram } = this.#driver;
    this.#words = new Uint32Array(ram.buffer, ram.byteOffset, RAM_SIZE / 4);
  }

  /** @throws Error that says which promise was broken. */
  async run(steps: readonly Step[]): Promise<void> {
    this.#restart([]);
    for (const [kind = 0, ...args] of steps) await this.#step(kind % STEP_KINDS, args);
    await this.#finish();
  }

  async #step(kind: number, args: readonly number[]): Promise<void> {
    const arg = (index: number) => args[index] ?? 0;
    const queue = this.#driver.queues[arg(0) % Math.max(1, this.#driver.queues.length)];
    switch (kind) {
      case StepKind.CHAIN:
        if (queue !== undefined) await this.#chain(queue, args);
        break;
      case StepKind.REQUEST:
        await this.#request(args);
        break;
      case StepKind.KICK:
        this.#act(() => queue?.kick());
        break;
      case StepKind.STIR:
        this.#act(() => this.#specimen.stir?.());
        if ((arg(0) & 1) !== 0) await this.#settle();
        break;
      case StepKind.WRITE:
        this.#write(arg(0) % 0x200, [1, 2, 4][arg(1) % 3] as AccessSize, arg(2));
        break;
      case StepKind.READ:
        this.#read(arg(0) % 0x200, [1, 2, 4][arg(1) % 3] as AccessSize);
        break;
      case StepKind.RESTART:
        this.#restart(args);
        break;
      case StepKind.QUEUE_RESET:
        if (queue !== undefined) this.#resetQueue(queue);
        break;
      case StepKind.RAW:
        this.#raw(queue, arg(1), arg(2));
        break;
      case StepKind.SUPPRESS:
        this.#suppress(queue, arg(1), arg(2));
        break;
      case StepKind.POKE:
        this.#driver.memory.write(DATA + (arg(0) % (DATA_SIZE - 64)), bytesOf(args.slice(1, 65)));
        break;
      default:
        this.#reload();
    }
  }

  /** Lets the device do something, and looks at what it did. */
  #act(action: () => void): void {
    this.#mirror.set(this.#words);
    action();
    this.#inspect();
  }

  async #settle(): Promise<void> {
    this.#mirror.set(this.#words);
    await settle();
    this.#inspect();
  }

  #inspect(): void {
    const snapshot = this.#driver.transport.inspect();
    if (!this.#driver.guardsIntact()) throw new Error("memory outside the RAM was written");
    for (const { chains, inFlight, layout, index } of snapshot.queues) {
      if (layout === undefined && inFlight > 0) throw new Error(`queue ${index} is not ready`);
      if (inFlight > QUEUE_SIZE || inFlight > chains) throw new Error("too much is in flight");
    }
    const broken = (snapshot.status & Status.DEVICE_NEEDS_RESET) !== 0;
    if (broken !== (snapshot.needsReset !== undefined)) throw new Error("no reason for a reset");
    const isTraceable = this.#specimen.reach !== "ram" && !this.#isForeign;
    if (isTraceable) this.#findStray();
    if (this.#lawless) return;
    for (const queue of this.#driver.queues) this.#collect(queue, isTraceable);
  }

  #findStray(): void {
    const { ram } = this.#driver;
    const before = new Uint8Array(this.#mirror.buffer);
    for (let word = 0; word < this.#words.length; word++) {
      if (this.#words[word] === this.#mirror[word]) continue;
      for (let at = 4 * word; at < 4 * word + 4; at++) {
        if (ram[at] === before[at] || this.#allowed[at] > 0) continue;
        throw new Error(`0x${(RAM_BASE + at).toString(16)} was written, which is in no chain`);
      }
    }
  }

  #collect(queue: DriverQueue, isStrict: boolean): void {
    const model = this.#models[queue.index];
    for (const { id, length } of queue.poll()) {
      const index = model.inFlight.findIndex((chain) => chain.id === id);
      if (index < 0 && !isStrict) continue;
      if (index < 0) throw new Error(`queue ${queue.index}: chain ${id} is not in flight`);
      const [chain] = model.inFlight.splice(index, 1);
      const room = chain.writable.reduce((sum, part) => sum + part.length, 0);
      if (length > room && isStrict) throw new Error(`${length} bytes were written into ${room}`);
      this.#allow(chain.writable, -1);
    }
  }

  async #chain(queue: DriverQueue, [, style = 0, ...words]: readonly number[]): Promise<void> {
    const parts: FlaggedPart[] = [];
    for (let i = 0; i + 2 < words.length && parts.length < PARTS_MAX; i += 3) {
      const [at, length, flags] = words.slice(i, i + 3);
      const gpa = at < DATA_SIZE ? DATA + at : ELSEWHERE[at % ELSEWHERE.length];
      parts.push({ gpa, length, flags: flags & DescriptorFlag.WRITE });
      // A table anywhere in the buffers would be rewritten by requests.
      if ((flags & DescriptorFlag.INDIRECT) !== 0) {
        parts.push({ gpa: ELSEWHERE[at % 2], length, flags: flags & 7 });
      }
    }
    if (parts.length > 0) await this.#offer(queue, parts.slice(0, PARTS_MAX), style);
  }

  /** A request that is right but for some bytes and lengths. */
  async #request([which = 0, style = 0, change = 0, ...edits]: readonly number[]): Promise<void> {
    const { requests } = this.#specimen;
    const request = requests[which % Math.max(1, requests.length)];
    const queue = this.#driver.queues[request?.queue ?? 0];
    if (request === undefined || queue === undefined) return;
    let at = DATA + 0x800 * ((queue.index + this.#models[queue.index].cursor) % 32);
    const parts: FlaggedPart[] = [];
    const add = (length: number, flags: number) => {
      parts.push({ gpa: at, length, flags });
      at += length;
    };
    const bytes = (request.readable ?? []).flatMap((part) => [...part]);
    for (let i = 0; i + 1 < edits.length; i += 2)
      bytes[edits[i] % (bytes.length + 1)] = edits[i + 1];
    const count = (style & Style.CUT) !== 0 ? (edits[0] ?? 0) % (bytes.length + 1) : bytes.length;
    this.#driver.memory.write(at, bytesOf(bytes.slice(0, count)));
    const first = (style & Style.SPLIT) !== 0 ? count >> 1 : count;
    if (first > 0) add(first, 0);
    if (count > first) add(count - first, 0);
    for (const [i, length] of (request.writable ?? []).entries()) {
      add(i === 0 ? (length + (change | 0)) & 0xffff : length, DescriptorFlag.WRITE);
    }
    if (parts.length > 0) await this.#offer(queue, parts.slice(0, PARTS_MAX), style);
  }

  async #offer(queue: DriverQueue, parts: readonly FlaggedPart[], style: number): Promise<void> {
    const model = this.#models[queue.index];
    const isIndirect = (style & Style.INDIRECT) !== 0;
    const slots = isIndirect ? 1 : parts.length;
    const start = model.inFlight[0]?.start ?? model.cursor;
    if (!this.#lawless && model.cursor + slots - start > queue.size) return;
    if (this.#lawless && !this.#canOffer(queue, slots)) return;
    let offered = parts;
    if (isIndirect) {
      const gpa = TABLES + TABLE_SIZE * (queue.index * QUEUE_SIZE + (model.cursor % queue.size));
      queue.writeTable(gpa, parts);
      offered = [{ gpa, length: 16 * parts.length, flags: DescriptorFlag.INDIRECT }];
    }
    const writable = parts.filter(({ flags }) => (flags & DescriptorFlag.WRITE) !== 0);
    this.#parts.push(...writable);
    this.#allow(writable, 1);
    const id = queue.offerParts(offered);
    model.inFlight.push({ id, start: model.cursor, writable });
    model.cursor += slots;
    if ((style & Style.KICK) !== 0) this.#act(() => queue.kick());
    if ((style & Style.SETTLE) !== 0) await this.#settle();
  }

  /** A driver without an account still cannot take more ids than there are. */
  #canOffer(queue: DriverQueue, slots: number): boolean {
    return slots <= queue.size && !(queue instanceof PackedDriverQueue);
  }

  #allow(parts: readonly FlaggedPart[], by: 1 | -1): void {
    // Without an account a chain may be in flight again: what was allowed once stays so.
    if (by < 0 && this.#lawless) return;
    for (const { gpa, length } of parts) {
      const start = gpa - RAM_BASE;
      if (start < 0 || start + length > RAM_SIZE) continue;
      for (let at = start; at < start + length; at++) this.#allowed[at] += by;
    }
  }

  #write(offset: number, size: AccessSize, value: number): void {
    if (offset === Register.QueueReady || offset === Register.QueueReset) this.#isForeign = true;
    if (offset === Register.Status || this.#isForeign) this.#goLawless();
    this.#act(() => this.#driver.transport.write(offset, size, value));
    if (this.#driver.status === 0) this.#restart([]);
  }

  /** What was allowed once stays so, since any old chain may be made available again. */
  #goLawless(): void {
    if (this.#lawless) return;
    this.#allow(this.#parts, 1);
    this.#lawless = true;
  }

  #read(offset: number, size: AccessSize): void {
    const value = this.#driver.transport.read(offset, size);
    if (!(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size))) {
      throw new Error(`register 0x${offset.toString(16)} reads ${value}`);
    }
  }

  #restart([low = 0, middle = 0, high = 0, size = 0]: readonly number[]): void {
    const driver = this.#driver;
    driver.write(Register.Status, 0);
    driver.recycle();
    this.#allowed.fill(0);
    this.#parts = [];
    this.#lawless = false;
    this.#isForeign = false;
    const left = BigInt(low) | (BigInt(middle) << 32n) | (BigInt(high) << 64n);
    const queueSize = size === 0 ? QUEUE_SIZE : 1 + (size % QUEUE_SIZE);
    const accept = driver.offered() & ~left;
    const isPacked = (accept & bit(Feature.RING_PACKED)) !== 0n;
    driver.queues = [];
    if (!driver.negotiate(accept)) return;
    driver.queues = this.#specimen.device.queueSizes.map((max, index) =>
      driver.setupQueue(index, Math.min(max, isPacked ? queueSize : roundDown(queueSize))),
    );
    this.#models = driver.queues.map(() => ({ cursor: 0, inFlight: [] }));
    for (const queue of driver.queues) this.#ownRing(queue);
    this.#act(() => driver.addStatus(Status.DRIVER_OK));
  }

  /** What the device may write beside the chains. */
  #ownRing(queue: DriverQueue): void {
    const own = (gpa: number, length: number) =>
      this.#allowed.fill(1, gpa - RAM_BASE, gpa - RAM_BASE + length);
    if (queue instanceof PackedDriverQueue) {
      own(queue.desc, 16 * queue.size);
      own(queue.used, 4);
    } else {
      own(queue.used, 6 + 8 * queue.size);
    }
  }

  /** One queue starts anew, and what was in flight in it is lost. */
  #resetQueue({ index, size }: DriverQueue): void {
    const driver = this.#driver;
    const hasReset = driver.transport.inspect().driverFeatures & bit(Feature.RING_RESET);
    if (hasReset === 0n || this.#lawless || driver.allocate(4) > TABLES - 0x1000) return;
    this.#act(() => {
      driver.write(Register.QueueSel, index);
      driver.write(Register.QueueReset, 1);
    });
    for (const { writable } of this.#models[index].inFlight) this.#allow(writable, -1);
    this.#models[index] = { cursor: 0, inFlight: [] };
    driver.queues[index] = driver.setupQueue(index, size);
    this.#ownRing(driver.queues[index]);
  }

  #raw(queue: DriverQueue | undefined, value: number, which: number): void {
    if (queue === undefined) return;
    this.#goLawless();
    if (queue instanceof SplitDriverQueue) {
      if (which % 2 === 0) queue.offer(value % (QUEUE_SIZE + 1));
      else queue.setAvailIdx(value);
    } else if (queue instanceof PackedDriverQueue) {
      queue.offer({ address: DATA, length: 0, id: value & 0xffff, flags: which & 1 });
    }
  }

  #suppress(queue: DriverQueue | undefined, flags: number, position: number): void {
    if (queue instanceof PackedDriverQueue) queue.setEvent(flags % 4, position & 0x7fff);
    else if (queue instanceof SplitDriverQueue) {
      queue.setAvailFlags(flags & 1);
      queue.setUsedEvent(position);
    }
  }

  #reload(): void {
    const { transport } = this.#driver;
    this.#act(() => transport.load(transport.save()));
  }

  /** An honest driver takes over. */
  async #finish(): Promise<void> {
    await this.#settle();
    this.#restart([]);
    await settle();
    const driver = this.#driver;
    driver.start({ queueSize: QUEUE_SIZE });
    const missing = await unanswered(driver, this.#specimen);
    const { needsReset } = driver.transport.inspect();
    if (needsReset !== undefined) throw new Error(`an honest driver met: ${needsReset}`);
    if (missing.length > 0) throw new Error(`requests ${missing.join()} were not answered`);
  }
}

function bytesOf(values: readonly number[]): Uint8Array {
  return Uint8Array.from(values, (value) => value ?? 0);
}

/** A power of two. */
function roundDown(size: number): number {
  return 2 ** Math.floor(Math.log2(size));
}
