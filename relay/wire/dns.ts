/** DNS messages (RFC 1035 4.1), as far as a forwarder needs them: the header and one question. */
import { readU16, writeU16, writeU32 } from "../../src/packet/bytes.ts";

const DNS_HEADER = 12;
export const DNS_PORT = 53;

export const DnsType = { a: 1 } as const;
export const DnsCode = { noError: 0, formatError: 1, serverFailure: 2 } as const;

const CLASS_INTERNET = 1;
const FLAG_RESPONSE = 0x8000;
const FLAG_AUTHORITATIVE = 0x0400;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const OPCODE_MASK = 0x7800;
/** A label's length; the two bits above it mark a compression pointer. */
const LABEL_MAX = 63;
/** RFC 1035 2.3.4. */
const NAME_MAX = 255;
/** A pointer to the question's name, which always starts right after the header. */
const POINTER_TO_QUESTION = 0xc000 | DNS_HEADER;

export interface DnsQuestion {
  readonly id: number;
  /** Lower case, without the last dot. */
  readonly name: string;
  readonly type: number;
  /** Where the question ends in the message, in bytes. */
  readonly end: number;
}

/** The question of a standard query, or undefined when the message is anything else. */
export function parseDnsQuery(bytes: Uint8Array): DnsQuestion | undefined {
  if (bytes.length < DNS_HEADER) return undefined;
  const flags = readU16(bytes, 2);
  if ((flags & (FLAG_RESPONSE | OPCODE_MASK)) !== 0 || readU16(bytes, 4) !== 1) return undefined;
  const labels: string[] = [];
  let at = DNS_HEADER;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > LABEL_MAX) return undefined;
    at += 1;
    if (length === 0) break;
    if (at + length > bytes.length || at + length - DNS_HEADER > NAME_MAX) return undefined;
    labels.push(String.fromCharCode(...bytes.subarray(at, at + length)).toLowerCase());
    at += length;
  }
  if (at + 4 > bytes.length) return undefined;
  return { id: readU16(bytes, 0), name: labels.join("."), type: readU16(bytes, at), end: at + 4 };
}

/** Whether `bytes` can be an answer to the query with this id. */
export function isDnsAnswer(bytes: Uint8Array, id: number): boolean {
  return (
    bytes.length >= DNS_HEADER &&
    readU16(bytes, 0) === id &&
    (readU16(bytes, 2) & FLAG_RESPONSE) !== 0
  );
}

/** A reply to `query` with a result code and, when given, one address. */
export function buildDnsReply(
  query: Uint8Array,
  question: DnsQuestion,
  code: number,
  answer?: { readonly address: number; readonly ttlSeconds: number },
): Uint8Array {
  const bytes = new Uint8Array(question.end + (answer === undefined ? 0 : 16));
  bytes.set(query.subarray(0, question.end));
  const desired = readU16(query, 2) & FLAG_RECURSION_DESIRED;
  const authoritative = code === DnsCode.noError ? FLAG_AUTHORITATIVE : 0;
  writeU16(bytes, 2, FLAG_RESPONSE | authoritative | desired | FLAG_RECURSION_AVAILABLE | code);
  writeU16(bytes, 4, 1);
  writeU16(bytes, 6, answer === undefined ? 0 : 1);
  writeU32(bytes, 8, 0);
  if (answer !== undefined) {
    const at = question.end;
    writeU16(bytes, at, POINTER_TO_QUESTION);
    writeU16(bytes, at + 2, DnsType.a);
    writeU16(bytes, at + 4, CLASS_INTERNET);
    writeU32(bytes, at + 6, answer.ttlSeconds);
    writeU16(bytes, at + 10, 4);
    writeU32(bytes, at + 12, answer.address);
  }
  return bytes;
}
