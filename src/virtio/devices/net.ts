/** The network device (virtio 5.1): Ethernet frames, one receive and one transmit queue. */
import { ChainReader, type DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bit, bits, DeviceType, Feature } from "../spec.ts";
import { executeNetControl, MAC_SIZE, NET_CONTROL_MAX } from "./net-control.ts";

export interface NetBackend {
  /**
   * Takes one Ethernet frame without its checksum, a copy that it may keep. False means: taken,
   * but full; the device then leaves further frames in the guest until `drain` is called, later
   * and not from here.
   */
  send(frame: Uint8Array<ArrayBuffer>): boolean;
}

export interface NetOptions {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** In bytes, without the Ethernet header. */
  readonly mtu?: number;
}

/** Feature bits (5.1.3). */
export const NetFeature = {
  MTU: 3,
  MAC: 5,
  MRG_RXBUF: 15,
  STATUS: 16,
  CTRL_VQ: 17,
  CTRL_RX: 18,
  GUEST_ANNOUNCE: 21,
  CTRL_MAC_ADDR: 23,
  SPEED_DUPLEX: 63,
} as const;

/** Queues (5.1.2). */
const RX = 0;
const TX = 1;
const CONTROL = 2;
const QUEUE_SIZE = 256;
const CONTROL_QUEUE_SIZE = 64;

/** Offsets in the configuration space (5.1.4). */
const Config = {
  MAC: 0,
  STATUS: 6,
  MAX_VIRTQUEUE_PAIRS: 8,
  MTU: 10,
  SPEED: 12,
  DUPLEX: 16,
  SIZE: 20,
} as const;

const STATUS_LINK_UP = 1;
const STATUS_ANNOUNCE = 2;

/** Mbit/s; a WebSocket has no line rate, and some tools refuse an unknown one. */
const SPEED = 1000;
const FULL_DUPLEX = 1;

/** `struct virtio_net_hdr`; the last field only with VERSION_1 or MRG_RXBUF (5.1.6). */
const HEADER_SIZE = 12;
const SHORT_HEADER_SIZE = 10;
const NUM_BUFFERS_OFFSET = 10;

/** Ethernet header with one VLAN tag, which the MTU does not count. */
const LINK_HEADER_MAX = 18;
const MTU_DEFAULT = 1500;
const MTU_MAX = 65535;

/** A frame needs its two addresses and a type. */
const FRAME_MIN = 14;

/** Frames waiting for receive buffers: a burst of one queue, beyond which a network drops too. */
export const NET_RECEIVE_MAX = 256;

/** Buffers merged for one frame: more than a 64 KiB frame needs of the smallest that drivers use. */
export const NET_MERGE_MAX = 64;

export class NetDevice implements VirtioDevice {
  readonly type = DeviceType.NET;
  readonly name: string;
  readonly features = bits(
    NetFeature.MTU,
    NetFeature.MAC,
    NetFeature.MRG_RXBUF,
    NetFeature.STATUS,
    NetFeature.CTRL_VQ,
    NetFeature.CTRL_RX,
    NetFeature.GUEST_ANNOUNCE,
    NetFeature.CTRL_MAC_ADDR,
    NetFeature.SPEED_DUPLEX,
  );
  readonly dependencies = [
    { feature: NetFeature.CTRL_RX, anyOf: [NetFeature.CTRL_VQ] },
    { feature: NetFeature.GUEST_ANNOUNCE, anyOf: [NetFeature.CTRL_VQ] },
    { feature: NetFeature.CTRL_MAC_ADDR, anyOf: [NetFeature.CTRL_VQ] },
  ];
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE, CONTROL_QUEUE_SIZE];
  readonly config: ConfigFields;
  readonly #backend: NetBackend;
  readonly #mac: Uint8Array;
  readonly #frameMax: number;
  #io: DeviceIo | undefined;
  #status = STATUS_LINK_UP;
  #headerSize = HEADER_SIZE;
  #merge = false;
  #full = false;
  readonly #waiting: Uint8Array[] = [];
  /** Receive buffers taken for the next frame and not yet large enough for it. */
  #held: DescriptorChain[] = [];
  readonly #counters = {
    received: 0,
    receivedBytes: 0,
    receiveDropped: 0,
    sent: 0,
    sentBytes: 0,
    sendDropped: 0,
    controls: 0,
  };

  constructor(name: string, backend: NetBackend, options: NetOptions) {
    const mtu = Math.min(options.mtu ?? MTU_DEFAULT, MTU_MAX);
    this.name = name;
    this.#backend = backend;
    this.#mac = Uint8Array.from(options.mac).subarray(0, MAC_SIZE);
    this.#frameMax = mtu + LINK_HEADER_MAX;
    this.config = new ConfigFields(Config.SIZE)
      .setBytes(Config.MAC, this.#mac)
      .setU16(Config.STATUS, this.#status)
      .setU16(Config.MAX_VIRTQUEUE_PAIRS, 1)
      .setU16(Config.MTU, mtu)
      .setU32(Config.SPEED, SPEED)
      .setU8(Config.DUPLEX, FULL_DUPLEX);
  }

  activate(io: DeviceIo): void {
    this.#io = io;
    this.#merge = (io.features & bit(NetFeature.MRG_RXBUF)) !== 0n;
    const modern = (io.features & bit(Feature.VERSION_1)) !== 0n;
    this.#headerSize = modern || this.#merge ? HEADER_SIZE : SHORT_HEADER_SIZE;
  }

  notify(index: number): void {
    if (index === RX) this.#deliver();
    else if (index === TX) this.#transmit();
    else this.#control();
  }

  reset(): void {
    this.#io = undefined;
    this.#waiting.length = 0;
    this.#held = [];
    this.#status &= ~STATUS_ANNOUNCE;
    this.config.setU16(Config.STATUS, this.#status).setBytes(Config.MAC, this.#mac);
  }

  /**
   * A frame from the network, which the device keeps until the guest has a buffer for it. Dropped,
   * and counted, if the guest cannot take it.
   */
  receive(frame: Uint8Array): void {
    const fits = frame.length >= FRAME_MIN && frame.length <= this.#frameMax;
    const wanted = this.#io !== undefined && (this.#status & STATUS_LINK_UP) !== 0;
    if (!fits || !wanted || this.#waiting.length >= NET_RECEIVE_MAX) {
      this.#counters.receiveDropped++;
      return;
    }
    this.#waiting.push(frame);
    this.#deliver();
  }

  setLink(up: boolean): void {
    this.#setStatus(up ? this.#status | STATUS_LINK_UP : this.#status & ~STATUS_LINK_UP);
  }

  /** Asks the guest to announce its addresses, after the network behind it has changed. */
  announce(): void {
    const features = this.#io?.features ?? 0n;
    if ((features & bit(NetFeature.GUEST_ANNOUNCE)) === 0n) return;
    this.#setStatus(this.#status | STATUS_ANNOUNCE);
  }

  /** The backend takes frames again. */
  drain(): void {
    this.#full = false;
    this.#transmit();
  }

  counters(): Counters {
    return { ...this.#counters, receiveWaiting: this.#waiting.length };
  }

  save(): State {
    const mac = Uint8Array.from({ length: MAC_SIZE }, (_, i) =>
      this.config.readByte(Config.MAC + i),
    );
    return { version: 1, status: this.#status, mac };
  }

  load(state: State): void {
    if (typeof state.status === "number") this.#setStatus(state.status);
    if (state.mac instanceof Uint8Array) {
      this.config.setBytes(Config.MAC, state.mac.subarray(0, MAC_SIZE));
    }
  }

  #setStatus(status: number): void {
    if (status === this.#status) return;
    this.#status = status;
    this.config.setU16(Config.STATUS, status);
    this.#io?.configChanged();
  }

  #transmit(): void {
    const queue = this.#io?.queues[TX];
    if (queue === undefined || this.#full) return;
    drain(queue, (chain) => {
      this.#sendChain(chain);
      queue.stage(chain, 0);
      return !this.#full;
    });
    queue.publish();
  }

  #sendChain(chain: DescriptorChain): void {
    const length = chain.readableLength - this.#headerSize;
    const up = (this.#status & STATUS_LINK_UP) !== 0;
    if (!up || length < FRAME_MIN || length > this.#frameMax) {
      this.#counters.sendDropped++;
      return;
    }
    const frame = new Uint8Array(length);
    chain.readAt(this.#headerSize, frame);
    this.#counters.sent++;
    this.#counters.sentBytes += length;
    if (!this.#backend.send(frame)) this.#full = true;
  }

  /** Puts waiting frames into receive buffers, and keeps what has no buffer yet. */
  #deliver(): void {
    const queue = this.#io?.queues[RX];
    if (queue === undefined || this.#waiting.length === 0) return;
    this.#held = this.#held.filter((chain) => chain.alive);
    drain(queue, (chain) => {
      this.#held.push(chain);
      this.#fillHeld();
      return this.#waiting.length > 0;
    });
    queue.publish();
  }

  /** Writes the next frame if the buffers held have room for it. */
  #fillHeld(): void {
    const [frame] = this.#waiting;
    const room = this.#held.reduce((sum, chain) => sum + chain.writableLength, 0);
    const enough = room >= this.#headerSize + frame.length;
    // Without merging a frame has one buffer, and one that does not fit is dropped, never cut.
    if (!enough && this.#merge && this.#held.length < NET_MERGE_MAX) return;
    this.#waiting.shift();
    if (enough) this.#writeFrame(frame);
    else this.#dropHeld();
  }

  #writeFrame(frame: Uint8Array): void {
    const header = new Uint8Array(this.#headerSize);
    if (header.length === HEADER_SIZE) header[NUM_BUFFERS_OFFSET] = this.#held.length;
    let at = 0;
    for (const chain of this.#held) {
      // Header and frame are one run of bytes, cut wherever a buffer ends.
      const ofHeader = chain.writeAt(0, header.subarray(Math.min(at, header.length)));
      const ofFrame = frame.subarray(Math.max(0, at - header.length));
      const count = ofHeader + chain.writeAt(ofHeader, ofFrame);
      this.#io?.queues[RX].stage(chain, count);
      at += count;
    }
    this.#held = [];
    this.#counters.received++;
    this.#counters.receivedBytes += frame.length;
  }

  /** The buffers go back empty, so that one of no use cannot block the queue for ever. */
  #dropHeld(): void {
    for (const chain of this.#held) this.#io?.queues[RX].stage(chain, 0);
    this.#held = [];
    this.#counters.receiveDropped++;
  }

  #control(): void {
    const queue = this.#io?.queues[CONTROL];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      this.#counters.controls++;
      queue.push(chain, this.#executeControl(chain));
      return true;
    });
  }

  #executeControl(chain: DescriptorChain): number {
    const command = new ChainReader(chain).bytes(NET_CONTROL_MAX);
    const whole = command.length === chain.readableLength;
    const result = executeNetControl(whole ? command : new Uint8Array());
    if (result.mac !== undefined) this.config.setBytes(Config.MAC, result.mac);
    if (result.announced) this.#acknowledgeAnnounce();
    // The acknowledge byte is the last: what lies before it is not written.
    const ack = chain.writableLength - 1;
    const written = chain.writeAt(Math.max(0, ack), Uint8Array.of(result.ack));
    return ack === 0 ? written : 0;
  }

  /** No interrupt: the driver knows what it has acknowledged (5.1.6.5.4). */
  #acknowledgeAnnounce(): void {
    this.#status &= ~STATUS_ANNOUNCE;
    this.config.setU16(Config.STATUS, this.#status);
  }
}
