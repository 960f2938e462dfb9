/**
 * The driver's side of a virtio device for tests: plays the guest over plain memory, through the
 * register file alone.
 */
import type { AccessSize } from "../../bus/bus.ts";
import type { IrqLine } from "../../irq/irq-line.ts";
import { GuestMemory } from "../../memory/guest-memory.ts";
import type { VirtioDevice } from "../device.ts";
import type { FeatureChoice } from "../features.ts";
import type { VirtioTap } from "../observer.ts";
import { bit, Feature, Register, Status } from "../spec.ts";
import { VirtioTransport } from "../transport.ts";
import type { DriverHost, DriverQueue } from "./driver-queue.ts";
import { PackedDriverQueue } from "./packed-driver-queue.ts";
import { SplitDriverQueue } from "./split-driver-queue.ts";

/** Guest physical address of the test RAM. */
export const RAM_BASE = 0x8000_0000;

/** Bytes before and after the RAM in the linear memory that nothing may ever touch. */
const GUARD = 0x1000;
const GUARD_BYTE = 0xa5;

/** Counts what a device does with its wire. */
export class RecordedLine implements IrqLine {
  pulses = 0;
  level = false;

  pulse(): void {
    this.pulses++;
  }

  setLevel(high: boolean): void {
    this.level = high;
  }
}

/** What is offered, packed rings too, the driver accepts unless told otherwise. */
export interface TestDriverOptions extends FeatureChoice {
  readonly ramSize?: number;
  /** Another device of the same machine, whose RAM this one shares. */
  readonly beside?: TestDriver;
  /** Bytes behind RAM in the linear memory for windows; default none. */
  readonly windowSize?: number;
  readonly trigger?: "edge" | "level";
  /** For tests of those who watch. */
  readonly slot?: number;
  readonly tap?: VirtioTap;
}

export interface StartOptions {
  /** Of the features offered, those to accept; default all. */
  readonly accept?: bigint;
  /** Descriptors per queue, when the device allows them; default the device's maximum. */
  readonly queueSize?: number;
}

/** Makes a device that needs the memory before the driver starts, and where windows may be in it. */
type DeviceMaker = (memory: GuestMemory, windowOffset: number) => VirtioDevice;

export class TestDriver implements DriverHost {
  readonly device: VirtioDevice;
  readonly memory: GuestMemory;
  readonly ramSize: number;
  readonly irq = new RecordedLine();
  readonly transport: VirtioTransport;
  /** Ranges that the memory's observers were told of. */
  readonly announced: [gpa: number, length: number][] = [];
  queues: DriverQueue[] = [];
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** Where what the guest may have ends in the linear memory. */
  readonly #end: number;
  readonly #heap: { end: number };

  constructor(device: VirtioDevice | DeviceMaker, options: TestDriverOptions = {}) {
    const { beside } = options;
    this.ramSize = beside?.ramSize ?? options.ramSize ?? 0x10_0000;
    const size = this.ramSize + (options.windowSize ?? 0);
    this.#end = GUARD + size;
    this.#heap = beside === undefined ? { end: RAM_BASE } : beside.#heap;
    this.#bytes = beside === undefined ? guardedRam(size) : beside.#bytes;
    const { buffer } = this.#bytes;
    this.memory = new GuestMemory({ buffer }, [
      { base: RAM_BASE, size: this.ramSize, offset: GUARD },
    ]);
    this.device = typeof device === "function" ? device(this.memory, GUARD + this.ramSize) : device;
    this.memory.observeWrites((gpa, length) => this.announced.push([gpa, length]));
    this.transport = new VirtioTransport({
      ...options,
      device: this.device,
      memory: this.memory,
      irq: this.irq,
      trigger: options.trigger ?? "edge",
    });
  }

  /** The queues for tests that write the words of a split ring themselves. */
  get splitQueues(): SplitDriverQueue[] {
    return this.queues.filter((queue) => queue instanceof SplitDriverQueue);
  }

  get packedQueues(): PackedDriverQueue[] {
    return this.queues.filter((queue) => queue instanceof PackedDriverQueue);
  }

  read(register: number, size: AccessSize = 4): number {
    return this.transport.read(register, size);
  }

  write(register: number, value: number): void {
    this.transport.write(register, 4, value);
  }

  get status(): number {
    return this.read(Register.Status);
  }

  config(offset: number, size: AccessSize): number {
    return this.read(Register.Config + offset, size);
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    this.transport.write(Register.Config + offset, size, value);
  }

  /** Everything from reset to DRIVER_OK, as a careful driver does it (3.1.1). */
  start(options: StartOptions = {}): this {
    this.negotiate(options.accept);
    this.queues = this.device.queueSizes.map((max, index) =>
      this.setupQueue(index, Math.min(max, options.queueSize ?? max)),
    );
    this.addStatus(Status.DRIVER_OK);
    return this;
  }

  /** Up to FEATURES_OK; true if the device accepted. */
  negotiate(accept = this.offered()): boolean {
    this.write(Register.Status, 0);
    this.addStatus(Status.ACKNOWLEDGE);
    this.addStatus(Status.DRIVER);
    const features = accept & this.offered();
    this.writeFeatures(features);
    this.addStatus(Status.FEATURES_OK);
    return (this.status & Status.FEATURES_OK) !== 0;
  }

  offered(): bigint {
    let features = 0n;
    for (let word = 3; word >= 0; word--) {
      this.write(Register.DeviceFeaturesSel, word);
      features = (features << 32n) | BigInt(this.read(Register.DeviceFeatures));
    }
    return features;
  }

  writeFeatures(features: bigint): void {
    for (let word = 0; word < 4; word++) {
      this.write(Register.DriverFeaturesSel, word);
      this.write(
        Register.DriverFeatures,
        Number(BigInt.asUintN(32, features >> BigInt(32 * word))),
      );
    }
  }

  addStatus(status: number): void {
    this.write(Register.Status, this.status | status);
  }

  /** Lays a queue out in fresh memory, in the layout negotiated, and declares it ready. */
  setupQueue(index: number, size: number): DriverQueue {
    const packed = (this.transport.inspect().driverFeatures & bit(Feature.RING_PACKED)) !== 0n;
    const queue = packed
      ? new PackedDriverQueue(this, index, size)
      : new SplitDriverQueue(this, index, size);
    this.writeQueue(index, size, queue.desc, queue.avail, queue.used);
    return queue;
  }

  /** Writes the registers of a queue; true if it became ready. */
  writeQueue(index: number, size: number, desc: number, driver: number, device: number): boolean {
    this.write(Register.QueueSel, index);
    this.write(Register.QueueNum, size);
    for (const [low, address] of [
      [Register.QueueDescLow, desc],
      [Register.QueueDriverLow, driver],
      [Register.QueueDeviceLow, device],
    ] as const) {
      this.write(low, address % 0x1_0000_0000);
      this.write(low + 4, Math.floor(address / 0x1_0000_0000));
    }
    this.write(Register.QueueReady, 1);
    return this.read(Register.QueueReady) === 1;
  }

  /** Fresh zeroed RAM. @throws Error when the test needs more than there is. */
  allocate(length: number, alignment = 16): number {
    const gpa = Math.ceil(this.#heap.end / alignment) * alignment;
    if (gpa + length > RAM_BASE + this.ramSize) throw new Error("the test RAM is used up");
    this.#heap.end = gpa + length;
    return gpa;
  }

  /** Gives back all that was allocated, and clears the RAM. */
  recycle(): void {
    this.#heap.end = RAM_BASE;
    this.ram.fill(0);
    this.announced.length = 0;
  }

  /** All of the RAM, as it is. */
  get ram(): Uint8Array {
    return this.#bytes.subarray(GUARD, GUARD + this.ramSize);
  }

  /** A copy of guest memory. */
  bytesAt(gpa: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.view(gpa, length) ?? []);
  }

  /** Whether the linear memory around the RAM is as it was. */
  guardsIntact(): boolean {
    const end = this.#end;
    // A plain loop, since the tests of hostile guests look after each thing that a device does.
    for (let at = 0; at < GUARD; at++) {
      if (this.#bytes[at] !== GUARD_BYTE || this.#bytes[end + at] !== GUARD_BYTE) return false;
    }
    return true;
  }

  /** Acknowledges what is pending and returns it. */
  acknowledge(): number {
    const status = this.read(Register.InterruptStatus);
    this.write(Register.InterruptACK, status);
    return status;
  }
}

function guardedRam(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(size + 2 * GUARD).fill(GUARD_BYTE).fill(0, GUARD, GUARD + size);
}

/** Lets promises that are settled already run their continuations. */
export async function settle(rounds = 20): Promise<void> {
  for (let i = 0; i < rounds; i++) await Promise.resolve();
}
