/** What drivers and the crypto device say to each other (virtio 5.9). */

/** Feature bits (5.9.3). No driver that is known asks for the stateless modes 1 to 5. */
export const CryptoFeature = { REVISION_1: 0 } as const;

/** Configuration layout (5.9.5). */
export const CryptoConfig = {
  STATUS: 0,
  MAX_DATAQUEUES: 4,
  CRYPTO_SERVICES: 8,
  CIPHER_ALGO_L: 12,
  CIPHER_ALGO_H: 16,
  HASH_ALGO: 20,
  MAC_ALGO_L: 24,
  MAC_ALGO_H: 28,
  AEAD_ALGO: 32,
  MAX_CIPHER_KEY_LEN: 36,
  MAX_AUTH_KEY_LEN: 40,
  AKCIPHER_ALGO: 44,
  MAX_SIZE: 48,
  BYTES: 56,
} as const;

/** Bits of the field `status`. */
export const CryptoReady = { HW_READY: 1 } as const;

/** Services (5.9.4), which are also the high byte of an opcode. */
export const CryptoService = { CIPHER: 0, HASH: 1, MAC: 2, AEAD: 3, AKCIPHER: 4 } as const;
export type CryptoService = (typeof CryptoService)[keyof typeof CryptoService];

/** Algorithms that have a backend (5.9.4.1 to 5.9.4.5), as bit numbers and as values. */
export const CipherAlgo = { AES_ECB: 2, AES_CBC: 3, AES_CTR: 4 } as const;
export const HashAlgo = {
  MD5: 1,
  SHA1: 2,
  SHA_224: 3,
  SHA_256: 4,
  SHA_384: 5,
  SHA_512: 6,
  SHA3_224: 7,
  SHA3_256: 8,
  SHA3_384: 9,
  SHA3_512: 10,
} as const;
export const MacAlgo = {
  HMAC_MD5: 1,
  HMAC_SHA1: 2,
  HMAC_SHA_224: 3,
  HMAC_SHA_256: 4,
  HMAC_SHA_384: 5,
  HMAC_SHA_512: 6,
} as const;
export const AeadAlgo = { GCM: 1, CHACHA20_POLY1305: 3 } as const;
export const AkcipherAlgo = { RSA: 1 } as const;

/** Queues (5.9.2): as many for data as the control queue's number, one since one thread computes all. */
export const CryptoQueue = { DATA: 0, CONTROL: 1 } as const;

/** Requests of the control queue (5.9.7.2): `(service << 8) | operation`. */
export const CryptoCreate = {
  CIPHER_CREATE_SESSION: 0x002,
  HASH_CREATE_SESSION: 0x102,
  MAC_CREATE_SESSION: 0x202,
  AEAD_CREATE_SESSION: 0x302,
  AKCIPHER_CREATE_SESSION: 0x404,
} as const;
export const CryptoDestroy = {
  CIPHER_DESTROY_SESSION: 0x003,
  HASH_DESTROY_SESSION: 0x103,
  MAC_DESTROY_SESSION: 0x203,
  AEAD_DESTROY_SESSION: 0x303,
  AKCIPHER_DESTROY_SESSION: 0x405,
} as const;
export const CryptoControl = { ...CryptoCreate, ...CryptoDestroy } as const;

/** Requests of the data queues (5.9.7.3). */
export const CryptoOp = {
  CIPHER_ENCRYPT: 0x000,
  CIPHER_DECRYPT: 0x001,
  HASH: 0x100,
  MAC: 0x200,
  AEAD_ENCRYPT: 0x300,
  AEAD_DECRYPT: 0x301,
  AKCIPHER_ENCRYPT: 0x400,
  AKCIPHER_DECRYPT: 0x401,
  AKCIPHER_SIGN: 0x402,
  AKCIPHER_VERIFY: 0x403,
} as const;

/** Operation status (5.9.7.1). */
export const CryptoStatus = {
  OK: 0,
  ERR: 1,
  BADMSG: 2,
  NOTSUPP: 3,
  INVSESS: 4,
  NOSPC: 5,
  KEY_REJECTED: 6,
} as const;
export type CryptoStatus = (typeof CryptoStatus)[keyof typeof CryptoStatus];

/** Directions of a session of the CIPHER and AEAD services. */
export const CryptoDirection = { ENCRYPT: 1, DECRYPT: 2 } as const;

/** What a request of the CIPHER service does (5.9.7.2.1.3). */
export const SymOp = { NONE: 0, CIPHER: 1, ALGORITHM_CHAINING: 2 } as const;

export const AkcipherKeyType = { PUBLIC: 1, PRIVATE: 2 } as const;
export const RsaPadding = { RAW: 0, PKCS1: 1 } as const;
export const RsaHash = {
  NO_HASH: 0,
  MD5: 4,
  SHA1: 5,
  SHA256: 6,
  SHA384: 7,
  SHA512: 8,
  SHA224: 9,
} as const;

/** A data request that has a session; without REVISION_1 the flag means nothing. */
export const FLAG_SESSION_MODE = 1;

/** Bytes of the headers, and of what follows them unless REVISION_1 is negotiated. */
export const CTRL_HEADER_BYTES = 16;
export const CTRL_LEGACY_BYTES = 56;
export const DATA_HEADER_BYTES = 24;
export const DATA_LEGACY_BYTES = 48;

/** Bytes of the fixed fields of requests with REVISION_1, by service. */
export const CREATE_BYTES: readonly number[] = [56, 8, 16, 24, 56];
export const DESTROY_BYTES = 8;
export const DATA_BYTES: readonly number[] = [48, 8, 8, 24, 8];

/** In the fixed fields of the CIPHER service: what comes before them is as `SymOp` says. */
export const CREATE_SYM_OP = 48;
export const DATA_SYM_OP = 40;

/** The answer to a request for a session: `session_id`, `status`, padding. */
export const SESSION_INPUT_BYTES = 16;
export const SESSION_INPUT_STATUS = 8;
