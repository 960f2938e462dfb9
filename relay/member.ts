/**
 * A WebSocket as a member of a LAN: one Ethernet frame per binary message, or one packet with its
 * header if the client asked for that by subprotocol.
 */
import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import { PACKET_HEADER, PACKET_PROTOCOL } from "../src/packet/header.ts";
import type { Clock } from "./clock.ts";
import type { LanFabric, LanMember, LanPort, PortStats } from "./lan.ts";

/** What a frame counts at least: short ones cost the relay about as much as this. */
export const MIN_FRAME_CHARGE = 64;

export interface MemberOptions {
  readonly clock: Clock;
  /** Bytes that the member may send in a second, and in one burst; undefined: no limit. */
  readonly maxBytesPerSecond: number | undefined;
}

export interface MemberStats extends PortStats {
  /** Bytes that wait for the client to read them. */
  readonly backlogBytes: number;
  /** Frames beyond the rate limit. */
  readonly limitedFrames: number;
}

/**
 * What a client of packets gets with each look at its life: pages do not see a WebSocket's own
 * pings, and would take a relay that is gone without a word for one that has nothing to say.
 */
const SIGN_OF_LIFE = "alive";

export class WebSocketMember implements LanMember {
  readonly takesPackets: boolean;
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #clock: Clock;
  readonly #rate: number | undefined;
  readonly #port: LanPort;
  #corked = false;
  #alive = true;
  #credit: number;
  #creditMs: number;
  #limitedFrames = 0;

  /** Joins the LAN `name`. `socket` is what `webSocket` runs on. */
  constructor(
    webSocket: WebSocket,
    socket: Duplex,
    fabric: LanFabric,
    name: string,
    options: MemberOptions,
  ) {
    this.#webSocket = webSocket;
    this.takesPackets = webSocket.protocol === PACKET_PROTOCOL;
    this.#socket = socket;
    this.#clock = options.clock;
    this.#rate = options.maxBytesPerSecond;
    this.#credit = this.#rate ?? 0;
    this.#creditMs = this.#clock.now();
    this.#port = fabric.join(name, this);
    webSocket.on("message", (data, isBinary) => {
      // Text messages are tolerated: some clients use them as signs of life.
      if (isBinary) this.#send(data);
    });
    webSocket.on("pong", () => {
      this.#alive = true;
    });
    // A protocol error closes the WebSocket, which is all there is to do about it.
    webSocket.on("error", () => {});
    webSocket.on("close", () => this.#port.close());
  }

  get stats(): MemberStats {
    const limitedFrames = this.#limitedFrames;
    return { ...this.#port.stats, backlogBytes: this.backlogBytes(), limitedFrames };
  }

  receive(frame: Uint8Array): void {
    if (!this.takesPackets) {
      this.#write(frame);
      return;
    }
    const packet = Buffer.allocUnsafe(PACKET_HEADER + frame.length);
    packet.fill(0, 0, PACKET_HEADER);
    packet.set(frame, PACKET_HEADER);
    this.#write(packet);
  }

  receivePacket(packet: Uint8Array): void {
    this.#write(packet);
  }

  #write(message: Uint8Array): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    if (!this.#corked) {
      // The frames of one burst leave in one system call.
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#webSocket.send(message);
  }

  backlogBytes(): number {
    return this.#webSocket.bufferedAmount;
  }

  /** Asks for a sign of life, and ends a connection that gave none since the last time. */
  checkAlive(): void {
    if (!this.#alive) {
      this.#webSocket.terminate();
      return;
    }
    this.#alive = false;
    this.#webSocket.ping();
    if (this.takesPackets) this.#webSocket.send(SIGN_OF_LIFE);
  }

  close(code: number): void {
    this.#webSocket.close(code);
  }

  terminate(): void {
    this.#webSocket.terminate();
  }

  #send(data: RawData): void {
    // The WebSocket's binaryType is "nodebuffer", and so a message is one Buffer.
    if (!Buffer.isBuffer(data)) return;
    if (!this.#isWithinRate(data.length)) this.#limitedFrames += 1;
    else if (this.takesPackets) this.#port.sendPacket(data);
    else this.#port.send(data);
  }

  #isWithinRate(length: number): boolean {
    if (this.#rate === undefined) return true;
    const nowMs = this.#clock.now();
    const earned = ((nowMs - this.#creditMs) * this.#rate) / 1000;
    this.#credit = Math.min(this.#rate, this.#credit + earned);
    this.#creditMs = nowMs;
    const charge = Math.max(length, MIN_FRAME_CHARGE);
    if (charge > this.#credit) return false;
    this.#credit -= charge;
    return true;
  }
}
