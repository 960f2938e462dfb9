/**
 * Packets of the GDB remote serial protocol (GDB manual, appendix E.1): `$payload#checksum`, answered
 * by `+` or `-`. A payload is text here, of a character for each byte.
 */
import { hexByte, hexBytes } from "../hex.ts";

/** Bytes of a payload: what `PacketSize` tells a client. Some pages of memory in hexadecimal. */
export const MAX_PAYLOAD_BYTES = 0x4000;

const [DOLLAR, HASH, PLUS, MINUS, ESCAPE, INTERRUPT] = [0x24, 0x23, 0x2b, 0x2d, 0x7d, 0x03];
const STAR = 0x2a;
/** What `}` makes of the byte behind it. */
const ESCAPED_BY = 0x20;

export type Received =
  | { readonly kind: "packet"; readonly payload: string }
  /** Its checksum is wrong, or it is too long. */
  | { readonly kind: "damaged" }
  | { readonly kind: "ack" | "nack" }
  /** The client wants the machine held: a byte of its own, outside of packets. */
  | { readonly kind: "interrupt" };

export class PacketReader {
  /** Of the packet under way, as it came; undefined outside of packets. */
  #raw: number[] | undefined;
  #isTooLong = false;
  /** Digits of the checksum that have come; undefined before the `#`. */
  #digits: string | undefined;

  /** What is complete with these bytes. */
  *read(bytes: Uint8Array): Generator<Received> {
    for (const byte of bytes) {
      const received = this.#raw === undefined ? this.#outside(byte) : this.#inside(byte);
      if (received !== undefined) yield received;
    }
  }

  #outside(byte: number): Received | undefined {
    if (byte === DOLLAR) this.#begin();
    if (byte === PLUS) return { kind: "ack" };
    if (byte === MINUS) return { kind: "nack" };
    return byte === INTERRUPT ? { kind: "interrupt" } : undefined;
  }

  #begin(): void {
    this.#raw = [];
    this.#isTooLong = false;
    this.#digits = undefined;
  }

  #inside(byte: number): Received | undefined {
    const raw = this.#raw ?? [];
    if (this.#digits !== undefined) {
      this.#digits += String.fromCharCode(byte);
      return this.#digits.length === 2 ? this.#end(raw, this.#digits) : undefined;
    }
    if (byte === HASH) this.#digits = "";
    // The end of the packet before was lost.
    else if (byte === DOLLAR) this.#begin();
    else if (raw.length < MAX_PAYLOAD_BYTES) raw.push(byte);
    else this.#isTooLong = true;
    return undefined;
  }

  #end(raw: readonly number[], digits: string): Received {
    this.#raw = undefined;
    const isIntact = /^[0-9a-f]{2}$/i.test(digits) && Number.parseInt(digits, 16) === sumOf(raw);
    if (!isIntact || this.#isTooLong) return { kind: "damaged" };
    return { kind: "packet", payload: unescaped(raw) };
  }
}

const sumOf = (raw: readonly number[]): number => raw.reduce((sum, byte) => (sum + byte) & 0xff, 0);

function unescaped(raw: readonly number[]): string {
  let payload = "";
  for (let k = 0; k < raw.length; k++) {
    const isEscape = raw[k] === ESCAPE && k + 1 < raw.length;
    payload += String.fromCharCode(isEscape ? raw[++k] ^ ESCAPED_BY : raw[k]);
  }
  return payload;
}

/** A whole packet. */
export function encodePacket(payload: string): Uint8Array<ArrayBuffer> {
  const raw: number[] = [];
  for (let k = 0; k < payload.length; k++) {
    const byte = payload.charCodeAt(k) & 0xff;
    const isSpecial = byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR;
    if (isSpecial) raw.push(ESCAPE, byte ^ ESCAPED_BY);
    else raw.push(byte);
  }
  const digits = hexByte(sumOf(raw));
  return Uint8Array.from([DOLLAR, ...raw, HASH, ...[...digits].map((d) => d.charCodeAt(0))]);
}

export const ACK: Uint8Array<ArrayBuffer> = Uint8Array.of(PLUS);
export const NACK: Uint8Array<ArrayBuffer> = Uint8Array.of(MINUS);

export const toHex = (bytes: Uint8Array): string => hexBytes(bytes, "");

/** Undefined if it is not an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let k = 0; k < bytes.length; k++) {
    bytes[k] = Number.parseInt(text.slice(2 * k, 2 * k + 2), 16);
  }
  return bytes;
}

/** A 64-bit value in the target's byte order. */
export function valueToHex(value: bigint): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return toHex(bytes);
}

/** Undefined unless it is 1 to 8 bytes in hexadecimal. */
export function hexToValue(text: string): bigint | undefined {
  const bytes = fromHex(text);
  if (bytes === undefined || bytes.length === 0 || bytes.length > 8) return undefined;
  const value = new Uint8Array(8);
  value.set(bytes);
  return new DataView(value.buffer).getBigUint64(0, true);
}
