/** Faults on demand: what can be made to fail, what is about to, and how to end it. */
import { SPI_BASE, SPI_COUNT } from "../irq/distributor.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import { type ArmedFault, ArmedFaults } from "./armed-faults.ts";
import { type DiskFault, FaultyDisk } from "./faulty-disk.ts";
import { FaultyWire, type WireFault } from "./faulty-wire.ts";
import { onePerMachine } from "./one-per-machine.ts";
import type { TimedSubject } from "./subject.ts";

export type { DiskFault } from "./faulty-disk.ts";
export type { WireFault } from "./faulty-wire.ts";

/** Requests or frames that one fault may meet: more is for ever, and a share says that better. */
export const FAULT_COUNT_MAX = 1_000_000;

/** The longest delay of an answer, in ms: Linux gives a block request up after 30 s. */
export const DELAY_MAX_MS = 60_000;

/** Faults armed at once: as many as a person can keep in mind. */
export const ARMED_MAX = 32;

/** One fault that is armed. */
interface ArmedView {
  readonly id: number;
  readonly device: string;
  /** Such as "write fails". */
  readonly text: string;
  /** Requests or frames that it will still meet; absent when it goes on until it is cleared. */
  readonly left?: number;
  readonly hits: number;
}

export interface FaultsView {
  readonly disks: readonly string[];
  readonly cards: readonly { name: string; hasCarrier: boolean; isCut: boolean }[];
  readonly armed: readonly ArmedView[];
  readonly plugged: readonly { slot: number; name: string }[];
  readonly unplugged: readonly { slot: number; name: string }[];
  readonly spis: {
    readonly first: number;
    readonly last: number;
    /** That of slot 0; the others follow. */
    readonly ofSlots: number;
  };
}

interface Unplugged {
  readonly slot: number;
  readonly device: VirtioDevice;
}

interface Armed {
  readonly id: number;
  readonly device: string;
  readonly text: string;
  /** What the disk or the wire has of it; infinitely many are left of a share. */
  readonly armed: { readonly left: number; readonly hits: number };
  clear(): void;
}

/** All faults of one machine. They outlive whoever armed them. */
class Faults {
  readonly armed: Armed[] = [];
  readonly unplugged: Unplugged[] = [];
  readonly #subject: TimedSubject;
  #count = 0;
  #seed = 1;

  constructor(subject: TimedSubject) {
    this.#subject = subject;
  }

  view(): FaultsView {
    const { machine, backends } = this.#subject;
    return {
      disks: [...(backends?.disks.keys() ?? [])],
      cards: [...(backends?.wires ?? [])].map(([name, { hasCarrier, isCut }]) => ({
        name,
        hasCarrier,
        isCut,
      })),
      armed: this.armed.map(({ id, device, text, armed: { left, hits } }) => ({
        id,
        device,
        text,
        ...(Number.isFinite(left) && { left }),
        hits,
      })),
      plugged: machine.slots.occupied.map(({ slot, transport }) => ({
        slot,
        name: transport.name,
      })),
      unplugged: this.unplugged.map(({ slot, device }) => ({ slot, name: device.name })),
      spis: { first: 1, last: SPI_COUNT, ofSlots: machine.slots.profile.firstSpi },
    };
  }

  armDisk(name: string, fault: DiskFault): number {
    const point = this.#subject.backends?.disks.get(name);
    if (point === undefined) throw new Error(`there is no disk ${name}`);
    checkDiskFault(fault);
    const { sleep } = this.#subject;
    const disk =
      point.via instanceof FaultyDisk
        ? point.via
        : new FaultyDisk(point.disk, sleep, new ArmedFaults((met) => this.#hit(met)));
    const armed = { fault, left: fault.requests, hits: 0 };
    const id = this.#arm(name, diskText(fault), armed, disk.faults, () => {
      point.via = point.disk;
    });
    point.via = disk;
    return id;
  }

  armWire(name: string, fault: WireFault): number {
    const wire = this.#wire(name);
    checkWireFault(fault);
    const random = () => this.#random();
    const filter =
      wire.filter instanceof FaultyWire
        ? wire.filter
        : new FaultyWire(random, new ArmedFaults((met) => this.#hit(met)));
    const armed = { fault, left: fault.frames ?? Infinity, hits: 0 };
    const id = this.#arm(name, wireText(fault), armed, filter.faults, () => {
      wire.filter = undefined;
    });
    wire.filter = filter;
    return id;
  }

  clear(id: number): void {
    const found = this.armed.find((armed) => armed.id === id);
    if (found === undefined) return;
    this.#end(found);
    this.#tell(found.device, `fault cleared: ${found.text}`);
  }

  setLink(name: string, isUp: boolean): void {
    this.#wire(name).isCut = !isUp;
    this.#tell(name, isUp ? "the wire is mended" : "the wire is cut");
  }

  /** The device forgets what is under way; what it has acknowledged of a disk is stored. */
  async unplug(slot: number): Promise<void> {
    const { machine, backends } = this.#subject;
    const occupied = machine.slots.at(slot);
    if (occupied === undefined) throw new Error(`slot ${slot} is empty`);
    const { device } = occupied.transport;
    occupied.detach();
    this.unplugged.push({ slot, device });
    this.#tell(device.name, `unplugged from slot ${slot}`);
    await backends?.disks.get(device.name)?.disk.flush();
  }

  plug(slot: number): void {
    const found = this.unplugged.find((unplugged) => unplugged.slot === slot);
    if (found === undefined) throw new Error(`nothing was unplugged from slot ${slot}`);
    this.#subject.machine.attach(found.device, undefined, slot);
    remove(this.unplugged, found);
    this.#tell(found.device.name, `plugged into slot ${slot} again`);
  }

  pulse(spi: number): void {
    if (!Number.isInteger(spi) || spi < 1 || spi > SPI_COUNT) {
      throw new RangeError(`an SPI is from 1 to ${SPI_COUNT}`);
    }
    this.#subject.machine.interrupts.distributor.pulseSpi(SPI_BASE + spi);
    this.#tell("irq", `SPI ${spi} (INTID ${SPI_BASE + spi}) was pulsed`);
  }

  #wire(name: string) {
    const wire = this.#subject.backends?.wires.get(name);
    if (wire === undefined) throw new Error(`there is no network card ${name}`);
    return wire;
  }

  /** `mended` is called when the last fault of the list is gone. */
  #arm<Fault>(
    device: string,
    text: string,
    armed: ArmedFault<Fault>,
    faults: ArmedFaults<Fault>,
    mended: () => void,
  ): number {
    if (this.armed.length >= ARMED_MAX) throw new Error(`${ARMED_MAX} faults are armed already`);
    const id = this.#count++;
    const clear = (): void => {
      faults.remove(armed);
      if (faults.all.length === 0) mended();
    };
    this.armed.push({ id, device, text, armed, clear });
    faults.all.push(armed);
    const { left } = armed;
    const times = Number.isFinite(left) ? `for the next ${left}` : "until it is cleared";
    this.#tell(device, `fault armed: ${text}, ${times}`);
    return id;
  }

  #hit(armed: object): void {
    const found = this.armed.find((candidate) => candidate.armed === armed);
    if (found === undefined) return;
    this.#tell(found.device, `fault met: ${found.text}`);
    if (found.armed.left > 0) return;
    this.#end(found);
    this.#tell(found.device, `fault over: ${found.text}`);
  }

  #end(armed: Armed): void {
    remove(this.armed, armed);
    armed.clear();
  }

  #tell(device: string, text: string): void {
    this.#subject.report?.("warning", device, text);
  }

  /** Always the same numbers, so that what has happened once happens again (Park and Miller, 1988). */
  #random(): number {
    this.#seed = (this.#seed * 48271) % 0x7fff_ffff;
    return (this.#seed - 1) / 0x7fff_fffe;
  }
}

const faultsOf = onePerMachine((subject: TimedSubject) => new Faults(subject));

export function faultCalls(subject: TimedSubject) {
  const faults = faultsOf(subject);
  return {
    faults: (): FaultsView => faults.view(),
    /** Makes requests of a disk fail or late; gives the fault's id. */
    armDiskFault: (disk: string, fault: DiskFault): number => faults.armDisk(disk, fault),
    /** Has frames of a network card lost or damaged; gives the fault's id. */
    armWireFault: (card: string, fault: WireFault): number => faults.armWire(card, fault),
    clearFault: (id: number): void => faults.clear(id),
    /** Cuts a network card's wire, or mends it. */
    setLink: (card: string, isUp: boolean): void => faults.setLink(card, isUp),
    /** Takes the device out of a slot, which then shows DeviceID 0. */
    unplug: (slot: number): Promise<void> => faults.unplug(slot),
    /** Puts it back. */
    plug: (slot: number): void => faults.plug(slot),
    /** A rising edge on a source of the interrupt controller. */
    pulseInterrupt: (spi: number): void => faults.pulse(spi),
  };
}

function remove<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}

function diskText({ operation, effect, delayMs }: DiskFault): string {
  return effect === "fail" ? `${operation} fails` : `${operation} is ${delayMs} ms late`;
}

function wireText({ direction, effect, percent }: WireFault): string {
  const share = percent === undefined ? "" : `${percent}% of `;
  const which = { both: "", send: "sent ", receive: "received " }[direction];
  return `${share}${which}frames are ${effect === "drop" ? "dropped" : "corrupted"}`;
}

function checkDiskFault({ operation, effect, requests, delayMs = 0 }: DiskFault): void {
  checkCount(requests, "requests");
  check(["read", "write", "flush"], operation, "operation");
  check(["fail", "delay"], effect, "effect");
  if (effect === "delay" && !(delayMs >= 1 && delayMs <= DELAY_MAX_MS)) {
    throw new RangeError(`a delay is from 1 to ${DELAY_MAX_MS} ms`);
  }
}

function checkWireFault({ direction, effect, frames, percent }: WireFault): void {
  check(["send", "receive", "both"], direction, "direction");
  check(["drop", "corrupt"], effect, "effect");
  if ((frames === undefined) === (percent === undefined)) {
    throw new RangeError("a fault has either a number of frames or a share of them");
  }
  if (frames !== undefined) checkCount(frames, "frames");
  if (percent !== undefined && !(percent > 0 && percent <= 100)) {
    throw new RangeError("a share is above 0 and up to 100 percent");
  }
}

function check(allowed: readonly string[], given: string, what: string): void {
  if (allowed.includes(given)) return;
  throw new RangeError(`${what} is one of ${allowed.join(", ")}, not ${given}`);
}

function checkCount(count: number, what: string): void {
  if (Number.isInteger(count) && count >= 1 && count <= FAULT_COUNT_MAX) return;
  throw new RangeError(`a fault meets from 1 to ${FAULT_COUNT_MAX} ${what}`);
}
