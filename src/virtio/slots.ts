/** The register windows of virtio over MMIO: which slot a device gets, and what an empty one reads. */
import type { AccessSize, Bus, MmioHandler } from "../bus/bus.ts";
import type { IrqLine } from "../irq/irq-line.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { VirtioDevice } from "./device.ts";
import type { FeatureChoice } from "./features.ts";
import { VirtioTap } from "./observer.ts";
import type { Report } from "./report.ts";
import { MAGIC, Register, VENDOR_ID, VERSION } from "./spec.ts";
import { VirtioTransport } from "./transport.ts";
import { Work, WorkBudget } from "./work.ts";

/** Where the slots are in the guest's address map and which interrupts they have. */
export interface SlotProfile {
  readonly base: number;
  /** Bytes from one slot to the next, and of each. */
  readonly stride: number;
  readonly slots: number;
  /** SPI (interrupt controller source) of slot 0; the others follow. */
  readonly firstSpi: number;
  readonly trigger: "edge" | "level";
}

/** `qemu-virt` has the addresses that software for QEMU's `virt` machine compiles in. */
export const SLOT_PROFILES = {
  tabvisor: { base: 0x0f00_0000, stride: 0x1000, slots: 32, firstSpi: 16, trigger: "edge" },
  "qemu-virt": { base: 0x1000_1000, stride: 0x1000, slots: 8, firstSpi: 1, trigger: "level" },
} as const satisfies Record<string, SlotProfile>;

/** An occupied slot: what the device tree and the inspector need to know of it. */
export interface VirtioSlot {
  readonly slot: number;
  /** Guest physical address of the registers. */
  readonly base: number;
  /** In bytes. */
  readonly size: number;
  readonly spi: number;
  readonly transport: VirtioTransport;
  /** Resets the device, gives back what it holds and frees the slot. */
  detach(): void;
}

export class VirtioSlots implements MmioHandler {
  readonly name = "virtio";
  readonly profile: SlotProfile;
  readonly work: WorkBudget;
  /** Of all devices, those too that are attached later. */
  readonly tap = new VirtioTap();
  readonly #memory: GuestMemory;
  readonly #lineOf: (spi: number) => IrqLine;
  readonly #report: Report | undefined;
  readonly #slots: (VirtioSlot | undefined)[];

  /**
   * Maps all slots at once, empty; `onWorkSpent` asks for an early end of the turn, see `work.ts`.
   * `report` is told what happens to devices.
   */
  constructor(
    bus: Bus,
    memory: GuestMemory,
    profile: SlotProfile,
    lineOf: (spi: number) => IrqLine,
    onWorkSpent: () => void = () => {},
    report?: Report,
  ) {
    this.#report = report;
    this.work = new WorkBudget(onWorkSpent);
    this.profile = profile;
    this.#memory = memory;
    this.#lineOf = lineOf;
    this.#slots = new Array(profile.slots).fill(undefined);
    bus.attach(profile.base, profile.slots * profile.stride, this);
  }

  /** Occupied slots, lowest first. */
  get occupied(): readonly VirtioSlot[] {
    return this.#slots.filter((slot) => slot !== undefined);
  }

  /** What is in a slot; undefined if that is empty, or there is none. */
  at(slot: number): VirtioSlot | undefined {
    return this.#slots[slot];
  }

  /**
   * Gives `device` the lowest free slot, or slot `at`; `choice` says which features that slot offers.
   * @throws Error if none is free, or that one is not.
   */
  attach(device: VirtioDevice, choice: FeatureChoice = {}, at?: number): VirtioSlot {
    const slot = at ?? this.#slots.indexOf(undefined);
    if (at !== undefined && (!(at in this.#slots) || this.#slots[at] !== undefined)) {
      throw new Error(`slot ${at} is not free for ${device.name}`);
    }
    if (slot < 0) {
      throw new Error(
        `no free virtio slot for ${device.name}: all ${this.profile.slots} are taken`,
      );
    }
    const { base, stride, firstSpi, trigger } = this.profile;
    const spi = firstSpi + slot;
    const irq = this.#lineOf(spi);
    const transport = new VirtioTransport({
      ...choice,
      device,
      memory: this.#memory,
      irq,
      trigger,
      work: this.work,
      ...(this.#report && { report: this.#report }),
      slot,
      tap: this.tap,
    });
    const occupied: VirtioSlot = {
      slot,
      base: base + slot * stride,
      size: stride,
      spi,
      transport,
      detach: () => this.#detach(occupied),
    };
    this.#slots[slot] = occupied;
    this.#report?.("debug", device.name, `in slot ${slot}`);
    return occupied;
  }

  read(offset: number, size: AccessSize): number {
    this.work.spend(Work.ACCESS);
    return this.peek(offset, size);
  }

  /** Reading has no side effect on any register. */
  peek(offset: number, size: AccessSize): number {
    const { stride } = this.profile;
    const occupied = this.#slots[Math.floor(offset / stride)];
    if (occupied !== undefined) return occupied.transport.read(offset % stride, size);
    return size === 4 ? placeholder(offset % stride) : 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.work.spend(Work.ACCESS);
    const { stride } = this.profile;
    this.#slots[Math.floor(offset / stride)]?.transport.write(offset % stride, size, value);
  }

  #detach(occupied: VirtioSlot): void {
    if (this.#slots[occupied.slot] !== occupied) return;
    occupied.transport.reset();
    occupied.transport.device.dispose?.();
    this.#slots[occupied.slot] = undefined;
    this.#report?.("debug", occupied.transport.name, `slot ${occupied.slot} is empty`);
  }
}

/** An empty slot has DeviceID 0, at which drivers turn away (4.2.2). */
function placeholder(offset: number): number {
  switch (offset) {
    case Register.MagicValue:
      return MAGIC;
    case Register.Version:
      return VERSION;
    case Register.VendorID:
      return VENDOR_ID;
    default:
      return 0;
  }
}
