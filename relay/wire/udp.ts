/** UDP (RFC 768). */
import { readU16, writeU16 } from "../../src/packet/bytes.ts";
import { addWords, finishChecksum, pseudoHeaderSum } from "../../src/packet/checksum.ts";
import { type Endpoints, IpProtocol } from "./ipv4.ts";

const UDP_HEADER = 8;

export interface Ports {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface UdpDatagram extends Ports {
  readonly payload: Uint8Array;
}

/**
 * The datagram, or undefined when its length does not fit or its checksum is wrong. That of an
 * `unsummed` one is not complete, and not looked at.
 */
export function parseUdp(
  bytes: Uint8Array,
  between: Endpoints,
  unsummed = false,
): UdpDatagram | undefined {
  if (bytes.length < UDP_HEADER) return undefined;
  const length = readU16(bytes, 4);
  if (length < UDP_HEADER || length > bytes.length) return undefined;
  // A checksum of zero says that the sender computed none.
  if (!unsummed && readU16(bytes, 6) !== 0) {
    const { source, destination } = between;
    const sum = pseudoHeaderSum(source, destination, IpProtocol.udp, length);
    if (finishChecksum(addWords(sum, bytes, 0, length)) !== 0) return undefined;
  }
  return {
    sourcePort: readU16(bytes, 0),
    destinationPort: readU16(bytes, 2),
    payload: bytes.subarray(UDP_HEADER, length),
  };
}

/** The bytes of a datagram. */
export function buildUdp(ports: Ports, payload: Uint8Array, between: Endpoints): Uint8Array {
  const length = UDP_HEADER + payload.length;
  const bytes = new Uint8Array(length);
  writeU16(bytes, 0, ports.sourcePort);
  writeU16(bytes, 2, ports.destinationPort);
  writeU16(bytes, 4, length);
  bytes.set(payload, UDP_HEADER);
  const sum = pseudoHeaderSum(between.source, between.destination, IpProtocol.udp, length);
  const checksum = finishChecksum(addWords(sum, bytes, 0, length));
  // Zero would say "none computed"; its other form in ones' complement says the same sum.
  writeU16(bytes, 6, checksum === 0 ? 0xffff : checksum);
  return bytes;
}
