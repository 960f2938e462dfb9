/** What a driver of the crypto device sends (virtio 5.9.7), in either of its layouts. */
import {
  CREATE_BYTES,
  CREATE_SYM_OP,
  CTRL_LEGACY_BYTES,
  DATA_BYTES,
  DATA_LEGACY_BYTES,
  DATA_SYM_OP,
  DESTROY_BYTES,
  FLAG_SESSION_MODE,
  SymOp,
} from "../devices/crypto-protocol.ts";

const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);

/** Fixed fields, as long as a request has them. */
function padded(length: number, fields: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, fields.length));
  bytes.set(fields);
  return bytes;
}

/** Fixed fields of a request of the CIPHER service: `op_type` is in its place at `at`. */
function symFields(at: number, ...values: number[]): Uint8Array {
  const fields = padded(at + 8, words(...values));
  fields[at] = SymOp.CIPHER;
  return fields;
}

export const cipherSession = (algo: number, keyLength: number, direction: number) =>
  symFields(CREATE_SYM_OP, algo, keyLength, direction);

export const aeadSession = (algo: number, keyLength: number, direction: number, tagLength = 16) =>
  words(algo, keyLength, tagLength, 0, direction, 0);

export const cipherFields = (ivLength: number, length: number, outputLength = length) =>
  symFields(DATA_SYM_OP, ivLength, length, outputLength);

/** A request for a session, or to destroy one; a key follows it. */
export function controlRequest(opcode: number, fields: Uint8Array, isLegacy = false): Uint8Array {
  const isDestroy = fields.length === DESTROY_BYTES && (opcode & 1) === 1;
  const exact = isDestroy ? DESTROY_BYTES : CREATE_BYTES[opcode >> 8];
  const length = isLegacy ? CTRL_LEGACY_BYTES : exact;
  return Uint8Array.of(...words(opcode, 0, 0, 0), ...padded(length, fields));
}

/** A request with a session; its variable fields follow. */
export function dataRequest(
  opcode: number,
  session: number,
  fields: Uint8Array,
  isLegacy = false,
): Uint8Array {
  const length = isLegacy ? DATA_LEGACY_BYTES : DATA_BYTES[opcode >> 8];
  // Without REVISION_1 the flag means nothing, and Linux leaves it out.
  const flag = isLegacy ? 0 : FLAG_SESSION_MODE;
  return Uint8Array.of(...words(opcode, 0, session, 0, flag, 0), ...padded(length, fields));
}
