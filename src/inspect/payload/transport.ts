/** TCP (RFC 9293) and UDP (RFC 768). */
import { flagNames } from "../../virtio/spec.ts";
import type { Ends } from "./addresses.ts";
import { readDhcp } from "./dhcp.ts";
import { readDns } from "./dns.ts";
import type { Tell } from "./field.ts";
import { bytesText, hex, named, namesOf } from "./names.ts";
import type { PayloadReader } from "./reader.ts";

/** Ports whose datagrams are looked into. */
const DNS_PORTS: readonly number[] = [53, 5353];
const DHCP_PORTS: readonly number[] = [67, 68];

const TCP_HEADER = 20;

const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128 } as const;

/** Kinds of options (RFC 9293 3.1, 7323, 2018). */
const TcpOption = {
  END: 0,
  NOP: 1,
  MSS: 2,
  WINDOW_SCALE: 3,
  SACK_PERMITTED: 4,
  SACK: 5,
  TIMESTAMPS: 8,
};
const OPTION_NAMES = namesOf(TcpOption);

export function readUdp(reader: PayloadReader, ends: Ends, tell: Tell): void {
  let ports: readonly number[] = [];
  let length = 0;
  reader.group("UDP", () => {
    ports = [reader.be16("source port"), reader.be16("destination port")];
    length = reader.be16("length") - 8;
    reader.be16("checksum", hex);
    return `${ports[0]} → ${ports[1]}, ${bytesText(Math.max(0, length))}`;
  });
  const flow = `${end(ends.source, ports[0])} → ${end(ends.target, ports[1])}`;
  tell(`UDP ${flow} ${bytesText(Math.max(0, length))}`);
  if (ports.some((port) => DNS_PORTS.includes(port))) {
    reader.group("DNS", () => readDns(reader, (summary) => tell(`DNS ${flow} ${summary}`)));
  } else if (ports.every((port) => DHCP_PORTS.includes(port))) {
    reader.group("DHCP", () => readDhcp(reader, (summary) => tell(`DHCP ${summary}`)));
  }
}

export function readTcp(reader: PayloadReader, ends: Ends, tell: Tell): void {
  let flow = "";
  let state = "";
  reader.group("TCP", () => {
    const start = reader.position;
    const source = reader.be16("source port");
    const target = reader.be16("destination port");
    flow = `${end(ends.source, source)} → ${end(ends.target, target)}`;
    tell(`TCP ${flow}`);
    const sequence = reader.be32("sequence number");
    const acknowledged = reader.be32("acknowledgment number");
    const header = 4 * (reader.u8("data offset", (v) => `${4 * (v >>> 4)} bytes`) >>> 4);
    const set = reader.u8("flags", (value) => flagNames(TcpFlag, value).join(" ") || "none");
    const window = reader.be16("window");
    reader.be16("checksum", hex);
    reader.be16("urgent pointer");
    state = `[${flagNames(TcpFlag, set).join(" ")}] seq ${sequence}`;
    if ((set & TcpFlag.ACK) !== 0) state += ` ack ${acknowledged}`;
    state += ` win ${window}`;
    tell(`TCP ${flow} ${state}`);
    const options = Math.max(header, TCP_HEADER) - (reader.position - start);
    if (options > 0) reader.within(options, () => readOptions(reader));
    return `${source} → ${target} ${state}`;
  });
  tell(`TCP ${flow} ${state} ${bytesText(reader.remaining)}`);
}

function readOptions(reader: PayloadReader): void {
  reader.listToEnd(() => {
    const kind = reader.peek(0) ?? TcpOption.END;
    if (kind === TcpOption.END || kind === TcpOption.NOP) {
      reader.u8("option", named(OPTION_NAMES));
      return;
    }
    reader.group("option", () => {
      reader.u8("kind", named(OPTION_NAMES));
      const length = Math.max(reader.u8("length") - 2, 0);
      const name = named(OPTION_NAMES)(kind);
      if (kind === TcpOption.MSS && length === 2) return `${name} ${reader.be16("value")}`;
      if (kind === TcpOption.WINDOW_SCALE && length === 1) return `${name} ${reader.u8("value")}`;
      reader.data("value", length);
      return name;
    });
  });
}

/** An address with its port. */
function end(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
