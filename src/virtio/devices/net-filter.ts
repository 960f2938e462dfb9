/** Which frames a network device lets through to its guest (virtio 5.1.6.5.1 to 5.1.6.5.3). */
import { readU16, readU32 } from "../../packet/bytes.ts";
import { MAC_SIZE, RxCommand } from "./net-spec.ts";

/**
 * Addresses kept of each of a filter's two tables. A driver may send more, and then gets all frames
 * of that kind and filters itself, as with any card whose table is full.
 */
export const NET_FILTER_MAX = 256;

/** Vlan identifiers have 12 bits. */
export const VLAN_IDS = 4096;

const VLAN_TYPE = 0x8100;
const BROADCAST = 0xffff_ffff_ffff;

/** Structured-clonable. */
export interface FilterState {
  readonly modes: readonly boolean[];
  readonly unicast: readonly number[] | undefined;
  readonly multicast: readonly number[] | undefined;
  readonly vlans: Uint8Array | undefined;
}

export class NetFilter {
  /** By the command that sets it. A driver that never sets any gets every frame. */
  #modes: boolean[] = [];
  /** Undefined: more than the table holds. */
  #unicast: Set<number> | undefined;
  #multicast: Set<number> | undefined;
  /** A bit for each identifier let through; undefined without CTRL_VLAN, which lets all through. */
  #vlans: Uint8Array | undefined;

  constructor() {
    this.reset();
  }

  reset(): void {
    this.#modes = Object.values(RxCommand).map((mode) => mode === RxCommand.PROMISC);
    this.#unicast = new Set();
    this.#multicast = new Set();
    this.#vlans = undefined;
  }

  /** From now on only VLANs that the driver names get through. */
  filterVlans(): void {
    this.#vlans = new Uint8Array(VLAN_IDS / 8);
  }

  setMode(mode: number, on: boolean): void {
    this.#modes[mode] = on;
  }

  /** Each argument is a run of addresses of six bytes. */
  setTables(unicast: Uint8Array, multicast: Uint8Array): void {
    this.#unicast = tableOf(unicast);
    this.#multicast = tableOf(multicast);
  }

  setVlan(id: number, on: boolean): void {
    if (this.#vlans === undefined) return;
    const mask = 1 << (id & 7);
    if (on) this.#vlans[id >>> 3] |= mask;
    else this.#vlans[id >>> 3] &= ~mask;
  }

  /** Whether the frame at `at` of `bytes` is for a guest with the address `mac`. */
  accepts(bytes: Uint8Array, at: number, mac: number): boolean {
    if (this.#modes[RxCommand.PROMISC]) return true;
    return this.#acceptsVlan(bytes, at) && this.#acceptsAddress(bytes, at, mac);
  }

  save(): FilterState {
    return {
      modes: [...this.#modes],
      unicast: this.#unicast && [...this.#unicast],
      multicast: this.#multicast && [...this.#multicast],
      vlans: this.#vlans?.slice(),
    };
  }

  load(state: FilterState): void {
    this.#modes = [...state.modes];
    this.#unicast = state.unicast && new Set(state.unicast);
    this.#multicast = state.multicast && new Set(state.multicast);
    this.#vlans = state.vlans?.slice();
  }

  #acceptsVlan(bytes: Uint8Array, at: number): boolean {
    if (this.#vlans === undefined || readU16(bytes, at + 12) !== VLAN_TYPE) return true;
    const id = readU16(bytes, at + 14) & (VLAN_IDS - 1);
    return (this.#vlans[id >>> 3] & (1 << (id & 7))) !== 0;
  }

  #acceptsAddress(bytes: Uint8Array, at: number, mac: number): boolean {
    const modes = this.#modes;
    const address = readMac(bytes, at);
    if ((bytes[at] & 1) === 0) {
      if (modes[RxCommand.NOUNI]) return false;
      return address === mac || modes[RxCommand.ALLUNI] || has(this.#unicast, address);
    }
    if (address === BROADCAST) return !modes[RxCommand.NOBCAST];
    if (modes[RxCommand.NOMULTI]) return false;
    return modes[RxCommand.ALLMULTI] || has(this.#multicast, address);
  }
}

/** A hardware address as a number of 48 bits: cheap to compare. */
export function readMac(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 2);
}

function has(table: ReadonlySet<number> | undefined, address: number): boolean {
  return table === undefined || table.has(address);
}

function tableOf(addresses: Uint8Array): Set<number> | undefined {
  const count = addresses.length / MAC_SIZE;
  if (count > NET_FILTER_MAX) return undefined;
  return new Set(Array.from({ length: count }, (_, i) => readMac(addresses, i * MAC_SIZE)));
}
