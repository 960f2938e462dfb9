/**
 * The network device (virtio 5.1): Ethernet frames over pairs of receive and transmit queues, with
 * offloads. What a wire or a guest cannot take as it is, is made into plain frames here.
 */
import { completeChecksum, longestFrame, toFrames } from "../../packet/frames.ts";
import {
  FRAME_MIN,
  GsoType,
  gsoType,
  hasEcn,
  isPlain,
  LARGE_FRAME_MAX,
  needsChecksum,
  PACKET_HEADER,
  PacketLayout,
  packetFault,
  sanitizeHeader,
} from "../../packet/header.ts";
import { ChainReader, type DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bit, bits, DeviceType, Feature } from "../spec.ts";
import { executeNetControl, NET_CONTROL_MAX, type NetControlTarget } from "./net-control.ts";
import { type FilterState, NetFilter, readMac } from "./net-filter.ts";
import { NetReceiveQueue } from "./net-receive-queue.ts";
import {
  GSO_FEATURES,
  MAC_SIZE,
  NET_DEPENDENCIES,
  NetConfig,
  NetFeature,
  NetStatus,
} from "./net-spec.ts";
import { FlowSteering } from "./net-steering.ts";

export interface NetBackend {
  /**
   * Whether `send` takes packets: a frame with `struct virtio_net_hdr` in front, whose checksum may
   * be open and which may stand for many; see `src/packet`. May change from one call to the next.
   */
  readonly takesPackets?: boolean;
  /**
   * Takes one Ethernet frame without its checksum, or one packet; the bytes are only lent for the
   * call. False means: taken, but full; the device then leaves further frames in the guest until
   * `drain` is called, later and not from here.
   */
  send(bytes: Uint8Array<ArrayBuffer>): boolean;
}

export interface NetOptions {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** In bytes, without the Ethernet header. */
  readonly mtu?: number;
  /** Pairs of queues; one means that MQ is not offered. */
  readonly queuePairs?: number;
}

const QUEUE_SIZE = 256;
const CONTROL_QUEUE_SIZE = 64;

/** More than harts need, and enough to see that a driver uses several. */
const QUEUE_PAIRS_DEFAULT = 2;
/** As many as one word of a steering table tells apart, and a slot's queues stay few. */
export const QUEUE_PAIRS_MAX = 8;

/** Mbit/s; a WebSocket has no line rate, and some tools refuse an unknown one. */
const SPEED = 1000;
const FULL_DUPLEX = 1;

/** `struct virtio_net_hdr` without VERSION_1 and MRG_RXBUF lacks its last field (5.1.6). */
const SHORT_HEADER_SIZE = 10;

/** Ethernet header with one VLAN tag, which the MTU does not count. */
const LINK_HEADER_MAX = 18;
const MTU_DEFAULT = 1500;
/** The specification's bounds (5.1.4.1). */
const MTU_MIN = 68;
const MTU_MAX = 65535;

const HOST_OFFLOADS = bits(
  NetFeature.CSUM,
  NetFeature.HOST_TSO4,
  NetFeature.HOST_TSO6,
  NetFeature.HOST_ECN,
  NetFeature.HOST_UFO,
  NetFeature.HOST_USO,
);

const GUEST_OFFLOADS = bits(
  NetFeature.GUEST_CSUM,
  NetFeature.GUEST_TSO4,
  NetFeature.GUEST_TSO6,
  NetFeature.GUEST_ECN,
  NetFeature.GUEST_UFO,
  NetFeature.GUEST_USO4,
  NetFeature.GUEST_USO6,
);

const FEATURES = bits(
  NetFeature.CTRL_GUEST_OFFLOADS,
  NetFeature.MTU,
  NetFeature.MAC,
  NetFeature.MRG_RXBUF,
  NetFeature.STATUS,
  NetFeature.CTRL_VQ,
  NetFeature.CTRL_RX,
  NetFeature.CTRL_VLAN,
  NetFeature.CTRL_RX_EXTRA,
  NetFeature.GUEST_ANNOUNCE,
  NetFeature.CTRL_MAC_ADDR,
  NetFeature.SPEED_DUPLEX,
);

export class NetDevice implements VirtioDevice {
  readonly type = DeviceType.NET;
  readonly names = {
    title: "Network device",
    chapter: "5.1",
    features: NetFeature,
    config: NetConfig,
    traffic: ["receivedBytes", "sentBytes"],
  };
  readonly name: string;
  readonly features: bigint;
  readonly dependencies = NET_DEPENDENCIES;
  readonly queueSizes: readonly number[];
  readonly config: ConfigFields;
  readonly #backend: NetBackend;
  readonly #ownMac: Uint8Array;
  readonly #pairsMax: number;
  readonly #frameMax: number;
  readonly #filter = new NetFilter();
  readonly #steering = new FlowSteering();
  readonly #layout = new PacketLayout();
  /** The packet being sent: copied once, so that what is checked is what is used. */
  readonly #packet = new Uint8Array(PACKET_HEADER + LARGE_FRAME_MAX);
  readonly #frame: Uint8Array<ArrayBuffer>;
  #io: DeviceIo | undefined;
  #receivers: NetReceiveQueue[] = [];
  #status: number = NetStatus.LINK_UP;
  #mac = 0;
  #headerSize = PACKET_HEADER;
  #controlQueue = 0;
  #pairs = 1;
  /** GUEST_* features in force: those negotiated, until the driver says otherwise. */
  #offloads = 0n;
  #full = false;
  /** The guest was restored, and its network does not know where it is now. */
  #hasMoved = false;
  readonly #counters = {
    received: 0,
    receivedBytes: 0,
    receivedLarge: 0,
    receiveDropped: 0,
    filtered: 0,
    sent: 0,
    sentBytes: 0,
    sentLarge: 0,
    sendDropped: 0,
    controls: 0,
  };

  /** @throws RangeError for an MTU or a number of queues that there cannot be. */
  constructor(name: string, backend: NetBackend, options: NetOptions) {
    const { mtu = MTU_DEFAULT, queuePairs = QUEUE_PAIRS_DEFAULT } = options;
    if (mtu < MTU_MIN || mtu > MTU_MAX) throw new RangeError(`an MTU of ${mtu}`);
    if (queuePairs < 1 || queuePairs > QUEUE_PAIRS_MAX) {
      throw new RangeError(`${queuePairs} pairs of queues`);
    }
    this.name = name;
    this.#backend = backend;
    this.#ownMac = Uint8Array.from(options.mac).subarray(0, MAC_SIZE);
    this.#pairsMax = queuePairs;
    this.#frameMax = mtu + LINK_HEADER_MAX;
    this.#frame = new Uint8Array(this.#frameMax);
    const multiqueue = queuePairs > 1 ? bit(NetFeature.MQ) : 0n;
    this.features = FEATURES | HOST_OFFLOADS | GUEST_OFFLOADS | multiqueue;
    const dataQueues = new Array<number>(2 * queuePairs).fill(QUEUE_SIZE);
    this.queueSizes = [...dataQueues, CONTROL_QUEUE_SIZE];
    this.config = new ConfigFields(NetConfig.SIZE)
      .setU16(NetConfig.STATUS, this.#status)
      .setU16(NetConfig.MAX_VIRTQUEUE_PAIRS, queuePairs)
      .setU16(NetConfig.MTU, mtu)
      .setU32(NetConfig.SPEED, SPEED)
      .setU8(NetConfig.DUPLEX, FULL_DUPLEX);
    this.#setMac(this.#ownMac);
  }

  activate(io: DeviceIo): void {
    this.#io = io;
    const merge = this.#has(NetFeature.MRG_RXBUF);
    const modern = this.#has(Feature.VERSION_1);
    this.#headerSize = modern || merge ? PACKET_HEADER : SHORT_HEADER_SIZE;
    const pairs = this.#has(NetFeature.MQ) ? this.#pairsMax : 1;
    // The control queue follows the pairs that the driver knows of (5.1.2).
    this.#controlQueue = 2 * pairs;
    this.#receivers = Array.from(
      { length: pairs },
      (_, pair) =>
        new NetReceiveQueue(io.queues[2 * pair], this.#headerSize, merge, this.#counters),
    );
    this.#offloads = io.features & GUEST_OFFLOADS;
    if (this.#has(NetFeature.CTRL_VLAN)) this.#filter.filterVlans();
  }

  notify(index: number): void {
    if (index === this.#controlQueue && this.#has(NetFeature.CTRL_VQ)) this.#control();
    else if ((index & 1) === 0) this.#receivers[index / 2]?.deliver();
    else this.#transmit(index);
  }

  reset(): void {
    this.#io = undefined;
    this.#receivers = [];
    this.#filter.reset();
    this.#pairs = 1;
    this.#offloads = 0n;
    this.#hasMoved = false;
    this.#status &= ~NetStatus.ANNOUNCE;
    this.config.setU16(NetConfig.STATUS, this.#status);
    this.#setMac(this.#ownMac);
  }

  /**
   * A frame from the network, which the device keeps until the guest has a buffer for it. Dropped,
   * and counted, if the guest cannot take it.
   */
  receive(frame: Uint8Array): void {
    if (!this.#isWanted(frame, 0)) return;
    this.#deliver(frame, 0);
  }

  /**
   * As `receive`, for a packet with its header in front, as `NetBackend.send` may get them. The
   * device may change the header.
   */
  receivePacket(packet: Uint8Array): void {
    if (packetFault(packet, this.#layout) !== undefined) {
      this.#counters.receiveDropped++;
      return;
    }
    if (!this.#isWanted(packet, PACKET_HEADER)) return;
    if (gsoType(packet) !== GsoType.NONE) this.#counters.receivedLarge++;
    if (isPlain(packet)) {
      this.#deliver(packet.subarray(PACKET_HEADER), 0);
    } else if (this.#guestTakes(packet)) {
      sanitizeHeader(packet, this.#layout);
      this.#deliver(packet, PACKET_HEADER);
    } else {
      // Made for each guest, since they wait in here.
      toFrames(packet, this.#layout, {
        allocate: (length) => new Uint8Array(length),
        emit: (frame) => this.#deliver(frame, 0),
      });
    }
  }

  setLink(up: boolean): void {
    const { LINK_UP } = NetStatus;
    this.#setStatus(up ? this.#status | LINK_UP : this.#status & ~LINK_UP);
    this.#announceMove();
  }

  /** Asks the guest to announce its addresses, after the network behind it has changed. */
  announce(): void {
    if (this.#has(NetFeature.GUEST_ANNOUNCE)) this.#setStatus(this.#status | NetStatus.ANNOUNCE);
  }

  /** The backend takes frames again. */
  drain(): void {
    this.#full = false;
    for (let pair = 0; pair < this.#receivers.length; pair++) this.#transmit(2 * pair + 1);
  }

  counters(): Counters {
    const receiveWaiting = this.#receivers.reduce((sum, { waiting }) => sum + waiting, 0);
    return { ...this.#counters, queuePairs: this.#pairs, receiveWaiting };
  }

  save(): State {
    return {
      version: 3,
      ownMac: this.#ownMac.slice(),
      mac: Uint8Array.from({ length: MAC_SIZE }, (_, i) => this.config.readByte(i)),
      pairs: this.#pairs,
      offloads: this.#offloads,
      filter: this.#filter.save(),
    };
  }

  /** The link is the present one; the guest hears of it, and is asked to announce itself there. */
  load(state: State): void {
    if (state.version !== 3) return;
    this.#ownMac.set(state.ownMac as Uint8Array);
    this.#setMac(state.mac as Uint8Array);
    this.#setPairs(state.pairs as number);
    this.#offloads = state.offloads as bigint;
    this.#filter.load(state.filter as FilterState);
    this.#io?.configChanged();
    this.#hasMoved = true;
    this.#announceMove();
  }

  #announceMove(): void {
    if (!this.#hasMoved || !this.#isUp) return;
    this.#hasMoved = false;
    this.announce();
  }

  #has(feature: number): boolean {
    return this.#io !== undefined && (this.#io.features & bit(feature)) !== 0n;
  }

  #setStatus(status: number): void {
    if (status === this.#status) return;
    this.#status = status;
    this.config.setU16(NetConfig.STATUS, status);
    this.#io?.configChanged();
  }

  #setMac(mac: Uint8Array): void {
    this.config.setBytes(NetConfig.MAC, mac);
    this.#mac = readMac(mac, 0);
  }

  get #isUp(): boolean {
    return (this.#status & NetStatus.LINK_UP) !== 0;
  }

  #transmit(index: number): void {
    const queue = this.#io?.queues[index];
    if (queue === undefined || this.#full) return;
    drain(queue, (chain) => {
      this.#sendChain(chain, index >>> 1);
      queue.stage(chain, 0);
      return !this.#full;
    });
    queue.publish();
  }

  #sendChain(chain: DescriptorChain, pair: number): void {
    const length = chain.readableLength - this.#headerSize;
    const isSane = length >= FRAME_MIN && length <= LARGE_FRAME_MAX;
    if (!isSane || !this.#isUp || !this.#send(this.#copy(chain, length))) {
      this.#counters.sendDropped++;
      return;
    }
    this.#counters.sent++;
    this.#counters.sentBytes += length;
    if (this.#pairs > 1) this.#steering.learn(this.#packet, PACKET_HEADER + length, pair);
  }

  #copy(chain: DescriptorChain, length: number): Uint8Array<ArrayBuffer> {
    const packet = this.#packet.subarray(0, PACKET_HEADER + length);
    // A header of 10 bytes ends where the frame begins, too.
    chain.readAt(0, packet.subarray(PACKET_HEADER - this.#headerSize));
    if (this.#headerSize !== PACKET_HEADER) packet.copyWithin(0, 2, PACKET_HEADER);
    // Without CSUM all of it is to be 0, and some drivers leave something there.
    if (this.#has(NetFeature.CSUM)) packet.fill(0, SHORT_HEADER_SIZE, PACKET_HEADER);
    else packet.fill(0, 0, PACKET_HEADER);
    return packet;
  }

  /** False for a packet that cannot be sent, or that the driver was not allowed to make. */
  #send(packet: Uint8Array<ArrayBuffer>): boolean {
    if (packetFault(packet, this.#layout) !== undefined || !this.#mayMake(packet)) return false;
    if (longestFrame(packet, this.#layout) > this.#frameMax) return false;
    const isLarge = gsoType(packet) !== GsoType.NONE;
    if (isLarge) this.#counters.sentLarge++;
    if (this.#backend.takesPackets === true) {
      sanitizeHeader(packet, this.#layout);
      this.#hand(packet);
    } else if (isLarge) {
      toFrames(packet, this.#layout, this.#wire);
    } else {
      if (needsChecksum(packet)) completeChecksum(packet);
      this.#hand(packet.subarray(PACKET_HEADER));
    }
    return true;
  }

  /** Plain frames, one after the other in the same memory. */
  readonly #wire = {
    allocate: (length: number): Uint8Array<ArrayBuffer> => this.#frame.subarray(0, length),
    emit: (frame: Uint8Array<ArrayBuffer>): void => this.#hand(frame),
  };

  #hand(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#backend.send(bytes)) this.#full = true;
  }

  #mayMake(packet: Uint8Array): boolean {
    if (hasEcn(packet) && !this.#has(NetFeature.HOST_ECN)) return false;
    const type = gsoType(packet);
    return type === GsoType.NONE || this.#has(GSO_FEATURES[type].host);
  }

  /** Whether the driver takes this packet as it is, by what it negotiated and has not turned off. */
  #guestTakes(packet: Uint8Array): boolean {
    const takes = (feature: number): boolean => (this.#offloads & bit(feature)) !== 0n;
    if (!takes(NetFeature.GUEST_CSUM)) return false;
    if (hasEcn(packet) && !takes(NetFeature.GUEST_ECN)) return false;
    const type = gsoType(packet);
    if (type === GsoType.NONE) return true;
    const { guest, guestIpv6 } = GSO_FEATURES[type];
    return takes(this.#layout.isIpv6 ? guestIpv6 : guest);
  }

  /** Counts what is not. `packetFault` has set the layout if the frame is to be longer. */
  #isWanted(bytes: Uint8Array, frameAt: number): boolean {
    const length = bytes.length - frameAt;
    const longest = frameAt === 0 ? length : longestFrame(bytes, this.#layout);
    const fits = length >= FRAME_MIN && longest <= this.#frameMax;
    if (!fits || this.#io === undefined || !this.#isUp) {
      this.#counters.receiveDropped++;
      return false;
    }
    if (this.#filter.accepts(bytes, frameAt, this.#mac)) return true;
    this.#counters.filtered++;
    return false;
  }

  #deliver(bytes: Uint8Array, frameAt: number): void {
    const pair = this.#pairs > 1 ? this.#steering.pairOf(bytes, frameAt) : 0;
    const chosen = this.#receivers[pair];
    const receiver = chosen.ready ? chosen : this.#receivers[0];
    receiver.push(bytes, frameAt);
    receiver.deliver();
  }

  #control(): void {
    const queue = this.#io?.queues[this.#controlQueue];
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
    const ack = executeNetControl(whole ? command : new Uint8Array(), this.#controlTarget());
    // The acknowledge byte is the last: what lies before it is not written.
    const at = chain.writableLength - 1;
    const written = chain.writeAt(Math.max(0, at), Uint8Array.of(ack));
    return at === 0 ? written : 0;
  }

  #controlTarget(): NetControlTarget {
    return {
      features: this.#io?.features ?? 0n,
      filter: this.#filter,
      setMac: (mac) => this.#setMac(mac),
      // No interrupt: the driver knows what it has acknowledged (5.1.6.5.4).
      announced: () => {
        this.#status &= ~NetStatus.ANNOUNCE;
        this.config.setU16(NetConfig.STATUS, this.#status);
      },
      setPairs: (count) => this.#setPairs(count),
      setOffloads: (offloads) => {
        const negotiated = (this.#io?.features ?? 0n) & GUEST_OFFLOADS;
        if ((offloads & ~negotiated) !== 0n) return false;
        this.#offloads = offloads;
        return true;
      },
    };
  }

  /** Frames for queues that are not used any more are lost (5.1.6.5.5). */
  #setPairs(count: number): boolean {
    if (count < 1 || count > this.#receivers.length) return false;
    this.#pairs = count;
    this.#steering.limit(count);
    for (const receiver of this.#receivers.slice(count)) receiver.clear();
    return true;
  }
}
