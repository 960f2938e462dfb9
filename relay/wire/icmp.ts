/** ICMP (RFC 792): echo, and the errors that a gateway reports. */
import { readU16, writeU16 } from "../../src/packet/bytes.ts";
import { addWords, finishChecksum } from "../../src/packet/checksum.ts";

const ICMP_HEADER = 8;

export const IcmpType = {
  echoReply: 0,
  unreachable: 3,
  echoRequest: 8,
  timeExceeded: 11,
} as const;

/** Codes of "destination unreachable" (RFC 792, RFC 1812 5.2.7.1). */
export const Unreachable = {
  network: 0,
  host: 1,
  protocol: 2,
  port: 3,
  prohibited: 13,
} as const;

/** An error quotes the offending header and 8 bytes more (RFC 792), at most 60 + 8. */
const QUOTED_PAYLOAD = 8;

export interface IcmpMessage {
  readonly type: number;
  readonly code: number;
  /** The second word of the header: identifier and sequence number of an echo. */
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** The message, or undefined when it is cut short or its checksum is wrong. */
export function parseIcmp(bytes: Uint8Array): IcmpMessage | undefined {
  if (bytes.length < ICMP_HEADER) return undefined;
  if (finishChecksum(addWords(0, bytes, 0, bytes.length)) !== 0) return undefined;
  return {
    type: bytes[0],
    code: bytes[1],
    identifier: readU16(bytes, 4),
    sequence: readU16(bytes, 6),
    data: bytes.subarray(ICMP_HEADER),
  };
}

/** The bytes of a message. */
export function buildIcmp(message: IcmpMessage): Uint8Array {
  const bytes = new Uint8Array(ICMP_HEADER + message.data.length);
  bytes[0] = message.type;
  bytes[1] = message.code;
  writeU16(bytes, 4, message.identifier);
  writeU16(bytes, 6, message.sequence);
  bytes.set(message.data, ICMP_HEADER);
  writeU16(bytes, 2, finishChecksum(addWords(0, bytes, 0, bytes.length)));
  return bytes;
}

/** What an error message carries of the packet that caused it. */
export function quoteForIcmp(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const quoted = Math.min(QUOTED_PAYLOAD, payload.length);
  const bytes = new Uint8Array(header.length + quoted);
  bytes.set(header);
  bytes.set(payload.subarray(0, quoted), header.length);
  return bytes;
}
