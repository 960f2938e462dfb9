/** DNS (RFC 1035, RFC 3596). */
import { IPV4_BYTES, IPV6_BYTES, ipv4Text, ipv6Text } from "./addresses.ts";
import type { Tell } from "./field.ts";
import { hex, named, nameOf, namesOf } from "./names.ts";
import type { PayloadReader } from "./reader.ts";

const RecordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
};
const TYPES = namesOf(RecordType);

const CODES = namesOf({ NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 });

const IS_RESPONSE = 0x8000;
const CODE = 0xf;

/** A label's length with these bits is the offset of where a name goes on. */
const POINTER = 0xc0;
/** Bytes of a name (RFC 1035 2.3.4), which also bounds its labels and the pointers followed. */
const NAME_MAX = 255;

export function readDns(reader: PayloadReader, tell: Tell): string {
  const start = reader.position;
  reader.be16("id", hex);
  const flags = reader.be16("flags", (value) => {
    const kind = (value & IS_RESPONSE) !== 0 ? `response ${nameOf(CODES, value & CODE)}` : "query";
    return `${kind} (${hex(value)})`;
  });
  const questions = reader.be16("questions");
  const records = reader.be16("answers") + reader.be16("authorities") + reader.be16("additional");
  const code = nameOf(CODES, flags & CODE);
  let summary = (flags & IS_RESPONSE) === 0 ? "query" : `response ${code}`;
  tell(summary);
  reader.list(questions, () => {
    reader.group("question", () => {
      const name = readName(reader, start);
      const type = reader.be16("type", named(TYPES));
      reader.be16("class");
      summary += ` ${nameOf(TYPES, type)} ${name}`;
      tell(summary);
      return `${nameOf(TYPES, type)} ${name}`;
    });
  });
  reader.list(records, () => {
    reader.group("record", () => {
      const name = readName(reader, start);
      const type = reader.be16("type", named(TYPES));
      reader.be16("class");
      reader.be32("time to live", (seconds) => `${seconds} s`);
      const value = readValue(reader, type, start);
      return `${name} ${nameOf(TYPES, type)} ${value}`.trimEnd();
    });
  });
  return summary;
}

function readValue(reader: PayloadReader, type: number, start: number): string {
  const length = reader.be16("length");
  let value = "";
  reader.within(length, () => {
    if (type === RecordType.A && length === IPV4_BYTES) {
      value = ipv4Text(reader.bytes("address", IPV4_BYTES, ipv4Text));
    } else if (type === RecordType.AAAA && length === IPV6_BYTES) {
      value = ipv6Text(reader.bytes("address", IPV6_BYTES, ipv6Text));
    } else if (type === RecordType.CNAME || type === RecordType.NS || type === RecordType.PTR) {
      value = readName(reader, start);
    } else reader.rest("data");
  });
  return value;
}

/** A name with its dots, which may go on anywhere before it in the message that begins at `start`. */
function readName(reader: PayloadReader, start: number): string {
  const labels: string[] = [];
  let at = reader.position;
  let end = -1;
  let size = 0;
  for (let steps = 0; steps < NAME_MAX && size < NAME_MAX; steps++) {
    const length = reader.peek(at - reader.position);
    if (length === undefined || length === 0) break;
    if ((length & POINTER) === POINTER) {
      const low = reader.peek(at + 1 - reader.position) ?? 0;
      if (end < 0) end = at + 2;
      at = start + (((length & ~POINTER) << 8) | low);
      continue;
    }
    labels.push(labelText(reader, at - reader.position + 1, length));
    at += 1 + length;
    size += 1 + length;
  }
  const name = labels.join(".") || ".";
  const length = (end < 0 ? at + 1 : end) - reader.position;
  reader.bytes("name", length, () => name);
  return name;
}

function labelText(reader: PayloadReader, ahead: number, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) {
    const byte = reader.peek(ahead + i);
    if (byte === undefined) break;
    // What is no letter of a name is shown as zone files show it.
    text += byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${byte}`;
  }
  return text;
}
