/**
 * The console device (virtio 5.3): the console itself with its size, emergency output before any
 * set-up, and, if asked for, named ports beside it.
 */
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain, type Virtqueue } from "../queue.ts";
import { bit, bits, DeviceType } from "../spec.ts";
import {
  ControlEvent,
  type ControlMessage,
  ControlMessages,
  parseControl,
  sizePayload,
} from "./console-control.ts";
import { type ConsoleBackend, ConsolePort } from "./console-port.ts";

/** Feature bits (5.3.3). */
export const ConsoleFeature = { SIZE: 0, MULTIPORT: 1, EMERG_WRITE: 2 } as const;

/** Queues (5.3.2): those of port 0, of control messages, then two for each port from 1 on. */
const RX = 0;
const TX = 1;
export const CONTROL_RX = 2;
export const CONTROL_TX = 3;
const QUEUE_SIZE = 256;

/** Linux fills these queues with pages: what ports cost the guest is kept to 256 KiB each. */
const PORT_QUEUE_SIZE = 64;

/** Ports beside the console, as many as one machine word of a driver's bitmap has room for. */
export const CONSOLE_PORTS_MAX = 31;

/** A port's name in bytes; guests make a path of it. */
export const PORT_NAME = /^[\w.-]{1,63}$/;

/** Configuration layout (5.3.4). */
const Config = { COLS: 0, ROWS: 2, MAX_NR_PORTS: 4, EMERG_WR: 8, SIZE: 12 } as const;

export interface ConsoleSize {
  readonly cols: number;
  readonly rows: number;
}

export interface ConsoleOptions {
  readonly size?: ConsoleSize;
  /**
   * How many ports there may be beside the console; 0, the default, offers the driver no such thing
   * and starts faster.
   */
  readonly ports?: number;
}

export class ConsoleDevice implements VirtioDevice {
  readonly type = DeviceType.CONSOLE;
  readonly names = {
    title: "Console device",
    chapter: "5.3",
    features: ConsoleFeature,
    config: Config,
    traffic: ["inputBytes", "outputBytes"],
  };
  readonly name: string;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly config: ConfigFields;
  readonly #backend: ConsoleBackend | undefined;
  /** By id. */
  readonly #ports: (ConsolePort | undefined)[];
  readonly #control = new ControlMessages();
  #size: ConsoleSize;
  #io: DeviceIo | undefined;
  #multiport = false;
  /** The driver has asked for its ports. */
  #ready = false;
  #emergencyBytes = 0;
  #invalidControls = 0;

  /**
   * @param backend takes the console's output; without one the device has named ports alone.
   * @throws RangeError for an impossible number of ports.
   */
  constructor(name: string, backend: ConsoleBackend | undefined, options: ConsoleOptions = {}) {
    const ports = options.ports ?? 0;
    if (!(ports >= 0 && ports <= CONSOLE_PORTS_MAX)) {
      throw new RangeError(`a console has from 0 to ${CONSOLE_PORTS_MAX} ports`);
    }
    this.name = name;
    this.#backend = backend;
    this.#size = options.size ?? { cols: 80, rows: 25 };
    this.#ports = Array.from({ length: ports + 1 }, () => undefined);
    if (backend !== undefined) this.#ports[0] = this.#createPort(0, undefined, backend);
    const { SIZE, MULTIPORT, EMERG_WRITE } = ConsoleFeature;
    this.features = bits(SIZE, EMERG_WRITE) | (ports > 0 ? bit(MULTIPORT) : 0n);
    this.queueSizes = [
      QUEUE_SIZE,
      QUEUE_SIZE,
      ...Array.from({ length: ports > 0 ? 2 + 2 * ports : 0 }, () => PORT_QUEUE_SIZE),
    ];
    this.config = new ConfigFields(Config.SIZE, (offset, _size, value) => {
      if (offset === Config.EMERG_WR) this.#emergencyWrite(value & 0xff);
    });
    this.#writeSize();
    this.config.setU32(Config.MAX_NR_PORTS, ports + 1);
  }

  /** Called when `input` had to refuse bytes and has space again. */
  set onInputSpace(callback: () => void) {
    if (this.#ports[0] !== undefined) this.#ports[0].onInputSpace = callback;
  }

  activate(io: DeviceIo): void {
    this.#io = io;
    this.#multiport = (io.features & bit(ConsoleFeature.MULTIPORT)) !== 0n;
    for (const port of this.#ports) {
      if (port !== undefined) this.#attach(port);
    }
  }

  notify(index: number): void {
    if (index >= CONTROL_RX && !this.#multiport) return;
    if (index === CONTROL_RX) this.#sendControl();
    else if (index === CONTROL_TX) this.#receiveControl();
    else this.#notifyPort(index);
  }

  reset(): void {
    this.#io = undefined;
    this.#ready = false;
    this.#multiport = false;
    this.#control.clear();
    for (const port of this.#ports) port?.detach();
  }

  /** Queues input for the console; returns how many bytes were accepted, the first ones. */
  input(bytes: Uint8Array): number {
    return this.#ports[0]?.input(bytes) ?? 0;
  }

  /** The backend takes the console's output again. */
  drain(): void {
    this.#ports[0]?.drain();
  }

  /** The terminal has another size now. */
  resize(cols: number, rows: number): void {
    this.#size = { cols, rows };
    this.#writeSize();
    this.#io?.configChanged();
    if (this.#ports[0] !== undefined) this.#announceSize();
  }

  /**
   * Adds a port, which the guest sees at once if it runs: Linux as /dev/virtio-ports/NAME. It has
   * the lowest free id.
   * @throws RangeError if the name cannot be one or is taken, or there is no room for the port.
   */
  addPort(name: string, backend: ConsoleBackend): ConsolePort {
    if (!PORT_NAME.test(name)) throw new RangeError(`“${name}” cannot be the name of a port`);
    if (this.#ports.some((port) => port?.name === name)) {
      throw new RangeError(`there is a port “${name}” already`);
    }
    const id = this.#ports.findIndex((port, index) => index > 0 && port === undefined);
    if (id < 0) throw new RangeError(`the console has only ${this.#ports.length - 1} ports`);
    const port = this.#createPort(id, name, backend);
    this.#ports[id] = port;
    this.#attach(port);
    this.#announce({ id, event: ControlEvent.DEVICE_ADD, value: 1 });
    return port;
  }

  /** Takes a port away from the guest. */
  removePort(port: ConsolePort): void {
    if (this.#ports[port.id] !== port || port.name === undefined) return;
    this.#ports[port.id] = undefined;
    port.detach();
    if (!this.#ready) return;
    this.#control.remove(port.id);
    this.#sendControl();
  }

  counters(): Counters {
    const present = this.#ports.filter((port) => port !== undefined);
    const sum = (of: (port: ConsolePort) => number) =>
      present.reduce((total, port) => total + of(port), 0);
    return {
      inputBytes: sum((port) => port.counters.inputBytes),
      outputBytes: sum((port) => port.counters.outputBytes),
      droppedBytes: sum((port) => port.counters.droppedBytes),
      inputWaiting: sum((port) => port.inputWaiting),
      emergencyBytes: this.#emergencyBytes,
      invalidControls: this.#invalidControls,
      ports: present.length,
    };
  }

  save(): State {
    const ports = this.#ports.flatMap((port) => (port === undefined ? [] : [port.save()]));
    const control = this.#control.save();
    return { version: 2, ready: this.#ready, size: { ...this.#size }, control, ports };
  }

  load(state: State): void {
    this.#ready = state.ready === true;
    this.#control.load((state.control ?? []) as ControlMessage[]);
    const saved = (state.ports ?? []) as State[];
    for (const [id, port] of this.#ports.entries()) this.#loadPort(id, port, saved);
    this.#sendControl();
    const known = state.size as Partial<ConsoleSize> | undefined;
    const { cols, rows } = this.#size;
    if (known?.cols !== cols || known?.rows !== rows) this.resize(cols, rows);
  }

  /** What the guest knew of a port may not be so any more: another may have its place, or none. */
  #loadPort(id: number, port: ConsolePort | undefined, saved: readonly State[]): void {
    const known = saved.find((other) => other.id === id);
    const isSame = known !== undefined && known.name === port?.name;
    if (known !== undefined && !isSame && this.#ready) this.#control.remove(id);
    if (port === undefined) return;
    if (isSame) {
      port.load(known);
      if (port.name !== undefined) this.#announceOpen(id, port.hostOpen);
    } else {
      this.#announce({ id, event: ControlEvent.DEVICE_ADD, value: 1 });
    }
  }

  #createPort(id: number, name: string | undefined, backend: ConsoleBackend): ConsolePort {
    return new ConsolePort(id, name, backend, (open) => this.#announceOpen(id, open));
  }

  /** Without MULTIPORT the driver has port 0 alone, and has it open always. */
  #attach(port: ConsolePort): void {
    const queues = this.#io?.queues;
    if (queues === undefined || (port.id > 0 && !this.#multiport)) return;
    const first = port.id === 0 ? RX : CONTROL_RX + 2 * port.id;
    port.attach({ rx: queues[first], tx: queues[first + TX] }, !this.#multiport);
  }

  #notifyPort(index: number): void {
    const port = this.#ports[index < CONTROL_RX ? 0 : (index - CONTROL_RX) >> 1];
    const isTx = (index & 1) === TX;
    if (!isTx) port?.receive();
    else if (port !== undefined) port.transmit();
    else this.#discard(this.#io?.queues[index]);
  }

  /** Output of a port that is not there: the driver gets its buffers back. */
  #discard(queue: Virtqueue | undefined): void {
    if (queue === undefined) return;
    drain(queue, (chain) => {
      queue.push(chain, 0);
      return true;
    });
  }

  /** A message for a driver that has not asked for its ports would be lost, and need not be said. */
  #announce(message: ControlMessage): void {
    if (!this.#ready) return;
    this.#control.put(message);
    this.#sendControl();
  }

  #announceOpen(id: number, open: boolean): void {
    this.#announce({ id, event: ControlEvent.PORT_OPEN, value: open ? 1 : 0 });
  }

  #announceSize(): void {
    const payload = sizePayload(this.#size.cols, this.#size.rows);
    this.#announce({ id: 0, event: ControlEvent.RESIZE, value: 0, payload });
  }

  #sendControl(): void {
    const queue = this.#io?.queues[CONTROL_RX];
    if (queue?.ready) this.#control.flush(queue);
  }

  #receiveControl(): void {
    const queue = this.#io?.queues[CONTROL_TX];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      const message = parseControl(chain);
      // Given back before the answer, as the driver may have few buffers.
      queue.push(chain, 0);
      if (message === undefined || !this.#obey(message)) this.#invalidControls++;
      return true;
    });
  }

  /** False if the driver may not say that. */
  #obey({ id, event, value }: ControlMessage): boolean {
    if (event === ControlEvent.DEVICE_READY) {
      this.#ready = value === 1;
      this.#announcePorts();
      return true;
    }
    const port = this.#ports[id];
    if (!this.#ready || port === undefined) return false;
    if (event === ControlEvent.PORT_READY) {
      // With 0 the driver says that it could not make the port; nothing more is to be told of it.
      if (value === 1) this.#introduce(port);
      return true;
    }
    if (event !== ControlEvent.PORT_OPEN) return false;
    port.setGuestOpen(value === 1);
    return true;
  }

  #announcePorts(): void {
    for (const [id, port] of this.#ports.entries()) {
      if (port !== undefined) this.#announce({ id, event: ControlEvent.DEVICE_ADD, value: 1 });
    }
  }

  /** Everything there is to know of a port that the driver has made. */
  #introduce({ id, name, hostOpen }: ConsolePort): void {
    if (name === undefined) {
      this.#announce({ id, event: ControlEvent.CONSOLE_PORT, value: 1 });
      this.#announceSize();
    } else {
      const payload = new TextEncoder().encode(name);
      this.#announce({ id, event: ControlEvent.PORT_NAME, value: 1, payload });
    }
    if (hostOpen) this.#announceOpen(id, true);
  }

  #writeSize(): void {
    const { cols, rows } = this.#size;
    this.config.setU16(Config.COLS, cols).setU16(Config.ROWS, rows);
  }

  #emergencyWrite(byte: number): void {
    this.#emergencyBytes++;
    this.#backend?.write(Uint8Array.of(byte));
  }
}
