/** What the guest's crypto device can compute: the same in every browser, at any address, and under Node. */
import { cbc, ctr, ecb, gcm } from "@noble/ciphers/aes";
import { chacha20poly1305 } from "@noble/ciphers/chacha";
import { hmac } from "@noble/hashes/hmac";
import { md5, sha1 } from "@noble/hashes/legacy";
import { sha224, sha256, sha384, sha512 } from "@noble/hashes/sha2";
import { sha3_224, sha3_256, sha3_384, sha3_512 } from "@noble/hashes/sha3";
import type { CHash } from "@noble/hashes/utils";
import type {
  AeadAlgorithm,
  CipherAlgorithm,
  CryptoBackend,
  HashAlgorithm,
  MacAlgorithm,
} from "../virtio/devices/crypto-backend.ts";
import { parseRsaKey } from "./rsa.ts";

const AES_KEYS = [16, 24, 32];
const AES_BLOCK = 16;
/** 800-38D has other lengths too, for which virtio wants J0 in place of the vector. */
const NONCE = 12;
const TAG = 16;

/** The data is what it is: virtio has no padding. */
const UNPADDED = { disablePadding: true };

interface Cipher {
  encrypt(data: Uint8Array): Uint8Array;
  decrypt(data: Uint8Array): Uint8Array;
}

const cipher = (
  blockLength: number,
  ivLength: number,
  open: (key: Uint8Array, iv: Uint8Array) => Cipher,
): CipherAlgorithm => ({
  keyLengths: AES_KEYS,
  ivLength,
  blockLength,
  encrypt: (key, iv, data) => open(key, iv).encrypt(data),
  decrypt: (key, iv, data) => open(key, iv).decrypt(data),
});

const hash = (algorithm: CHash): HashAlgorithm => ({
  length: algorithm.outputLen,
  digest: (data) => algorithm(data),
});

const mac = (algorithm: CHash): MacAlgorithm => ({
  length: algorithm.outputLen,
  sign: (key, data) => hmac(algorithm, key, data),
});

const aead = (
  keyLengths: readonly number[],
  open: (key: Uint8Array, iv: Uint8Array, aad: Uint8Array) => Cipher,
): AeadAlgorithm => ({
  keyLengths,
  ivLength: NONCE,
  tagLength: TAG,
  encrypt: (key, iv, aad, data) => open(key, iv, aad).encrypt(data),
  decrypt: (key, iv, aad, data) => {
    try {
      return open(key, iv, aad).decrypt(data);
    } catch {
      // All lengths are right, so it is the tag.
      return undefined;
    }
  },
});

/** @param random fills with random bytes, for the padding of RSA. */
export const cryptoAlgorithms = (random: (into: Uint8Array) => void): CryptoBackend => ({
  ciphers: {
    AES_ECB: cipher(AES_BLOCK, 0, (key) => ecb(key, UNPADDED)),
    AES_CBC: cipher(AES_BLOCK, AES_BLOCK, (key, iv) => cbc(key, iv, UNPADDED)),
    AES_CTR: cipher(1, AES_BLOCK, (key, iv) => ctr(key, iv)),
  },
  hashes: {
    MD5: hash(md5),
    SHA1: hash(sha1),
    SHA_224: hash(sha224),
    SHA_256: hash(sha256),
    SHA_384: hash(sha384),
    SHA_512: hash(sha512),
    SHA3_224: hash(sha3_224),
    SHA3_256: hash(sha3_256),
    SHA3_384: hash(sha3_384),
    SHA3_512: hash(sha3_512),
  },
  macs: {
    HMAC_MD5: mac(md5),
    HMAC_SHA1: mac(sha1),
    HMAC_SHA_224: mac(sha224),
    HMAC_SHA_256: mac(sha256),
    HMAC_SHA_384: mac(sha384),
    HMAC_SHA_512: mac(sha512),
  },
  aeads: {
    GCM: aead(AES_KEYS, gcm),
    CHACHA20_POLY1305: aead([32], chacha20poly1305),
  },
  rsaKey: (der, isPrivate) => parseRsaKey(der, isPrivate, random),
});
