/** The input device (virtio 5.8): any kind that can be described in Linux's terms. */
import type { DescriptorChain } from "../chain.ts";
import type { ConfigSpace, Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { DeviceType } from "../spec.ts";
import { EventType, SYN_REPORT } from "./input-codes.ts";

interface InputIds {
  readonly bustype: number;
  readonly vendor: number;
  readonly product: number;
  readonly version: number;
}

/** An absolute axis: its range, and units per millimetre or 0. */
interface InputAxis {
  readonly min: number;
  readonly max: number;
  readonly resolution?: number;
}

/** What a device is and which events it may send. */
export interface InputDescription {
  readonly name: string;
  readonly serial: string;
  readonly ids: InputIds;
  readonly properties?: readonly number[];
  /** The codes of each event type. */
  readonly events: { readonly [type: number]: readonly number[] };
  /** The ranges of the axes among them. */
  readonly axes?: { readonly [code: number]: InputAxis };
}

/** One change: an event of 5.8.6 without the report that ends a packet. */
export type InputEvent = readonly [type: number, code: number, value: number];

/** Queues (5.8.2). */
const EVENT = 0;
const STATUS = 1;
const QUEUE_SIZE = 64;

/** `struct virtio_input_event`. */
const EVENT_SIZE = 8;

/** Configuration layout (5.8.5). */
const Config = { SELECT: 0, SUBSEL: 1, LENGTH: 2, DATA: 8, SIZE: 136 } as const;
const DATA_MAX = Config.SIZE - Config.DATA;

const Select = {
  ID_NAME: 0x01,
  ID_SERIAL: 0x02,
  ID_DEVIDS: 0x03,
  PROP_BITS: 0x10,
  EV_BITS: 0x11,
  ABS_INFO: 0x12,
} as const;

/** Events that wait for buffers; a guest that does not look for so long loses whole packets. */
export const INPUT_WAITING_MAX = 256;

/** Events read from one status buffer; a driver sends one. */
export const INPUT_STATUS_MAX = 64;

export class InputDevice implements VirtioDevice {
  readonly type = DeviceType.INPUT;
  readonly names = { title: "Input device", chapter: "5.8", config: Config };
  readonly name: string;
  readonly features = 0n;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly config: InputConfig;
  /** Called for what the guest says in return, such as a light: type, code and value. */
  onStatus: ((type: number, code: number, value: number) => void) | undefined;
  #io: DeviceIo | undefined;
  /** Packets whole, one event after another: type, code, value. */
  #waiting: number[] = [];
  readonly #bytes = new Uint8Array(EVENT_SIZE);
  readonly #data = new DataView(this.#bytes.buffer);
  readonly #counters = { packets: 0, dropped: 0, status: 0 };

  constructor(name: string, description: InputDescription) {
    this.name = name;
    this.config = new InputConfig(description);
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(index: number): void {
    if (index === STATUS) this.#readStatus();
    else this.#deliver();
  }

  reset(): void {
    this.#io = undefined;
    this.#waiting = [];
    this.config.reset();
  }

  /**
   * Changes that belong together, as one packet with a report at its end. It waits until the guest
   * has buffers for all of it. False if it was dropped: there is no driver, or too much waits.
   */
  send(events: readonly InputEvent[]): boolean {
    const total = this.#waiting.length / 3 + events.length + 1;
    if (this.#io === undefined || total > INPUT_WAITING_MAX) {
      this.#counters.dropped++;
      return false;
    }
    for (const event of events) this.#waiting.push(...event);
    this.#waiting.push(EventType.SYN, SYN_REPORT, 0);
    this.#counters.packets++;
    this.#deliver();
    return true;
  }

  counters(): Counters {
    return { ...this.#counters, waiting: this.#waiting.length / 3 };
  }

  save(): State {
    return { version: 1, waiting: [...this.#waiting], selected: this.config.selected };
  }

  load(state: State): void {
    const { waiting, selected } = state as { waiting: number[]; selected: [number, number] };
    this.#waiting = [...waiting];
    this.config.select(...selected);
  }

  #deliver(): void {
    const queue = this.#io?.queues[EVENT];
    if (queue === undefined || this.#waiting.length === 0) return;
    let at = 0;
    drain(queue, (chain) => {
      queue.stage(chain, this.#write(chain, at) ? EVENT_SIZE : 0);
      if (chain.writableLength >= EVENT_SIZE) at += 3;
      return at < this.#waiting.length;
    });
    this.#waiting.splice(0, at);
    queue.publish();
  }

  #write(chain: DescriptorChain, at: number): boolean {
    this.#data.setUint16(0, this.#waiting[at], true);
    this.#data.setUint16(2, this.#waiting[at + 1], true);
    this.#data.setInt32(4, this.#waiting[at + 2], true);
    return chain.writableLength >= EVENT_SIZE && chain.writeAt(0, this.#bytes) === EVENT_SIZE;
  }

  #readStatus(): void {
    const queue = this.#io?.queues[STATUS];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      const end = Math.min(chain.readableLength, INPUT_STATUS_MAX * EVENT_SIZE);
      for (let at = 0; at + EVENT_SIZE <= end; at += EVENT_SIZE) {
        chain.readAt(at, this.#bytes);
        this.#counters.status++;
        const type = this.#data.getUint16(0, true);
        this.onStatus?.(type, this.#data.getUint16(2, true), this.#data.getInt32(4, true));
      }
      queue.push(chain, 0);
      return true;
    });
  }
}

/** The configuration space: what is read depends on what was selected before (5.8.4). */
class InputConfig implements ConfigSpace {
  readonly size = Config.SIZE;
  generation = 0;
  readonly #description: InputDescription;
  #select = 0;
  #subsel = 0;
  #data: Uint8Array = new Uint8Array();

  constructor(description: InputDescription) {
    this.#description = description;
  }

  get selected(): readonly [select: number, subsel: number] {
    return [this.#select, this.#subsel];
  }

  readByte(offset: number): number {
    if (offset === Config.SELECT) return this.#select;
    if (offset === Config.SUBSEL) return this.#subsel;
    if (offset === Config.LENGTH) return this.#data.length;
    return offset < Config.DATA ? 0 : (this.#data[offset - Config.DATA] ?? 0);
  }

  write(offset: number, size: number, value: number): void {
    if (offset === Config.SELECT) {
      this.select(value & 0xff, size > 1 ? (value >>> 8) & 0xff : this.#subsel);
    } else if (offset === Config.SUBSEL) {
      this.select(this.#select, value & 0xff);
    }
  }

  reset(): void {
    this.select(0, 0);
  }

  select(select: number, subsel: number): void {
    this.#select = select;
    this.#subsel = subsel;
    this.#data = this.#answer().subarray(0, DATA_MAX);
    this.generation = (this.generation + 1) >>> 0;
  }

  /** Empty for whatever the device does not have. */
  #answer(): Uint8Array {
    const { name, serial, ids, properties, events, axes } = this.#description;
    const subsel = this.#subsel;
    if (this.#select === Select.EV_BITS) return bitmap(events[subsel] ?? []);
    if (this.#select === Select.ABS_INFO) return axisInfo(axes?.[subsel]);
    if (subsel !== 0) return new Uint8Array();
    switch (this.#select) {
      case Select.ID_NAME:
        return new TextEncoder().encode(name);
      case Select.ID_SERIAL:
        return new TextEncoder().encode(serial);
      case Select.ID_DEVIDS:
        return words16([ids.bustype, ids.vendor, ids.product, ids.version]);
      case Select.PROP_BITS:
        return bitmap(properties ?? []);
      default:
        return new Uint8Array();
    }
  }
}

function bitmap(codes: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(codes.length === 0 ? 0 : (Math.max(...codes) >> 3) + 1);
  for (const code of codes) bytes[code >> 3] |= 1 << (code & 7);
  return bytes;
}

/** `struct virtio_input_absinfo`: min, max, fuzz, flat, res. */
function axisInfo(axis: InputAxis | undefined): Uint8Array {
  if (axis === undefined) return new Uint8Array();
  const data = new DataView(new ArrayBuffer(20));
  data.setInt32(0, axis.min, true);
  data.setInt32(4, axis.max, true);
  data.setUint32(16, axis.resolution ?? 0, true);
  return new Uint8Array(data.buffer);
}

function words16(values: readonly number[]): Uint8Array {
  const data = new DataView(new ArrayBuffer(2 * values.length));
  values.forEach((value, i) => {
    data.setUint16(2 * i, value, true);
  });
  return new Uint8Array(data.buffer);
}
