/** Sessions of the crypto device: what a request of the control queue asks for (virtio 5.9.7.2.1). */
import type { CryptoBackend } from "./crypto-backend.ts";
import {
  AeadAlgo,
  AkcipherAlgo,
  AkcipherKeyType,
  CipherAlgo,
  CREATE_SYM_OP,
  CryptoDirection,
  CryptoService,
  CryptoStatus,
  HashAlgo,
  MacAlgo,
  RsaHash,
  RsaPadding,
  SymOp,
} from "./crypto-protocol.ts";

/** Bytes of a key of a cipher: the longest is AES-256's, and ChaCha20's is as long. */
export const CIPHER_KEY_MAX = 32;

/** Bytes of a key of a MAC: hashes take longer ones for their digest, so that none is of use. */
export const AUTH_KEY_MAX = 256;

/** Bytes of an RSA key in DER: a private one of 4096 bits has less than 2400. */
export const RSA_KEY_MAX = 4096;

/** Plain and structured-clonable, and right: its algorithm exists, and takes the key. */
export type CryptoSession =
  | {
      readonly service: typeof CryptoService.CIPHER;
      readonly algorithm: keyof typeof CipherAlgo;
      readonly isEncryption: boolean;
      readonly key: Uint8Array;
    }
  | { readonly service: typeof CryptoService.HASH; readonly algorithm: keyof typeof HashAlgo }
  | {
      readonly service: typeof CryptoService.MAC;
      readonly algorithm: keyof typeof MacAlgo;
      readonly key: Uint8Array;
    }
  | {
      readonly service: typeof CryptoService.AEAD;
      readonly algorithm: keyof typeof AeadAlgo;
      readonly isEncryption: boolean;
      readonly key: Uint8Array;
    }
  | {
      readonly service: typeof CryptoService.AKCIPHER;
      readonly isPrivate: boolean;
      readonly isPadded: boolean;
      readonly hash: keyof typeof RsaHash;
      readonly key: Uint8Array;
    };

/** A session, or why there is none. */
type Creation = CryptoSession | CryptoStatus;

/** Names by value, of the tables of the specification. */
const byValue = <Name extends string>(table: Readonly<Record<Name, number>>) =>
  new Map((Object.keys(table) as Name[]).map((name) => [table[name], name] as const));

const CIPHERS = byValue(CipherAlgo);
const HASHES = byValue(HashAlgo);
const MACS = byValue(MacAlgo);
const AEADS = byValue(AeadAlgo);
const RSA_HASHES = byValue(RsaHash);

const { ERR, NOTSUPP } = CryptoStatus;
const { ENCRYPT, DECRYPT } = CryptoDirection;

/**
 * The session that a request describes: `fields` are its fixed ones, as many as the service has, and
 * `key` is what follows them, which may be longer than the key.
 */
export function createSession(
  service: CryptoService,
  fields: DataView,
  key: Uint8Array,
  backend: CryptoBackend,
): Creation {
  switch (service) {
    case CryptoService.CIPHER:
      return createCipher(fields, key, backend);
    case CryptoService.HASH:
      return createHash(fields, backend);
    case CryptoService.MAC:
      return createMac(fields, key, backend);
    case CryptoService.AEAD:
      return createAead(fields, key, backend);
    case CryptoService.AKCIPHER:
      return createAkcipher(fields, key, backend);
  }
}

function createCipher(fields: DataView, rest: Uint8Array, { ciphers }: CryptoBackend): Creation {
  const algorithm = CIPHERS.get(fields.getUint32(0, true));
  const direction = fields.getUint32(8, true);
  const isPlain = fields.getUint32(CREATE_SYM_OP, true) === SymOp.CIPHER;
  if (!isPlain || algorithm === undefined) return NOTSUPP;
  const key = keyOf(rest, fields.getUint32(4, true), ciphers[algorithm].keyLengths);
  if (key === undefined || !isDirection(direction)) return ERR;
  return { service: CryptoService.CIPHER, algorithm, isEncryption: direction === ENCRYPT, key };
}

function createHash(fields: DataView, { hashes }: CryptoBackend): Creation {
  const algorithm = HASHES.get(fields.getUint32(0, true));
  if (algorithm === undefined) return NOTSUPP;
  if (fields.getUint32(4, true) > hashes[algorithm].length) return ERR;
  return { service: CryptoService.HASH, algorithm };
}

function createMac(fields: DataView, rest: Uint8Array, { macs }: CryptoBackend): Creation {
  const algorithm = MACS.get(fields.getUint32(0, true));
  if (algorithm === undefined) return NOTSUPP;
  const length = fields.getUint32(8, true);
  const isRight = length <= AUTH_KEY_MAX && length <= rest.length;
  if (!isRight || fields.getUint32(4, true) > macs[algorithm].length) return ERR;
  return { service: CryptoService.MAC, algorithm, key: rest.slice(0, length) };
}

function createAead(fields: DataView, rest: Uint8Array, { aeads }: CryptoBackend): Creation {
  const algorithm = AEADS.get(fields.getUint32(0, true));
  const direction = fields.getUint32(16, true);
  if (algorithm === undefined) return NOTSUPP;
  const { keyLengths, tagLength } = aeads[algorithm];
  if (fields.getUint32(8, true) !== tagLength) return NOTSUPP;
  const key = keyOf(rest, fields.getUint32(4, true), keyLengths);
  if (key === undefined || !isDirection(direction)) return ERR;
  return { service: CryptoService.AEAD, algorithm, isEncryption: direction === ENCRYPT, key };
}

function createAkcipher(fields: DataView, rest: Uint8Array, backend: CryptoBackend): Creation {
  if (fields.getUint32(0, true) !== AkcipherAlgo.RSA) return NOTSUPP;
  const type = fields.getUint32(4, true);
  const length = fields.getUint32(8, true);
  const padding = fields.getUint32(12, true);
  const isPrivate = type === AkcipherKeyType.PRIVATE;
  const isPadded = padding === RsaPadding.PKCS1;
  // The hash of a session without padding means nothing.
  const hash = isPadded ? RSA_HASHES.get(fields.getUint32(16, true)) : "NO_HASH";
  if (hash === undefined || (!isPadded && padding !== RsaPadding.RAW)) return NOTSUPP;
  const isKey = isPrivate || type === AkcipherKeyType.PUBLIC;
  if (!isKey || length > RSA_KEY_MAX || length > rest.length) return ERR;
  const key = rest.slice(0, length);
  if (backend.rsaKey(key, isPrivate) === undefined) return ERR;
  return { service: CryptoService.AKCIPHER, isPrivate, isPadded, hash, key };
}

/** The key at the start of `rest`, if it is there and `length` is one of `lengths`. */
function keyOf(
  rest: Uint8Array,
  length: number,
  lengths: readonly number[],
): Uint8Array | undefined {
  return lengths.includes(length) && length <= rest.length ? rest.slice(0, length) : undefined;
}

function isDirection(direction: number): boolean {
  return direction === ENCRYPT || direction === DECRYPT;
}
