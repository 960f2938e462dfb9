/**
 * The virtio-MMIO version 2 register file (virtio 4.2): negotiation, device status, queue set-up,
 * configuration generation, interrupts and reset, once for all devices. It owns the queues.
 *
 * Nothing that a guest does here throws: an access that the specification does not define reads 0
 * or is ignored, and a device that fails needs a reset.
 */
import type { AccessSize, MmioHandler } from "../bus/bus.ts";
import type { IrqLine } from "../irq/irq-line.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { DescriptorChain } from "./chain.ts";
import { readConfig } from "./config.ts";
import type { DeviceIo, State, VirtioDevice } from "./device.ts";
import { DeviceQueue } from "./device-queue.ts";
import { type FeatureChoice, FeatureNegotiation, offeredFeatures } from "./features.ts";
import { DeviceInterrupt } from "./interrupt.ts";
import { type RequestSource, VirtioTap } from "./observer.ts";
import { QueueSetup } from "./queue-setup.ts";
import type { LogLevel, Report } from "./report.ts";
import { readSharedMemory } from "./shared-memory.ts";
import {
  Feature,
  flagNames,
  InterruptBit,
  MAGIC,
  Register,
  Status,
  VENDOR_ID,
  VERSION,
} from "./spec.ts";
import {
  type Selectors,
  STATUS_HISTORY,
  type TransportSnapshot,
  type TransportState,
  type WrittenRegisters,
} from "./transport-state.ts";
import { Work, WorkBudget } from "./work.ts";

export interface TransportOptions extends FeatureChoice {
  readonly device: VirtioDevice;
  readonly memory: GuestMemory;
  readonly irq: IrqLine;
  /** `edge`: a pulse per event. `level`: the wire is high while InterruptStatus is not 0. */
  readonly trigger: "edge" | "level";
  /** Shared by the devices of a machine; default: there is no limit. */
  readonly work?: WorkBudget;
  /** Told of changes of the device status. */
  readonly report?: Report;
  /** Which slot of a machine this is; default 0. */
  readonly slot?: number;
  /** Shared by the devices of a machine; default: nobody looks. */
  readonly tap?: VirtioTap;
}

export class VirtioTransport implements MmioHandler {
  readonly name: string;
  readonly device: VirtioDevice;
  readonly #memory: GuestMemory;
  readonly #work: WorkBudget;
  readonly #report: Report | undefined;
  readonly #tap: VirtioTap;
  readonly #source: RequestSource;
  readonly #interrupt: DeviceInterrupt;
  readonly #features: FeatureNegotiation;
  readonly #queues: readonly DeviceQueue[];
  /** By queue: have the device look at it. */
  readonly #polls: readonly (() => void)[];
  #setups: readonly QueueSetup[];
  #status = 0;
  readonly #statusHistory: number[] = [0];
  #selectors: Selectors = noSelectors();
  #refusal: string | undefined;
  #needsReset: string | undefined;
  /** Counts resets, so that what was lent to the device before one has no effect after it. */
  #epoch = 0;
  #ignoredKicks = 0;
  /** Of a restored machine, what ConfigGeneration is ahead of the device's own count. */
  #generationOffset = 0;

  constructor(options: TransportOptions) {
    const { device } = options;
    this.name = device.name;
    this.device = device;
    this.#memory = options.memory;
    this.#report = options.report;
    this.#work = options.work ?? new WorkBudget(() => {}, Infinity);
    this.#tap = options.tap ?? new VirtioTap();
    this.#source = { slot: options.slot ?? 0, type: device.type, name: device.name };
    this.#interrupt = new DeviceInterrupt(options.irq, options.trigger);
    const offered = offeredFeatures(device.features, device.dependencies, options);
    this.#features = new FeatureNegotiation(offered, device.dependencies);
    this.#setups = this.#newSetups();
    this.#polls = device.queueSizes.map((_, index) => () => this.#poll(index));
    const host = {
      memory: options.memory,
      work: this.#work,
      tap: this.#tap,
      source: this.#source,
      defer: (index: number) => this.#work.defer(this.#polls[index]),
      notifyUsed: () => this.#raise(InterruptBit.USED_BUFFER),
      fail: (reason: string) => this.#fail(reason),
    };
    this.#queues = device.queueSizes.map((_, index) => new DeviceQueue(index, host));
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= Register.Config) return this.#readConfig(offset - Register.Config, size);
    if (size !== 4) return 0;
    const setup = this.#setups[this.#selectors.queue];
    switch (offset) {
      case Register.MagicValue:
        return MAGIC;
      case Register.Version:
        return VERSION;
      case Register.DeviceID:
        return this.device.type;
      case Register.VendorID:
        return VENDOR_ID;
      case Register.DeviceFeatures:
        return this.#features.offeredWord(this.#selectors.deviceFeatures);
      case Register.QueueNumMax:
        return setup?.max ?? 0;
      case Register.QueueReady:
        return setup?.ready ? 1 : 0;
      case Register.InterruptStatus:
        return this.#interrupt.status;
      case Register.Status:
        return this.#status;
      case Register.ConfigGeneration:
        return this.#configGeneration;
      case Register.SHMLenLow:
      case Register.SHMLenHigh:
      case Register.SHMBaseLow:
      case Register.SHMBaseHigh:
        return readSharedMemory(this.device.sharedMemory, this.#selectors.sharedMemory, offset);
      default:
        // Also QueueReset, since a queue's reset is over when the write that asks for it retires.
        return 0;
    }
  }

  /** Reading has no side effect on any register. */
  peek(offset: number, size: AccessSize): number {
    return this.read(offset, size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= Register.Config) {
      this.#writeConfig(offset - Register.Config, size, value);
      return;
    }
    if (size !== 4) return;
    switch (offset) {
      case Register.DeviceFeaturesSel:
        this.#selectors.deviceFeatures = value;
        break;
      case Register.DriverFeatures:
        if (this.#negotiating) this.#features.setDriverWord(this.#selectors.driverFeatures, value);
        break;
      case Register.DriverFeaturesSel:
        this.#selectors.driverFeatures = value;
        break;
      case Register.QueueSel:
        this.#selectors.queue = value;
        break;
      case Register.QueueNotify:
        // NOTIFICATION_DATA adds the driver's position above the index (4.2.3.3); not needed here.
        this.#kick(this.#features.has(Feature.NOTIFICATION_DATA) ? value & 0xffff : value);
        break;
      case Register.InterruptACK:
        this.#interrupt.acknowledge(value);
        break;
      case Register.Status:
        this.#writeStatus(value);
        break;
      case Register.SHMSel:
        this.#selectors.sharedMemory = value;
        break;
      default:
        this.#writeQueue(offset, value);
    }
  }

  inspect(): TransportSnapshot {
    return {
      name: this.name,
      type: this.device.type,
      status: this.#status,
      offeredFeatures: this.#features.offered,
      driverFeatures: this.#features.driver,
      refusal: this.#refusal,
      interruptStatus: this.#interrupt.status,
      configGeneration: this.#configGeneration,
      needsReset: this.#needsReset,
      queues: this.#queues.map((queue) => queue.inspect()),
      transport: {
        ignoredKicks: this.#ignoredKicks,
        configInterrupts: this.#interrupt.configCount,
        resets: this.#epoch,
      },
      device: this.device.counters?.() ?? {},
    };
  }

  /** Beside `inspect`, for a closer look; nothing changes. */
  inspectWritten(): WrittenRegisters {
    return {
      selectors: { ...this.#selectors },
      setups: this.#setups.map((setup) => setup.save()),
      statusHistory: [...this.#statusHistory],
    };
  }

  /** What the device has at hand of queue `index`, oldest first; nothing of a queue that is not there. */
  chainsInFlight(index: number): Iterable<DescriptorChain> {
    return this.#queues[index]?.chainsInFlight ?? [];
  }

  /** As a write of 0 to Status: complete when it returns (2.4). */
  reset(): void {
    this.#work.spend(Work.RESET);
    this.#epoch++;
    for (const queue of this.#queues) queue.disable();
    this.#features.reset();
    this.#setups = this.#newSetups();
    this.#enter(0);
    this.#selectors = noSelectors();
    this.#refusal = undefined;
    this.#needsReset = undefined;
    this.#interrupt.load(0);
    this.#guarded(() => this.device.reset());
  }

  save(): TransportState {
    return {
      version: 1,
      status: this.#status,
      interruptStatus: this.#interrupt.status,
      driverFeatures: this.#features.driver,
      needsReset: this.#needsReset,
      configGeneration: this.#configGeneration,
      selectors: { ...this.#selectors },
      setups: this.#setups.map((setup) => setup.save()),
      queues: this.#queues.map((queue) => queue.save()),
      device: this.device.save?.(),
    };
  }

  /**
   * Takes over a state saved from the same kind of device, with the guest's memory in place.
   * @throws Error if the driver relies on features that are not offered here.
   */
  load(state: TransportState): void {
    this.reset();
    // What the device changes from here on counts from what the driver has read.
    this.#generationOffset = state.configGeneration - this.device.config.generation;
    this.#features.load(state.driverFeatures);
    this.#enter(state.status & ~Status.DRIVER_OK);
    if ((state.status & Status.FEATURES_OK) !== 0) {
      const refusal = this.#features.refusal();
      if (refusal !== undefined) throw new Error(`${this.name}: ${refusal}`);
      this.#guarded(() => this.device.negotiated?.(state.driverFeatures));
    }
    this.#needsReset = state.needsReset;
    this.#selectors = { ...state.selectors };
    for (const [index, saved] of state.setups.entries()) this.#setups[index]?.load(saved);
    const refusals: string[] = [];
    for (const [index, saved] of state.queues.entries()) {
      const setup = this.#setups[index];
      if (saved === undefined || setup === undefined) continue;
      const refusal = this.#queues[index].load(saved, this.#features.driver);
      setup.ready = refusal === undefined;
      if (refusal !== undefined) refusals.push(`queue ${index}: ${refusal}`);
    }
    this.#interrupt.load(state.interruptStatus);
    if ((state.status & Status.DRIVER_OK) !== 0) this.#activate(state.device);
    for (const refusal of refusals) this.#fail(refusal);
  }

  get #configGeneration(): number {
    return (this.device.config.generation + this.#generationOffset) >>> 0;
  }

  get #negotiating(): boolean {
    const stage = Status.DRIVER | Status.FEATURES_OK | Status.FAILED;
    return (this.#status & stage) === Status.DRIVER;
  }

  get #running(): boolean {
    const state = Status.DRIVER_OK | Status.DEVICE_NEEDS_RESET | Status.FAILED;
    return (this.#status & state) === Status.DRIVER_OK;
  }

  /** The device status state machine (2.1, 3.1.1). Bits only ever are added, but for a reset. */
  #writeStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    if ((this.#status & Status.FAILED) !== 0) return;
    const added = value & ~this.#status;
    this.#enter(this.#status | (added & (Status.ACKNOWLEDGE | Status.DRIVER | Status.FAILED)));
    if ((added & Status.FEATURES_OK) !== 0 && this.#negotiating) {
      this.#refusal = this.#features.refusal();
      if (this.#refusal === undefined) {
        this.#enter(this.#status | Status.FEATURES_OK);
        this.#guarded(() => this.device.negotiated?.(this.#features.driver));
      } else {
        this.#tell("warning", `features refused: ${this.#refusal}`);
      }
    }
    const stage = Status.FEATURES_OK | Status.FAILED;
    if ((added & Status.DRIVER_OK) !== 0 && (this.#status & stage) === Status.FEATURES_OK) {
      this.#activate(undefined);
    }
  }

  #tell(level: LogLevel, text: string): void {
    this.#report?.(level, this.name, text);
  }

  #activate(saved: State | undefined): void {
    this.#enter(this.#status | Status.DRIVER_OK);
    if ((this.#status & Status.FAILED) !== 0) return;
    const broken = this.#setups.findIndex((setup) => setup.refusal !== undefined);
    if (broken >= 0) {
      this.#fail(`queue ${broken}: ${this.#setups[broken].refusal}`);
      return;
    }
    this.#guarded(() => {
      this.device.activate(this.#lend());
      if (saved !== undefined) this.device.load?.(saved);
    });
    // A kick may have come before DRIVER_OK, and a restored queue has not been looked at at all.
    for (const queue of this.#queues) this.#poll(queue.index);
  }

  #lend(): DeviceIo {
    const epoch = this.#epoch;
    return {
      memory: this.#memory,
      queues: this.#queues,
      features: this.#features.driver,
      configChanged: () => {
        if (epoch === this.#epoch) this.#raise(InterruptBit.CONFIG_CHANGE);
      },
      spend: (bytes) => this.#work.spend(bytes),
      needsReset: (reason) => {
        if (epoch === this.#epoch) this.#fail(reason);
      },
    };
  }

  #kick(index: number): void {
    if (this.#running && this.#queues[index]?.ready) this.#queues[index].kick(this.#polls[index]);
    else this.#ignoredKicks++;
  }

  #poll(index: number): void {
    if (!this.#running || !this.#queues[index]?.ready) return;
    this.#guarded(() => this.device.notify(index));
  }

  /** A backend is host code that may throw; the machine goes on without this device. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(`${this.name} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** DEVICE_NEEDS_RESET (2.1.2): no queue is used any more until the driver resets the device. */
  #fail(reason: string): void {
    if (this.#needsReset !== undefined) return;
    this.#needsReset = reason;
    this.#tell("error", `needs a reset: ${reason}`);
    this.#enter(this.#status | Status.DEVICE_NEEDS_RESET);
    for (const queue of this.#queues) queue.disable();
    this.#raise(InterruptBit.CONFIG_CHANGE);
  }

  /** No notification before DRIVER_OK (2.1.2). */
  #raise(cause: number): void {
    if ((this.#status & Status.DRIVER_OK) === 0) return;
    if (cause === InterruptBit.CONFIG_CHANGE) {
      for (const observer of this.#tap.observers) observer.configChanged?.(this.#source);
    }
    this.#interrupt.raise(cause);
  }

  /** The one place where the status changes: whoever follows it is told here. */
  #enter(status: number): void {
    if (status === this.#status) return;
    const added = status & ~this.#status;
    this.#status = status;
    this.#statusHistory.push(status);
    if (this.#statusHistory.length > STATUS_HISTORY) this.#statusHistory.shift();
    const inUse = (added & Status.DRIVER_OK) !== 0 ? "info" : "debug";
    const level = (added & Status.FAILED) !== 0 ? "warning" : inUse;
    const reset = "reset by the driver, or with the machine";
    this.#tell(level, status === 0 ? reset : `status ${flagNames(Status, status).join(" | ")}`);
    for (const observer of this.#tap.observers) observer.statusChanged?.(this.#source, status);
  }

  #readConfig(offset: number, size: AccessSize): number {
    let value = 0;
    this.#guarded(() => {
      value = readConfig(this.device.config, offset, size);
    });
    return value;
  }

  #writeConfig(offset: number, size: AccessSize, value: number): void {
    const { config } = this.device;
    if (offset + size <= config.size) this.#guarded(() => config.write(offset, size, value));
  }

  #newSetups(): QueueSetup[] {
    return this.device.queueSizes.map((max) => new QueueSetup(max));
  }

  #writeQueue(offset: number, value: number): void {
    const setup = this.#setups[this.#selectors.queue];
    if (setup === undefined) return;
    switch (offset) {
      case Register.QueueNum:
        if (this.#mayConfigure(setup)) setup.size = value;
        break;
      case Register.QueueReady:
        this.#writeQueueReady(setup, (value & 1) !== 0);
        break;
      case Register.QueueReset:
        if ((value & 1) !== 0 && this.#features.has(Feature.RING_RESET)) this.#resetQueue();
        break;
      case Register.QueueDescLow:
      case Register.QueueDescHigh:
      case Register.QueueDriverLow:
      case Register.QueueDriverHigh:
      case Register.QueueDeviceLow:
      case Register.QueueDeviceHigh:
        if (this.#mayConfigure(setup)) setup.writeAddress(offset, value);
    }
  }

  /** A queue is set up between FEATURES_OK and DRIVER_OK, or after its own reset (2.6.1). */
  #mayConfigure(setup: QueueSetup): boolean {
    const state = Status.FEATURES_OK | Status.FAILED | Status.DEVICE_NEEDS_RESET;
    if ((this.#status & state) !== Status.FEATURES_OK || setup.ready) return false;
    return (this.#status & Status.DRIVER_OK) === 0 || setup.wasReset;
  }

  #writeQueueReady(setup: QueueSetup, ready: boolean): void {
    const queue = this.#queues[this.#selectors.queue];
    if (!ready) {
      queue.disable();
      setup.ready = false;
      setup.refusal = undefined;
    } else if (this.#mayConfigure(setup)) {
      setup.refusal = queue.enable(setup.addresses(), this.#features.driver);
      setup.ready = setup.refusal === undefined;
      this.#poll(this.#selectors.queue);
    }
  }

  #resetQueue(): void {
    this.#queues[this.#selectors.queue].disable();
    const fresh = this.#newSetups()[this.#selectors.queue];
    fresh.wasReset = true;
    this.#setups = this.#setups.with(this.#selectors.queue, fresh);
  }
}

function noSelectors(): Selectors {
  return { deviceFeatures: 0, driverFeatures: 0, queue: 0, sharedMemory: 0 };
}
