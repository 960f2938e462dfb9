/**
 * Which queue a flow's frames come in on (virtio 5.1.6.5.5, "automatic receive steering"): that of
 * the pair on which the driver sent it last.
 */
import { readU16, readU32 } from "../../packet/bytes.ts";
import { PacketLayout } from "../../packet/header.ts";

/** Flows told apart; others share a place, which costs order in no flow. */
const TABLE_SIZE = 256;

export class FlowSteering {
  readonly #pairs = new Uint8Array(TABLE_SIZE);
  readonly #layout = new PacketLayout();

  /** A packet of `length` bytes was sent on `pair`. */
  learn(packet: Uint8Array, length: number, pair: number): void {
    const whole = packet.subarray(0, length);
    if (this.#layout.parse(whole)) this.#pairs[this.#flowOf(whole)] = pair;
  }

  /** Zero for whatever is no TCP and no UDP, or was never sent. */
  pairOf(bytes: Uint8Array, frameAt: number): number {
    return this.#layout.parse(bytes, frameAt) ? this.#pairs[this.#flowOf(bytes)] : 0;
  }

  /** Forgets flows of pairs that are not used any more. */
  limit(pairs: number): void {
    for (const [flow, pair] of this.#pairs.entries()) if (pair >= pairs) this.#pairs[flow] = 0;
  }

  /** The same for both directions. */
  #flowOf(bytes: Uint8Array): number {
    const { network, transport, isIpv6 } = this.#layout;
    const addresses = isIpv6 ? network + 8 : network + 12;
    const end = isIpv6 ? network + 40 : network + 20;
    let mixed = readU16(bytes, transport) ^ readU16(bytes, transport + 2);
    for (let at = addresses; at < end; at += 4) mixed ^= readU32(bytes, at);
    mixed ^= mixed >>> 16;
    return (mixed ^ (mixed >>> 8)) & (TABLE_SIZE - 1);
  }
}
