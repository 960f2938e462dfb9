/** Commands of the network device's control queue (virtio 5.1.6.5). */
import {
  Ack,
  ControlClass,
  MacCommand,
  NetFeature,
  RxCommand,
  VlanCommand,
} from "../../virtio/devices/net-spec.ts";
import { bit } from "../../virtio/spec.ts";
import { MAC_BYTES, macText } from "./addresses.ts";
import type { Decoder } from "./field.ts";
import { named, nameOf, namesOf } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const CLASSES = namesOf(ControlClass);
const ACKS = namesOf(Ack);

const COMMANDS: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [ControlClass.RX, namesOf(RxCommand)],
  [ControlClass.MAC, namesOf(MacCommand)],
  [ControlClass.VLAN, namesOf(VlanCommand)],
  [ControlClass.ANNOUNCE, new Map([[0, "ACK"]])],
  [ControlClass.MQ, new Map([[0, "VQ_PAIRS_SET"]])],
  [ControlClass.GUEST_OFFLOADS, new Map([[0, "SET"]])],
]);

export const decodeControl: Decoder = (exchange, payload) => {
  payload.op = "control";
  readRequest(exchange, payload.fields, (reader) => {
    const group = reader.u8("class", named(CLASSES));
    payload.summary = nameOf(CLASSES, group);
    const commands = COMMANDS.get(group) ?? new Map();
    const command = reader.u8("command", named(commands));
    payload.summary += ` ${nameOf(commands, command)}`;
    const argument = readArgument(reader, group, command);
    if (argument !== "") payload.summary += ` ${argument}`;
    reader.rest("rest");
  });
  readAnswer(exchange, payload.fields, (reader) => {
    const ack = reader.u8("ack", named(ACKS));
    if (ack !== Ack.OK) payload.summary += `: ${nameOf(ACKS, ack)}`;
  });
};

/** What follows the command; returns it in short. */
function readArgument(reader: PayloadReader, group: number, command: number): string {
  switch (group) {
    case ControlClass.RX:
      return reader.u8("on") === 0 ? "off" : "on";
    case ControlClass.MAC:
      if (command === MacCommand.ADDR_SET) return readMac(reader, "mac");
      readTable(reader, "unicast");
      readTable(reader, "multicast");
      return "";
    case ControlClass.VLAN:
      return String(reader.u16("vlan_id"));
    case ControlClass.MQ:
      return String(reader.u16("virtqueue_pairs"));
    case ControlClass.GUEST_OFFLOADS:
      reader.u64("offloads", offloadNames);
      return "";
    default:
      return "";
  }
}

function readTable(reader: PayloadReader, name: string): void {
  reader.group(name, () => {
    const entries = reader.u32("entries");
    reader.list(Math.min(entries, Math.ceil(reader.remaining / MAC_BYTES)), () => {
      readMac(reader, "mac");
    });
    return `${entries} addresses`;
  });
}

function readMac(reader: PayloadReader, name: string): string {
  return macText(reader.bytes(name, MAC_BYTES, macText));
}

function offloadNames(offloads: bigint): string {
  const set = Object.entries(NetFeature).filter(([, feature]) => (offloads & bit(feature)) !== 0n);
  return set.map(([name]) => name).join(" ") || "none";
}
