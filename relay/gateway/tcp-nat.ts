/** Connects guests' TCP connections to the host's sockets. */
import { randomInt } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { MacAddress } from "../wire/ethernet.ts";
import { IcmpType, Unreachable } from "../wire/icmp.ts";
import { formatAddress } from "../wire/ipv4.ts";
import { parseTcp, TcpFlag, type TcpSegment } from "../wire/tcp.ts";
import { type GatewayContext, type GuestPacket, routeTo } from "./context.ts";
import type { Quota } from "./quota.ts";
import { sequenceLength, TcpConnection } from "./tcp/connection.ts";
import { HostSocket } from "./tcp/host-socket.ts";
import { advance } from "./tcp/sequence.ts";

/** A guest's own SYN retries end after about two minutes; an answer is better than silence. */
export const CONNECT_TIMEOUT_MS = 20_000;

/** A host that takes nothing for so long loses what a closed connection left to be written. */
export const DRAIN_TIMEOUT_MS = 60_000;

/**
 * Closed connections remembered to answer a repeated FIN. More are forgotten at once, and their
 * guest then gets a reset for a connection that it had already closed.
 */
export const MAX_TIME_WAIT = 1024;

const NO_OPTIONS = new Uint8Array(0);

interface Flow {
  readonly key: string;
  /** Where answers go: the sender of the latest packet. */
  mac: MacAddress;
  readonly syn: GuestPacket;
  readonly socket: Socket;
  readonly host: HostSocket;
  readonly connectDeadlineMs: number;
  /** Undefined while the host's socket connects. */
  connection: TcpConnection | undefined;
  /** Whether it is counted as closed but remembered. */
  waiting: boolean;
}

export class TcpNat {
  readonly #context: GatewayContext;
  readonly #quota: Quota;
  readonly #flows = new Map<string, Flow>();
  readonly #dirty = new Set<Flow>();
  /** Sockets without a connection that still write, and until when they may. */
  readonly #draining = new Map<Socket, number>();
  #timeWait = 0;

  constructor(context: GatewayContext, quota: Quota) {
    this.#context = context;
    this.#quota = quota;
  }

  get size(): number {
    return this.#flows.size;
  }

  /** A packet from a guest. */
  receive(packet: GuestPacket): void {
    const segment = parseTcp(packet.payload, packet, packet.unsummed);
    if (segment === undefined) {
      this.#context.stats.malformed += 1;
      return;
    }
    const key = `${packet.source}:${segment.sourcePort}>${packet.destination}:${segment.destinationPort}`;
    const flow = this.#flows.get(key);
    const isSyn = (segment.flags & (TcpFlag.syn | TcpFlag.ack | TcpFlag.rst)) === TcpFlag.syn;
    const reopened = isSyn && flow?.connection?.state === "time-wait";
    if (flow !== undefined && reopened) this.#remove(flow);
    if (flow !== undefined && !reopened) this.#receiveFor(flow, packet, segment);
    else if (isSyn) this.#open(key, packet, segment);
    else this.#refuse(packet, segment);
  }

  /** Acts on the timers of all connections. */
  tick(): void {
    const nowMs = this.#context.clock.now();
    for (const flow of this.#flows.values()) {
      if (flow.connection !== undefined) flow.connection.tick(nowMs);
      else if (nowMs >= flow.connectDeadlineMs) flow.socket.destroy(new Error("connect timed out"));
      this.#settle(flow);
    }
    for (const [socket, deadlineMs] of this.#draining) {
      if (nowMs >= deadlineMs) socket.destroy();
    }
  }

  close(): void {
    for (const flow of this.#flows.values()) {
      flow.socket.destroy();
      this.#remove(flow);
    }
    for (const socket of this.#draining.keys()) socket.destroy();
  }

  #receiveFor(flow: Flow, packet: GuestPacket, segment: TcpSegment): void {
    flow.mac = packet.mac;
    if (flow.connection !== undefined) {
      flow.connection.receive(segment, this.#context.clock.now());
      this.#touch(flow);
    } else if ((segment.flags & TcpFlag.rst) !== 0) {
      // The guest gave up before the host answered.
      flow.socket.destroy();
      this.#remove(flow);
    }
  }

  #open(key: string, packet: GuestPacket, segment: TcpSegment): void {
    const { stats, clock } = this.#context;
    const route = routeTo(this.#context, packet.destination, segment.destinationPort);
    if (route.kind === "refused") {
      stats.refused += 1;
      // The error says why, for those who read it; the reset ends the attempt for the others.
      const { outlet } = this.#context;
      outlet.sendIcmpError(packet.mac, packet, IcmpType.unreachable, Unreachable.prohibited);
      this.#refuse(packet, segment);
      return;
    }
    if (route.kind === "closed" || !this.#quota.take(packet.mac)) {
      if (route.kind !== "closed") stats.limited += 1;
      this.#refuse(packet, segment);
      return;
    }
    const { address, port } = route.kind === "host" ? route : route.resolver;
    const host = typeof address === "string" ? address : formatAddress(address);
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const flow: Flow = {
      key,
      mac: packet.mac,
      // The frame belongs to its sender's chunk of memory; what is kept for long is copied.
      syn: { ...packet, header: packet.header.slice(), payload: packet.payload.slice() },
      socket,
      host: new HostSocket(socket, () => this.#touch(flow)),
      connectDeadlineMs: clock.now() + CONNECT_TIMEOUT_MS,
      connection: undefined,
      waiting: false,
    };
    this.#flows.set(key, flow);
    stats.tcpConnections += 1;
    this.#listen(flow, segment);
  }

  #listen(flow: Flow, syn: TcpSegment): void {
    const { socket } = flow;
    const owner = flow.syn.mac;
    const { clock } = this.#context;
    const start = { ...syn, options: syn.options.slice(), payload: NO_OPTIONS };
    socket.pause();
    socket.on("connect", () => {
      if (this.#flows.get(flow.key) !== flow) return;
      flow.connection = this.#connection(flow, start);
    });
    socket.on("data", (bytes) => {
      flow.connection?.hostData(bytes, clock.now());
      this.#touch(flow);
    });
    // A listener for data sets the stream flowing again.
    socket.pause();
    socket.on("end", () => {
      flow.connection?.hostEnd(clock.now());
      this.#settle(flow);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => this.#failed(flow, start, error.code));
    socket.on("close", () => {
      this.#quota.release(owner);
      this.#draining.delete(socket);
      // After a clean end of both directions the connection has only the guest to wait for.
      if (socket.readableEnded && socket.writableFinished) return;
      flow.connection?.abort();
      this.#remove(flow);
    });
  }

  #connection(flow: Flow, syn: TcpSegment): TcpConnection {
    const { clock, outlet } = this.#context;
    const between = { source: flow.syn.destination, destination: flow.syn.source };
    const ports = { sourcePort: syn.destinationPort, destinationPort: syn.sourcePort };
    return new TcpConnection(
      syn,
      // Unguessable, as RFC 6528 asks.
      randomInt(2 ** 32),
      flow.host,
      (segment) => outlet.sendTcp(flow.mac, between, ports, segment),
      clock.now(),
    );
  }

  #failed(flow: Flow, syn: TcpSegment, code: string | undefined): void {
    if (this.#flows.get(flow.key) !== flow) return;
    if (flow.connection !== undefined) {
      flow.connection.abort();
    } else {
      // A refused connection is a reset and nothing else; another failure has a reason to tell.
      if (code !== "ECONNREFUSED") {
        const reason = code === "ENETUNREACH" ? Unreachable.network : Unreachable.host;
        this.#context.outlet.sendIcmpError(flow.mac, flow.syn, IcmpType.unreachable, reason);
      }
      this.#refuse({ ...flow.syn, mac: flow.mac }, syn);
    }
    this.#remove(flow);
  }

  /** Acknowledgments and writes of one burst of frames are sent together after it. */
  #touch(flow: Flow): void {
    if (this.#dirty.size === 0) this.#context.clock.defer(() => this.#flush());
    this.#dirty.add(flow);
  }

  #flush(): void {
    const flows = [...this.#dirty];
    const nowMs = this.#context.clock.now();
    this.#dirty.clear();
    for (const flow of flows) {
      flow.host.flush();
      flow.connection?.flush(nowMs);
      this.#settle(flow);
    }
  }

  /** Follows the state of the connection. */
  #settle(flow: Flow): void {
    const state = flow.connection?.state;
    if (state === "closed") {
      this.#remove(flow);
    } else if (state === "time-wait" && !flow.waiting) {
      if (this.#timeWait >= MAX_TIME_WAIT) {
        this.#remove(flow);
      } else {
        this.#timeWait += 1;
        flow.waiting = true;
      }
    }
  }

  #remove(flow: Flow): void {
    if (this.#flows.get(flow.key) !== flow) return;
    this.#flows.delete(flow.key);
    if (flow.waiting) this.#timeWait -= 1;
    if (flow.socket.closed) return;
    // What the guest sent last may still be on its way to a slow host.
    this.#draining.set(flow.socket, this.#context.clock.now() + DRAIN_TIMEOUT_MS);
  }

  /** Resets what `segment` asked for (RFC 9293 3.10.7.1). */
  #refuse(packet: GuestPacket, segment: TcpSegment): void {
    if ((segment.flags & TcpFlag.rst) !== 0) return;
    const acknowledged = (segment.flags & TcpFlag.ack) !== 0;
    const between = { source: packet.destination, destination: packet.source };
    const ports = { sourcePort: segment.destinationPort, destinationPort: segment.sourcePort };
    this.#context.outlet.sendTcp(packet.mac, between, ports, {
      sequence: acknowledged ? segment.acknowledgment : 0,
      acknowledgment: advance(segment.sequence, sequenceLength(segment)),
      flags: acknowledged ? TcpFlag.rst : TcpFlag.rst | TcpFlag.ack,
      window: 0,
      options: NO_OPTIONS,
      length: 0,
      segmentSize: 0,
      fill: () => {},
    });
  }
}
