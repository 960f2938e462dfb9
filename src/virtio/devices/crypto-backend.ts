/**
 * The host's side of a crypto device. What an algorithm is given has the lengths that it asks for, and
 * is no memory of the guest; its answer is new. Nothing here throws.
 */
import type { AeadAlgo, CipherAlgo, HashAlgo, MacAlgo, RsaHash } from "./crypto-protocol.ts";

export interface CipherAlgorithm {
  /** In bytes. */
  readonly keyLengths: readonly number[];
  /** Of an initialisation vector or counter; 0 for none. */
  readonly ivLength: number;
  /** Data has a multiple of it. */
  readonly blockLength: number;
  encrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array;
  decrypt(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array;
}

export interface HashAlgorithm {
  /** Bytes of a digest. */
  readonly length: number;
  digest(data: Uint8Array): Uint8Array;
}

export interface MacAlgorithm {
  /** Bytes of a code. */
  readonly length: number;
  /** Keys may have any length. */
  sign(key: Uint8Array, data: Uint8Array): Uint8Array;
}

export interface AeadAlgorithm {
  readonly keyLengths: readonly number[];
  readonly ivLength: number;
  /** Of the tag behind what is encrypted. */
  readonly tagLength: number;
  encrypt(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, data: Uint8Array): Uint8Array;
  /** `data` ends in the tag; undefined if that is wrong. */
  decrypt(
    key: Uint8Array,
    iv: Uint8Array,
    aad: Uint8Array,
    data: Uint8Array,
  ): Uint8Array | undefined;
}

export type RsaHashName = keyof typeof RsaHash;

/** Answers are undefined where the input is none for this key. */
export interface RsaKey {
  readonly isPrivate: boolean;
  /** The operations alone, without padding: as many bytes as the modulus has. */
  encryptRaw(data: Uint8Array): Uint8Array | undefined;
  decryptRaw(data: Uint8Array): Uint8Array | undefined;
  /** With the padding of PKCS #1 v1.5. */
  encrypt(data: Uint8Array): Uint8Array | undefined;
  decrypt(data: Uint8Array): Uint8Array | undefined;
  sign(hash: RsaHashName, digest: Uint8Array): Uint8Array | undefined;
  verify(hash: RsaHashName, signature: Uint8Array, digest: Uint8Array): boolean;
}

/** By the names of the specification. */
export interface CryptoBackend {
  readonly ciphers: Readonly<Record<keyof typeof CipherAlgo, CipherAlgorithm>>;
  readonly hashes: Readonly<Record<keyof typeof HashAlgo, HashAlgorithm>>;
  readonly macs: Readonly<Record<keyof typeof MacAlgo, MacAlgorithm>>;
  readonly aeads: Readonly<Record<keyof typeof AeadAlgo, AeadAlgorithm>>;
  /** A key in DER, as PKCS #1 has it; undefined if it is none, or has a size that is not served. */
  rsaKey(der: Uint8Array, isPrivate: boolean): RsaKey | undefined;
}
