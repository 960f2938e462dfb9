/**
 * The socket device (virtio 5.10): connections between ports of the guest and ports of the host.
 *
 * What the guest sends that makes no sense is answered with RST, which ends the connection it was
 * about; nothing that it sends can make the host keep more than the limits below and those of
 * `vsock-connection.ts`.
 */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bit, bits, DeviceType } from "../spec.ts";
import { Fifo } from "./fifo.ts";
import { VsockConnection, type VsockHandler, type VsockWire } from "./vsock-connection.ts";
import {
  HOST_CID,
  VSOCK_HEADER_SIZE,
  VSOCK_PACKET_MAX,
  VsockHeader,
  VsockOp,
  VsockType,
} from "./vsock-packet.ts";

/** Feature bits (5.10.3). */
export const VsockFeature = { STREAM: 0, SEQPACKET: 1, NO_IMPLIED_STREAM: 2 } as const;

/** Configuration layout (5.10.4). */
const Config = { GUEST_CID: 0, SIZE: 8 } as const;

/** Queues (5.10.2). Linux fills the first with buffers of 4 KiB: half a MiB of the guest. */
const RX = 0;
const TX = 1;
const EVENT = 2;
const QUEUE_SIZE = 128;
const EVENT_QUEUE_SIZE = 16;

/** `struct virtio_vsock_event` with the id of a transport reset. */
const TRANSPORT_RESET = new Uint8Array(4);

/** Context identifiers of guests: those below mean hypervisor, local and host (5.10.4). */
const GUEST_CID_MIN = 3;
/** The greatest 32-bit number means any. */
export const GUEST_CID_MAX = 0xffff_fffe;

/** At most 256 KiB each wait for a host that does not read: 128 MiB in the worst case. */
export const VSOCK_CONNECTIONS_MAX = 512;

/**
 * Answers that wait for the guest's buffers, beside those of connections. It is more than one
 * transmit queue can ask for; beyond it transmitted packets wait in the guest.
 */
export const VSOCK_REPLIES_MAX = 256;

/** Turns of receiving and sending; a driver that only fills its queues once needs two. */
const WORK_TURNS = 4;

/** Host ports of connections that the host opens, as the dynamic ports of other networks. */
const DYNAMIC_PORT_FIRST = 49152;
const DYNAMIC_PORT_LAST = 65535;

/** The guest asks for a connection; without a handler it is refused. */
export type VsockAccept = (connection: VsockConnection) => VsockHandler | undefined;

/** An RST that answers a packet. */
interface Reply {
  readonly srcCid: number;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly type: number;
}

export class VsockDevice implements VirtioDevice {
  readonly type = DeviceType.VSOCK;
  readonly names = {
    title: "Socket device",
    chapter: "5.10",
    features: VsockFeature,
    config: Config,
    traffic: ["receivedBytes", "sentBytes"],
  };
  readonly name: string;
  readonly features = bits(
    VsockFeature.STREAM,
    VsockFeature.SEQPACKET,
    VsockFeature.NO_IMPLIED_STREAM,
  );
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE, EVENT_QUEUE_SIZE];
  readonly config: ConfigFields;
  readonly guestCid: number;
  readonly #in = new VsockHeader();
  readonly #out = new VsockHeader();
  readonly #listeners = new Map<string, VsockAccept>();
  /** By host port, then by guest port. */
  readonly #connections = new Map<number, Map<number, VsockConnection>>();
  #connectionCount = 0;
  #dynamicPort = DYNAMIC_PORT_LAST;
  readonly #replies = new Fifo<Reply>();
  /** In turn: those that may have something to send. */
  readonly #round = new Fifo<VsockConnection>();
  #io: DeviceIo | undefined;
  #types: readonly number[] = [];
  #isBusy = false;
  /** The guest may have transmitted something that was not looked at. */
  #isTransmitting = false;
  #resetPending = false;
  readonly #counters = {
    sentPackets: 0,
    sentBytes: 0,
    receivedPackets: 0,
    receivedBytes: 0,
    refused: 0,
    ignored: 0,
  };
  readonly #wire: VsockWire = {
    schedule: (connection) => {
      this.#schedule(connection);
      this.#work();
    },
    cut: (connection) => {
      this.#remove(connection);
      if (connection.isKnown) this.#replyTo(connection);
      this.#work();
    },
  };

  /** @throws RangeError if no guest can have that context identifier. */
  constructor(name: string, guestCid = GUEST_CID_MIN) {
    if (!(guestCid >= GUEST_CID_MIN && guestCid <= GUEST_CID_MAX)) {
      throw new RangeError(`a guest's CID is from ${GUEST_CID_MIN} to ${GUEST_CID_MAX}`);
    }
    this.name = name;
    this.guestCid = guestCid;
    this.config = new ConfigFields(Config.SIZE).setU64(Config.GUEST_CID, guestCid);
  }

  activate(io: DeviceIo): void {
    this.#io = io;
    this.#types = negotiatedTypes(io.features);
  }

  notify(index: number): void {
    if (index === EVENT) {
      this.#sendEvent();
      return;
    }
    if (index === TX) this.#isTransmitting = true;
    this.#work();
  }

  reset(): void {
    this.#io = undefined;
    this.#types = [];
    this.#isTransmitting = false;
    this.#resetPending = false;
    this.#replies.clear();
    this.#abortAll("the guest has reset its device");
  }

  dispose(): void {
    this.#io = undefined;
    this.#abortAll("the machine has ended");
  }

  /**
   * Accepts what the guest connects to a port of the host; the returned function ends that.
   * @throws RangeError if somebody listens there already.
   */
  listen(port: number, type: VsockType, accept: VsockAccept): () => void {
    const key = `${type}:${port}`;
    if (this.#listeners.has(key)) throw new RangeError(`port ${port} is taken`);
    this.#listeners.set(key, accept);
    return () => {
      if (this.#listeners.get(key) === accept) this.#listeners.delete(key);
    };
  }

  /**
   * Opens a connection to a port of the guest; `connected` or `closed` says what becomes of it.
   * @throws Error if the guest has no driver for that, or there are too many connections.
   */
  connect(guestPort: number, type: VsockType, handler: VsockHandler): VsockConnection {
    if (this.#io === undefined) throw new Error("the guest has no driver for its socket device");
    if (!this.#types.includes(type)) throw new Error("the guest's driver has no such sockets");
    const ports = { host: this.#freePort(guestPort), guest: guestPort };
    const connection = new VsockConnection(this.#wire, type, ports, "requested");
    if (!this.#add(connection)) throw new Error("there are too many connections");
    connection.handler = handler;
    this.#wire.schedule(connection);
    return connection;
  }

  counters(): Counters {
    return { ...this.#counters, connections: this.#connectionCount };
  }

  save(): State {
    return { version: 1 };
  }

  /** No connection outlives this, and the guest is told so (5.10.6.7). */
  load(): void {
    this.#resetPending = true;
    this.#sendEvent();
  }

  /**
   * Takes what the guest transmitted and sends what waits to be sent, in turns. Whatever handlers ask
   * for meanwhile is part of the same work, and is shown to the guest at once.
   */
  #work(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let turn = 0; turn < WORK_TURNS; turn++) {
        if (this.#isTransmitting && this.#replies.length < VSOCK_REPLIES_MAX) this.#transmit();
        this.#send();
        if (!this.#isTransmitting || this.#replies.length >= VSOCK_REPLIES_MAX) return;
      }
    } finally {
      this.#isBusy = false;
    }
  }

  /** Stops at too many replies, with the rest left in the guest. */
  #transmit(): void {
    this.#isTransmitting = false;
    const queue = this.#io?.queues[TX];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      this.#counters.receivedPackets++;
      if (!this.#in.read(chain)) this.#counters.ignored++;
      else this.#receive(chain);
      queue.stage(chain, 0);
      this.#isTransmitting = this.#replies.length >= VSOCK_REPLIES_MAX;
      return !this.#isTransmitting;
    });
    queue.publish();
  }

  /** One packet of the guest, whose header has been read. */
  #receive(chain: DescriptorChain): void {
    const header = this.#in;
    if (header.srcCid !== this.guestCid) {
      this.#counters.ignored++;
      return;
    }
    const connection = this.#find(header.dstPort, header.srcPort);
    const isForHost = header.dstCid === HOST_CID;
    if (header.op === VsockOp.RST) {
      // Never answered, or two sides that know nothing of each other would go on for ever.
      if (isForHost && connection !== undefined) this.#abort(connection, "refused or reset");
      return;
    }
    const room = Math.min(chain.readableLength - VSOCK_HEADER_SIZE, VSOCK_PACKET_MAX);
    const isWhole = header.length <= room;
    if (!isForHost || !this.#types.includes(header.type)) this.#refuse();
    else if (connection !== undefined) this.#receiveOn(connection, chain, isWhole);
    else if (header.op !== VsockOp.REQUEST || !isWhole || !this.#accept()) this.#refuse();
  }

  #receiveOn(connection: VsockConnection, chain: DescriptorChain, isWhole: boolean): void {
    const { type, length } = this.#in;
    const reply = this.#reply();
    let wrong: string | undefined;
    if (!isWhole) wrong = "a packet that is cut off";
    else if (type !== connection.type) wrong = "a packet of another type";
    else wrong = connection.receive(this.#in, chain);
    if (wrong !== undefined) {
      this.#counters.refused++;
      this.#replies.push(reply);
      this.#abort(connection, `the guest sent ${wrong}`);
      return;
    }
    this.#counters.receivedBytes += length;
    if (!connection.isClosed) this.#schedule(connection);
    else if (this.#remove(connection)) this.#replies.push(reply);
  }

  #accept(): boolean {
    const { type, dstPort, srcPort } = this.#in;
    const accept = this.#listeners.get(`${type}:${dstPort}`);
    if (accept === undefined) return false;
    const ports = { host: dstPort, guest: srcPort };
    const connection = new VsockConnection(this.#wire, type as VsockType, ports, "accepting");
    if (!this.#add(connection)) return false;
    connection.receiveRequest(this.#in);
    connection.handler = accept(connection);
    if (connection.handler !== undefined) this.#schedule(connection);
    else if (this.#remove(connection)) return false;
    return true;
  }

  /** The answer to the packet in hand, whoever it was for. */
  #reply(): Reply {
    const { dstCid, dstPort, srcPort, type } = this.#in;
    return { srcCid: dstCid, srcPort: dstPort, dstPort: srcPort, type };
  }

  #refuse(): void {
    this.#counters.refused++;
    // Whoever else such an address is, it has not 32 bits to answer with.
    if (this.#in.dstCid <= 0xffff_ffff) this.#replies.push(this.#reply());
  }

  #replyTo({ hostPort, guestPort, type }: VsockConnection): void {
    this.#replies.push({ srcCid: HOST_CID, srcPort: hostPort, dstPort: guestPort, type });
  }

  #schedule(connection: VsockConnection): void {
    if (connection.scheduled || !connection.wants) return;
    connection.scheduled = true;
    this.#round.push(connection);
  }

  /** One packet of each connection in turn, as there are buffers. */
  #send(): void {
    const queue = this.#io?.queues[RX];
    if (queue === undefined || !this.#hasPacket()) return;
    drain(queue, (chain) => {
      queue.stage(chain, this.#writePacket(chain));
      return this.#hasPacket();
    });
    queue.publish();
  }

  #hasPacket(): boolean {
    if (this.#replies.length > 0) return true;
    for (let first = this.#round.first; first !== undefined; first = this.#round.first) {
      if (first.wants) return true;
      this.#round.shift();
      first.scheduled = false;
    }
    return false;
  }

  /** Only if there is one; returns its length. A buffer without room for data goes back empty. */
  #writePacket(chain: DescriptorChain): number {
    const capacity = chain.writableLength - VSOCK_HEADER_SIZE;
    if (capacity <= 0) return 0;
    const header = this.#out;
    header.dstCid = this.guestCid;
    const reply = this.#replies.shift();
    if (reply === undefined) this.#writeFrom(this.#round.shift(), chain, capacity);
    else writeReply(header, reply, chain);
    this.#counters.sentPackets++;
    this.#counters.sentBytes += header.length;
    return VSOCK_HEADER_SIZE + header.length;
  }

  #writeFrom(
    connection: VsockConnection | undefined,
    chain: DescriptorChain,
    capacity: number,
  ): void {
    if (connection === undefined) return;
    const header = this.#out;
    header.srcCid = HOST_CID;
    header.srcPort = connection.hostPort;
    header.dstPort = connection.guestPort;
    header.type = connection.type;
    connection.write(header, chain, capacity);
    header.write(chain);
    connection.scheduled = false;
    if (connection.isClosed) this.#remove(connection);
    else this.#schedule(connection);
    connection.written();
  }

  #sendEvent(): void {
    const queue = this.#io?.queues[EVENT];
    if (queue === undefined || !this.#resetPending) return;
    drain(queue, (chain) => {
      const fits = chain.writableLength >= TRANSPORT_RESET.length;
      queue.push(chain, fits ? chain.writeAt(0, TRANSPORT_RESET) : 0);
      this.#resetPending = !fits;
      return this.#resetPending;
    });
  }

  #find(hostPort: number, guestPort: number): VsockConnection | undefined {
    return this.#connections.get(hostPort)?.get(guestPort);
  }

  /** False if there are too many, none of which only waits for the guest's last word. */
  #add(connection: VsockConnection): boolean {
    if (this.#connectionCount >= VSOCK_CONNECTIONS_MAX && !this.#evict()) return false;
    const { hostPort, guestPort } = connection;
    const ofPort = this.#connections.get(hostPort) ?? new Map<number, VsockConnection>();
    this.#connections.set(hostPort, ofPort.set(guestPort, connection));
    this.#connectionCount++;
    return true;
  }

  /** False if it was removed before. */
  #remove(connection: VsockConnection): boolean {
    const { hostPort, guestPort } = connection;
    const ofPort = this.#connections.get(hostPort);
    if (ofPort?.get(guestPort) !== connection) return false;
    ofPort.delete(guestPort);
    if (ofPort.size === 0) this.#connections.delete(hostPort);
    this.#connectionCount--;
    return true;
  }

  #evict(): boolean {
    const all = [...this.#connections.values()].flatMap((ofPort) => [...ofPort.values()]);
    const closing = all.find((connection) => connection.isClosing);
    if (closing === undefined) return false;
    this.#replyTo(closing);
    this.#abort(closing, "");
    return true;
  }

  #abort(connection: VsockConnection, reason: string): void {
    if (this.#remove(connection)) connection.abort(reason);
  }

  #abortAll(reason: string): void {
    const all = [...this.#connections.values()].flatMap((ofPort) => [...ofPort.values()]);
    this.#round.clear();
    for (const connection of all) this.#abort(connection, reason);
  }

  #freePort(guestPort: number): number {
    do {
      this.#dynamicPort++;
      if (this.#dynamicPort > DYNAMIC_PORT_LAST) this.#dynamicPort = DYNAMIC_PORT_FIRST;
      // There are many more ports than connections.
    } while (this.#find(this.#dynamicPort, guestPort) !== undefined);
    return this.#dynamicPort;
  }
}

/** SEQPACKET implies STREAM, and nothing does, unless the driver says otherwise (5.10.3). */
function negotiatedTypes(features: bigint): readonly number[] {
  const has = (feature: number) => (features & bit(feature)) !== 0n;
  const isImplied = !has(VsockFeature.NO_IMPLIED_STREAM);
  return [
    ...(has(VsockFeature.STREAM) || isImplied ? [VsockType.STREAM] : []),
    ...(has(VsockFeature.SEQPACKET) ? [VsockType.SEQPACKET] : []),
  ];
}

function writeReply(header: VsockHeader, reply: Reply, chain: DescriptorChain): void {
  header.srcCid = reply.srcCid;
  header.srcPort = reply.srcPort;
  header.dstPort = reply.dstPort;
  header.type = reply.type;
  header.op = VsockOp.RST;
  header.length = 0;
  header.flags = 0;
  header.bufAlloc = 0;
  header.fwdCnt = 0;
  header.write(chain);
}
