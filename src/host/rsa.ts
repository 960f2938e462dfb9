/** RSA with keys of a guest (RFC 8017): what WebCrypto has of it hashes by itself, and knows no raw form. */
import { hexOf } from "../packet/bytes.ts";
import type { RsaHashName, RsaKey } from "../virtio/devices/crypto-backend.ts";

/**
 * Bits of a modulus. An operation with a private key of so many takes some 0.2 s, in which the guest and
 * whoever waits for the machine stand still.
 */
export const RSA_MODULUS_BITS_MAX = 4096;

/** Keys as short as this are broken in a day; with less there is no room for padding and a digest. */
export const RSA_MODULUS_BITS_MIN = 512;

/** Bits of a public exponent: drivers use 65537, and a long one is as slow as a private key. */
export const RSA_PUBLIC_EXPONENT_BITS_MAX = 64;

/** Bits of a prime: with one as long as the modulus an operation is four times as slow. */
export const RSA_PRIME_BITS_MAX = RSA_MODULUS_BITS_MAX / 2;

/** Bytes of padding besides the data: 0, a type, eight at least, 0 (RFC 8017, 7.2 and 9.2). */
const PKCS1_BYTES = 11;

/** DigestInfo up to the digest (RFC 8017, 9.2, note 1), and the digest's length. */
const DIGEST_INFO: Readonly<Record<Exclude<RsaHashName, "NO_HASH">, [prefix: string, number]>> = {
  MD5: ["3020300c06082a864886f70d020505000410", 16],
  SHA1: ["3021300906052b0e03021a05000414", 20],
  SHA224: ["302d300d06096086480165030402040500041c", 28],
  SHA256: ["3031300d060960864801650304020105000420", 32],
  SHA384: ["3041300d060960864801650304020205000430", 48],
  SHA512: ["3051300d060960864801650304020305000440", 64],
};

/** An RSAPublicKey or RSAPrivateKey in DER (RFC 8017, A.1), if it is one of a size that is served. */
export function parseRsaKey(
  der: Uint8Array,
  isPrivate: boolean,
  random: (into: Uint8Array) => void,
): RsaKey | undefined {
  const numbers = parseIntegers(der);
  if (numbers === undefined) return undefined;
  if (!isPrivate) {
    const [n, e] = numbers;
    return numbers.length === 2 && isModulus(n) && isExponent(e, n)
      ? new Rsa(n, (m) => power(m, e, n), undefined, random)
      : undefined;
  }
  // Version 1 would be more than two primes.
  const [version, n, e, d, p, q, dp, dq, inverse] = numbers;
  if (numbers.length !== 9 || version !== 0n || !isModulus(n) || !isExponent(e, n))
    return undefined;
  const isPair = p * q === n && bitsOf(p) <= RSA_PRIME_BITS_MAX && bitsOf(q) <= RSA_PRIME_BITS_MAX;
  const isInside = p > 1n && q > 1n && dp < p && dq < q && inverse < p && d < n;
  if (!isPair || !isInside) return undefined;
  const decrypt = (c: bigint) => {
    const m1 = power(c % p, dp, p);
    const m2 = power(c % q, dq, q);
    const h = (((m1 - m2) % p) + p) * inverse;
    return m2 + (h % p) * q;
  };
  return new Rsa(n, (m) => power(m, e, n), decrypt, random);
}

type Operation = (value: bigint) => bigint;

class Rsa implements RsaKey {
  readonly isPrivate: boolean;
  readonly #n: bigint;
  readonly #length: number;
  readonly #public: Operation;
  readonly #private: Operation | undefined;
  readonly #random: (into: Uint8Array) => void;

  constructor(
    n: bigint,
    encrypt: Operation,
    decrypt: Operation | undefined,
    random: (into: Uint8Array) => void,
  ) {
    this.#n = n;
    this.#length = Math.ceil(bitsOf(n) / 8);
    this.#public = encrypt;
    this.#private = decrypt;
    this.isPrivate = decrypt !== undefined;
    this.#random = random;
  }

  encryptRaw(data: Uint8Array): Uint8Array | undefined {
    return this.#apply(this.#public, data);
  }

  decryptRaw(data: Uint8Array): Uint8Array | undefined {
    return this.#apply(this.#private, data);
  }

  encrypt(data: Uint8Array): Uint8Array | undefined {
    const padded = this.#pad(2, data);
    return padded && this.encryptRaw(padded);
  }

  decrypt(data: Uint8Array): Uint8Array | undefined {
    const padded = this.decryptRaw(data);
    return padded && unpad(2, padded);
  }

  sign(hash: RsaHashName, digest: Uint8Array): Uint8Array | undefined {
    const info = digestInfo(hash, digest);
    const padded = info && this.#pad(1, info);
    return padded && this.decryptRaw(padded);
  }

  verify(hash: RsaHashName, signature: Uint8Array, digest: Uint8Array): boolean {
    const info = digestInfo(hash, digest);
    const padded = signature.length === this.#length ? this.encryptRaw(signature) : undefined;
    const expected = info && this.#pad(1, info);
    return padded !== undefined && expected !== undefined && isSame(padded, expected);
  }

  #apply(operation: Operation | undefined, data: Uint8Array): Uint8Array | undefined {
    if (operation === undefined || data.length > this.#length) return undefined;
    const value = numberOf(data);
    return value < this.#n ? bytesOf(operation(value), this.#length) : undefined;
  }

  #pad(type: 1 | 2, data: Uint8Array): Uint8Array | undefined {
    const room = this.#length - data.length - 3;
    if (data.length > this.#length - PKCS1_BYTES) return undefined;
    const padded = new Uint8Array(this.#length);
    const filling = padded.subarray(2, 2 + room);
    padded[1] = type;
    padded.set(data, 3 + room);
    if (type === 1) filling.fill(0xff);
    else this.#fillNonzero(filling);
    return padded;
  }

  #fillNonzero(into: Uint8Array): void {
    this.#random(into);
    for (let at = into.indexOf(0); at >= 0; at = into.indexOf(0)) {
      this.#random(into.subarray(at, at + 1));
    }
  }
}

function unpad(type: number, padded: Uint8Array): Uint8Array | undefined {
  const end = padded.indexOf(0, 2);
  const isRight = padded[0] === 0 && padded[1] === type && end >= PKCS1_BYTES - 1;
  return isRight ? padded.slice(end + 1) : undefined;
}

/** What is signed; undefined if the digest is none of `hash`. */
function digestInfo(hash: RsaHashName, digest: Uint8Array): Uint8Array | undefined {
  if (hash === "NO_HASH") return digest;
  const [prefix, length] = DIGEST_INFO[hash];
  if (digest.length !== length) return undefined;
  const bytes = prefix.match(/../g) ?? [];
  return Uint8Array.of(...bytes.map((byte) => Number.parseInt(byte, 16)), ...digest);
}

/**
 * A SEQUENCE of INTEGERs, and nothing else. The numbers of a key are not negative, so that one without the zero
 * in front of its first bit is a larger one: Linux reads them like that, and tries it before it uses a device.
 */
function parseIntegers(der: Uint8Array): bigint[] | undefined {
  const whole = parseElement(der, 0, 0x30);
  if (whole === undefined || whole.end !== der.length) return undefined;
  const numbers: bigint[] = [];
  for (let at = whole.start; at < whole.end; ) {
    const element = parseElement(der, at, 0x02);
    if (element === undefined || element.start === element.end) return undefined;
    numbers.push(numberOf(der.subarray(element.start, element.end)));
    at = element.end;
  }
  return numbers;
}

/** Where the contents of an element of a definite length are. */
function parseElement(der: Uint8Array, at: number, tag: number) {
  if (at + 2 > der.length || der[at] !== tag) return undefined;
  const first = der[at + 1];
  const more = first < 0x80 ? 0 : first & 0x7f;
  // Two bytes are enough for keys that are served, and none is a length that is not known.
  if ((first >= 0x80 && more === 0) || more > 2 || at + 2 + more > der.length) return undefined;
  let length = more === 0 ? first : 0;
  for (let i = 0; i < more; i++) length = length * 256 + der[at + 2 + i];
  const start = at + 2 + more;
  return start + length <= der.length ? { start, end: start + length } : undefined;
}

function isModulus(n: bigint): boolean {
  const bits = bitsOf(n);
  return bits >= RSA_MODULUS_BITS_MIN && bits <= RSA_MODULUS_BITS_MAX && (n & 1n) === 1n;
}

function isExponent(e: bigint, n: bigint): boolean {
  return e > 1n && e < n && bitsOf(e) <= RSA_PUBLIC_EXPONENT_BITS_MAX;
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

function bitsOf(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${hexOf(bytes) || "0"}`);
}

/** In network order, with zeros in front. */
function bytesOf(value: bigint, length: number): Uint8Array {
  const digits = value.toString(16).padStart(2 * length, "0");
  return Uint8Array.from({ length }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
