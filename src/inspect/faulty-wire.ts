/** A wire on which frames are lost or damaged, as somebody asked for. */
import { toFrames } from "../packet/frames.ts";
import { PACKET_HEADER, PacketLayout, packetFault } from "../packet/header.ts";
import type { WireDirection, WireFilter } from "../virtio/devices/net-wire.ts";
import type { ArmedFaults } from "./armed-faults.ts";

/** Addresses and type: a frame that is damaged there would only go astray. */
const ETHERNET_HEADER = 14;

export interface WireFault {
  readonly direction: WireDirection | "both";
  readonly effect: "drop" | "corrupt";
  /** The next so many frames; a packet that stands for several counts once. */
  readonly frames?: number;
  /** Instead: so many of a hundred, until the fault is cleared. */
  readonly percent?: number;
}

type Next = (bytes: Uint8Array<ArrayBuffer>, isPacket: boolean) => boolean;

export class FaultyWire implements WireFilter {
  readonly faults: ArmedFaults<WireFault>;
  readonly #random: () => number;
  readonly #layout = new PacketLayout();

  /** @param random from 0 to below 1. */
  constructor(random: () => number, faults: ArmedFaults<WireFault>) {
    this.#random = random;
    this.faults = faults;
  }

  pass(
    direction: WireDirection,
    bytes: Uint8Array<ArrayBuffer>,
    isPacket: boolean,
    next: Next,
  ): boolean {
    const effect = this.#take(direction);
    if (effect === undefined) return next(bytes, isPacket);
    // The sender has sent it: that is all it can know.
    if (effect === "drop") return true;
    return isPacket ? this.#corruptPacket(bytes, next) : next(this.#corrupt(bytes, 0), false);
  }

  #take(direction: WireDirection): WireFault["effect"] | undefined {
    const met = this.faults.take((fault) => {
      if (fault.direction !== "both" && fault.direction !== direction) return false;
      return fault.percent === undefined || this.#random() * 100 < fault.percent;
    });
    return met?.effect;
  }

  /**
   * A packet's checksum may be left to others, who would make it fit the damage: it is taken apart into
   * frames with their checksums first, of which one is damaged.
   */
  #corruptPacket(packet: Uint8Array<ArrayBuffer>, next: Next): boolean {
    if (packetFault(packet, this.#layout) !== undefined) return next(packet, true);
    const frames: Uint8Array<ArrayBuffer>[] = [];
    toFrames(packet, this.#layout, {
      // With room for an empty header in front, as whoever takes packets wants it.
      allocate: (length) => new Uint8Array(PACKET_HEADER + length).subarray(PACKET_HEADER),
      emit: (frame) => frames.push(new Uint8Array(frame.buffer, 0, PACKET_HEADER + frame.length)),
    });
    const victim = Math.floor(this.#random() * frames.length);
    let mayGoOn = true;
    for (const [i, frame] of frames.entries()) {
      mayGoOn = next(i === victim ? this.#corrupt(frame, PACKET_HEADER) : frame, true);
    }
    return mayGoOn;
  }

  /** A copy with one bit changed, behind the Ethernet header if there is anything. */
  #corrupt(bytes: Uint8Array<ArrayBuffer>, frameAt: number): Uint8Array<ArrayBuffer> {
    const copy = bytes.slice();
    const first = frameAt + ETHERNET_HEADER;
    const start = first < copy.length ? first : frameAt;
    const bit = Math.floor(this.#random() * (copy.length - start) * 8);
    copy[start + (bit >>> 3)] ^= 1 << (bit & 7);
    return copy;
  }
}
