/** Commands of the network device's control queue (virtio 5.1.6.5). */
import { bit } from "../spec.ts";
import { type NetFilter, VLAN_IDS } from "./net-filter.ts";
import {
  Ack,
  ANNOUNCE_ACK,
  ControlClass,
  GUEST_OFFLOADS_SET,
  MAC_SIZE,
  MacCommand,
  NetFeature,
  RxCommand,
  VlanCommand,
  VQ_PAIRS_SET,
} from "./net-spec.ts";

/** Bytes of a command: a filter table of some hundred addresses is the longest that drivers send. */
export const NET_CONTROL_MAX = 8192;

/** What commands act on. */
export interface NetControlTarget {
  /** The negotiated features: a command of a feature that was not is an error. */
  readonly features: bigint;
  readonly filter: NetFilter;
  setMac(mac: Uint8Array): void;
  /** The driver has seen the request to announce itself. */
  announced(): void;
  /** False for a number that there is not. */
  setPairs(count: number): boolean;
  /** A set of GUEST_* feature bits; false if one was not negotiated. */
  setOffloads(offloads: bigint): boolean;
}

/** Executes one command: class, command, data. Returns the acknowledge byte. */
export function executeNetControl(command: Uint8Array, target: NetControlTarget): number {
  if (command.length < 2) return Ack.ERR;
  const [group, code] = command;
  const data = new DataView(command.buffer, command.byteOffset + 2, command.length - 2);
  return execute(group, code, data, target) ? Ack.OK : Ack.ERR;
}

function execute(group: number, code: number, data: DataView, target: NetControlTarget): boolean {
  switch (group) {
    case ControlClass.RX:
      return setMode(code, data, target);
    case ControlClass.MAC:
      return setAddresses(code, data, target);
    case ControlClass.VLAN:
      return setVlan(code, data, target);
    case ControlClass.ANNOUNCE:
      if (code !== ANNOUNCE_ACK || !has(target, NetFeature.GUEST_ANNOUNCE)) return false;
      target.announced();
      return true;
    case ControlClass.MQ:
      if (code !== VQ_PAIRS_SET || !has(target, NetFeature.MQ)) return false;
      return data.byteLength === 2 && target.setPairs(data.getUint16(0, true));
    case ControlClass.GUEST_OFFLOADS:
      if (code !== GUEST_OFFLOADS_SET || !has(target, NetFeature.CTRL_GUEST_OFFLOADS)) return false;
      return data.byteLength === 8 && target.setOffloads(data.getBigUint64(0, true));
    default:
      return false;
  }
}

function has({ features }: NetControlTarget, feature: number): boolean {
  return (features & bit(feature)) !== 0n;
}

function setMode(code: number, data: DataView, target: NetControlTarget): boolean {
  const isBasic = code === RxCommand.PROMISC || code === RxCommand.ALLMULTI;
  const feature = isBasic ? NetFeature.CTRL_RX : NetFeature.CTRL_RX_EXTRA;
  if (code > RxCommand.NOBCAST || data.byteLength !== 1 || !has(target, feature)) return false;
  const on = data.getUint8(0);
  if (on > 1) return false;
  target.filter.setMode(code, on === 1);
  return true;
}

function setAddresses(code: number, data: DataView, target: NetControlTarget): boolean {
  if (code === MacCommand.ADDR_SET) {
    if (data.byteLength !== MAC_SIZE || !has(target, NetFeature.CTRL_MAC_ADDR)) return false;
    target.setMac(bytesOf(data, 0, MAC_SIZE));
    return true;
  }
  if (code !== MacCommand.TABLE_SET || !has(target, NetFeature.CTRL_RX)) return false;
  const unicast = tableAt(data, 0);
  const multicast = unicast && tableAt(data, 4 + unicast.length);
  if (unicast === undefined || multicast === undefined) return false;
  if (8 + unicast.length + multicast.length !== data.byteLength) return false;
  target.filter.setTables(unicast, multicast);
  return true;
}

/** A count of 32 bits and that many addresses (5.1.6.5.2). */
function tableAt(data: DataView, at: number): Uint8Array | undefined {
  if (at + 4 > data.byteLength) return undefined;
  const length = MAC_SIZE * data.getUint32(at, true);
  return at + 4 + length > data.byteLength ? undefined : bytesOf(data, at + 4, length);
}

function setVlan(code: number, data: DataView, target: NetControlTarget): boolean {
  if (code !== VlanCommand.ADD && code !== VlanCommand.DEL) return false;
  if (data.byteLength !== 2 || !has(target, NetFeature.CTRL_VLAN)) return false;
  const id = data.getUint16(0, true);
  if (id >= VLAN_IDS) return false;
  target.filter.setVlan(id, code === VlanCommand.ADD);
  return true;
}

function bytesOf(data: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset + at, length);
}
