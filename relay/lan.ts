/**
 * The LAN fabric: what joins the members of one LAN, as a learning switch does.
 *
 * `LanFabric` is the whole contract. This file's implementation works inside one process; one that
 * carries frames between relays over a message bus can take its place.
 */
import { totalLength } from "../src/packet/bytes.ts";
import { toFrames } from "../src/packet/frames.ts";
import {
  isPlain,
  LARGE_FRAME_MAX,
  PACKET_HEADER,
  PacketLayout,
  packetFault,
} from "../src/packet/header.ts";
import type { Clock } from "./clock.ts";
import {
  ETHERNET_HEADER,
  formatMac,
  isGroupMac,
  type MacAddress,
  readMac,
} from "./wire/ethernet.ts";

/** The longest frame: 64 KiB and its headers, for members that merge segments before they send. */
export const MAX_FRAME = LARGE_FRAME_MAX;

/** How long an address without traffic is remembered: the default of IEEE 802.1D 7.9.2. */
export const MAC_AGE_MS = 300_000;

/**
 * Addresses remembered for one member, so that one that invents addresses neither fills the memory
 * nor pushes out those of others. A bridge in a guest has a few dozen.
 */
export const MAX_MACS_PER_PORT = 64;

/**
 * Bytes that may wait for one member. Twice what one TCP connection of the gateway keeps in
 * flight, so that such a connection alone never meets the limit; beyond it a slow member loses
 * frames, as on any switch.
 */
export const MAX_BACKLOG_BYTES = 2 * 1024 * 1024;

/** What takes part in a LAN. */
export interface LanMember {
  /** An address that no other member may take over. */
  readonly ownMac?: MacAddress;
  /** Whether packets with a header come as they are, and not as the frames that they stand for. */
  readonly takesPackets?: boolean;
  /** A frame from the LAN, which several members share: it must not be changed. Never throws. */
  receive(frame: Uint8Array): void;
  /** As `receive`, for a packet with `struct virtio_net_hdr` in front; see `src/packet`. */
  receivePacket?(packet: Uint8Array): void;
  /** Bytes received but not yet passed on. */
  backlogBytes(): number;
}

/** A member's way into its LAN. */
export interface LanPort {
  /**
   * Sends a frame, which must not change afterwards. False says that the frame's only receiver had
   * no room and that the frame is lost: a hint for a sender that can wait, not a promise.
   */
  send(frame: Uint8Array): boolean;
  /** As `send`, for a packet with a header. Whoever takes frames only gets its frames. */
  sendPacket(packet: Uint8Array): boolean;
  close(): void;
  readonly stats: PortStats;
}

export interface LanFabric {
  /** Joins the LAN `name`, which exists while it has a member. */
  join(name: string, member: LanMember): LanPort;
}

/** Counted from the member's side: `received` is what the LAN sent to it. */
export interface PortStats {
  sentFrames: number;
  sentBytes: number;
  receivedFrames: number;
  receivedBytes: number;
  /** Frames for this member that found no room. */
  droppedFrames: number;
  /** Frames from this member that were too short, too long, contradictory or from an impossible address. */
  refusedFrames: number;
}

interface Learned {
  readonly port: SwitchPort;
  seenMs: number;
}

/** The fabric within one process. */
export class LocalFabric implements LanFabric {
  readonly #clock: Clock;
  readonly #lans = new Map<string, Switch>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  join(name: string, member: LanMember): LanPort {
    const lan = this.#lans.get(name) ?? new Switch(this.#clock);
    this.#lans.set(name, lan);
    return lan.join(member, () => {
      if (lan.size === 0) this.#lans.delete(name);
    });
  }

  /** The names of the LANs that exist. */
  get names(): string[] {
    return [...this.#lans.keys()];
  }

  /** The addresses known on a LAN, as text. */
  addresses(name: string): string[] {
    return this.#lans.get(name)?.addresses() ?? [];
  }
}

class Switch {
  readonly #clock: Clock;
  readonly #ports = new Set<SwitchPort>();
  readonly #table = new Map<MacAddress, Learned>();
  readonly #layout = new PacketLayout();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#ports.size;
  }

  addresses(): string[] {
    return [...this.#table.keys()].map(formatMac);
  }

  join(member: LanMember, left: () => void): LanPort {
    const port = new SwitchPort(member, this, () => {
      this.#remove(port);
      left();
    });
    this.#ports.add(port);
    if (member.ownMac !== undefined) this.#table.set(member.ownMac, { port, seenMs: Infinity });
    return port;
  }

  /** Passes a packet on; false when its only receiver had no room. */
  forwardPacket(from: SwitchPort, packet: Uint8Array): boolean {
    if (packetFault(packet, this.#layout) !== undefined) {
      from.stats.refusedFrames += 1;
      return true;
    }
    const frame = packet.subarray(PACKET_HEADER);
    return this.forward(from, frame, isPlain(packet) ? undefined : packet);
  }

  /**
   * Passes a frame on; false when its only receiver had no room. `packet` is the whole of it when
   * the frame alone is not ready for a wire.
   */
  forward(from: SwitchPort, frame: Uint8Array, packet?: Uint8Array): boolean {
    const source = readMac(frame, 6);
    if (isGroupMac(source) || !this.#learn(from, source)) {
      from.stats.refusedFrames += 1;
      return true;
    }
    from.stats.sentFrames += 1;
    from.stats.sentBytes += frame.length;
    const destination = readMac(frame, 0);
    const known = isGroupMac(destination) ? undefined : this.#lookUp(destination);
    if (known === from) return true;
    const receivers = known === undefined ? this.#ports : [known];
    let taken = true;
    let frames: Uint8Array[] | undefined;
    for (const port of receivers) {
      if (port === from) continue;
      if (packet === undefined) taken = port.deliver(frame);
      else if (port.member.takesPackets === true) taken = port.deliverPacket(packet);
      else {
        frames ??= this.#framesOf(packet);
        taken = port.deliverFrames(frames);
      }
    }
    return known === undefined || taken;
  }

  /** Made once for all that take no packets. */
  #framesOf(packet: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    toFrames(packet, this.#layout, {
      allocate: (length) => new Uint8Array(length),
      emit: (frame) => frames.push(frame),
    });
    return frames;
  }

  /** False when the address belongs to another member for good. */
  #learn(from: SwitchPort, mac: MacAddress): boolean {
    const known = this.#table.get(mac);
    if (known?.port === from) {
      known.seenMs = Math.max(known.seenMs, this.#clock.now());
      return true;
    }
    if (known?.seenMs === Infinity) return false;
    if (known !== undefined) known.port.macs.delete(mac);
    if (from.macs.size >= MAX_MACS_PER_PORT) this.#forgetOldest(from);
    from.macs.add(mac);
    this.#table.set(mac, { port: from, seenMs: this.#clock.now() });
    return true;
  }

  #lookUp(mac: MacAddress): SwitchPort | undefined {
    const known = this.#table.get(mac);
    if (known === undefined) return undefined;
    if (known.seenMs + MAC_AGE_MS >= this.#clock.now()) return known.port;
    known.port.macs.delete(mac);
    this.#table.delete(mac);
    return undefined;
  }

  /** Frees one place in a member's share of the table: the address that came first. */
  #forgetOldest(port: SwitchPort): void {
    const [oldest] = port.macs;
    port.macs.delete(oldest);
    this.#table.delete(oldest);
  }

  #remove(port: SwitchPort): void {
    this.#ports.delete(port);
    for (const mac of port.macs) this.#table.delete(mac);
    if (port.member.ownMac !== undefined) this.#table.delete(port.member.ownMac);
  }
}

class SwitchPort implements LanPort {
  readonly member: LanMember;
  readonly stats: PortStats = {
    sentFrames: 0,
    sentBytes: 0,
    receivedFrames: 0,
    receivedBytes: 0,
    droppedFrames: 0,
    refusedFrames: 0,
  };
  /** The learned addresses of this member, oldest first. */
  readonly macs = new Set<MacAddress>();
  readonly #switch: Switch;
  readonly #leave: () => void;
  #open = true;

  constructor(member: LanMember, lan: Switch, leave: () => void) {
    this.member = member;
    this.#switch = lan;
    this.#leave = leave;
  }

  send(frame: Uint8Array): boolean {
    if (!this.#open) return true;
    if (frame.length < ETHERNET_HEADER || frame.length > MAX_FRAME) {
      this.stats.refusedFrames += 1;
      return true;
    }
    return this.#switch.forward(this, frame);
  }

  sendPacket(packet: Uint8Array): boolean {
    return !this.#open || this.#switch.forwardPacket(this, packet);
  }

  deliver(frame: Uint8Array): boolean {
    if (!this.#admit(frame.length)) return false;
    this.#received(frame.length);
    this.member.receive(frame);
    return true;
  }

  deliverPacket(packet: Uint8Array): boolean {
    if (!this.#admit(packet.length)) return false;
    this.#received(packet.length - PACKET_HEADER);
    this.member.receivePacket?.(packet);
    return true;
  }

  /** All of them or none, so that a sender that is told "no" has nothing twice. */
  deliverFrames(frames: readonly Uint8Array[]): boolean {
    if (!this.#admit(totalLength(frames))) return false;
    for (const frame of frames) {
      this.#received(frame.length);
      this.member.receive(frame);
    }
    return true;
  }

  #admit(bytes: number): boolean {
    if (this.member.backlogBytes() + bytes <= MAX_BACKLOG_BYTES) return true;
    this.stats.droppedFrames += 1;
    return false;
  }

  #received(bytes: number): void {
    this.stats.receivedFrames += 1;
    this.stats.receivedBytes += bytes;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#leave();
  }
}
