import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { expect, it } from "vitest";
import {
  parseRsaKey,
  RSA_MODULUS_BITS_MAX,
  RSA_MODULUS_BITS_MIN,
  RSA_PRIME_BITS_MAX,
  RSA_PUBLIC_EXPONENT_BITS_MAX,
} from "./rsa.ts";

const random = (into: Uint8Array) => void into.fill(7);

/** An element of DER. */
function element(tag: number, contents: Buffer): Buffer {
  const { length } = contents;
  const size = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), contents]);
}

function integer(value: bigint): Buffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  return element(2, bytes[0] >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

const sequence = (...values: bigint[]) => element(0x30, Buffer.concat(values.map(integer)));
const isPublic = (n: bigint, e: bigint) => parseRsaKey(sequence(n, e), false, random) !== undefined;
const isPrivate = (...values: bigint[]) =>
  parseRsaKey(sequence(...values), true, random) !== undefined;

it("takes keys up to a size", () => {
  const modulus = (bits: number) => 2n ** BigInt(bits) - 1n;
  expect(isPublic(modulus(RSA_MODULUS_BITS_MIN), 3n)).toBe(true);
  expect(isPublic(modulus(RSA_MODULUS_BITS_MIN - 1), 3n)).toBe(false);
  expect(isPublic(modulus(RSA_MODULUS_BITS_MAX), 3n)).toBe(true);
  expect(isPublic(modulus(RSA_MODULUS_BITS_MAX) + 2n, 3n)).toBe(false);
  const n = modulus(1024);
  expect(isPublic(n, modulus(RSA_PUBLIC_EXPONENT_BITS_MAX))).toBe(true);
  expect(isPublic(n, modulus(RSA_PUBLIC_EXPONENT_BITS_MAX) + 2n)).toBe(false);
  expect(isPublic(n, 1n)).toBe(false);
  expect(isPublic(n - 1n, 3n)).toBe(false);
});

it("takes a private key only if its parts fit together", () => {
  const [p, q] = [2n ** 600n - 1n, 2n ** 500n - 1n];
  const key = [0n, p * q, 3n, 5n, p, q, 7n, 9n, 11n];
  expect(isPrivate(...key)).toBe(true);
  expect(isPrivate(...key.slice(0, 8))).toBe(false);
  const others = [1n, p * q + 2n, 2n ** 65n, p * q, p + 2n, q + 2n, p, q, p];
  for (const [i, value] of others.entries()) {
    expect(isPrivate(...key.with(i, value)), `number ${i}`).toBe(false);
  }
  const long = 2n ** BigInt(RSA_PRIME_BITS_MAX + 1) - 1n;
  expect(isPrivate(...key.with(1, long * q).with(4, long))).toBe(false);
  expect(isPrivate(...key.with(1, p).with(5, 1n).with(7, 0n))).toBe(false);
});

it("does not take what is no DER", () => {
  const good = sequence(2n ** 1024n - 1n, 3n);
  const isKey = (...parts: Uint8Array[]) =>
    parseRsaKey(Buffer.concat(parts), false, random) !== undefined;
  expect(isKey(good)).toBe(true);
  expect(isKey()).toBe(false);
  expect(isKey(good, Buffer.of(0))).toBe(false);
  for (let length = 1; length < good.length; length++)
    expect(isKey(good.subarray(0, length))).toBe(false);
  // Lengths that are not known, or of more bytes than there are, and no number at all.
  expect(isKey(Buffer.of(0x30, 0x80))).toBe(false);
  expect(isKey(Buffer.of(0x30, 0x84, 0, 0, 0, 0))).toBe(false);
  expect(isKey(element(0x30, Buffer.of(2, 0)))).toBe(false);
  expect(isKey(element(0x30, Buffer.of(2, 1, 0x80, 2, 1, 3)))).toBe(false);
  expect(isKey(element(0x31, good))).toBe(false);
});

it("takes a modulus that has no zero in front of its first bit", () => {
  const n = Buffer.alloc(RSA_MODULUS_BITS_MIN / 8, 0xff);
  const [exponent, data] = [Buffer.of(2, 1, 3), Buffer.alloc(RSA_MODULUS_BITS_MIN / 8, 5)];
  const keys = [element(2, n), element(2, Buffer.concat([Buffer.of(0), n]))].map((modulus) =>
    parseRsaKey(element(0x30, Buffer.concat([modulus, exponent])), false, random),
  );
  expect(keys[0]?.encryptRaw(data)).toBeDefined();
  expect(keys[0]?.encryptRaw(data)).toEqual(keys[1]?.encryptRaw(data));
});

it("signs with the longest key that is served", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: RSA_MODULUS_BITS_MAX });
  const key = parseRsaKey(privateKey.export({ format: "der", type: "pkcs1" }), true, random);
  const signature = key?.sign(
    "NO_HASH",
    Buffer.from("3031300d060960864801650304020105000420".padEnd(102, "1"), "hex"),
  );
  expect(signature?.length).toBe(512);
  expect(key?.verify("SHA256", signature!, Buffer.alloc(32, 0x11))).toBe(true);
  expect(verify("sha256", Buffer.of(1), createPublicKey(privateKey), signature!)).toBe(false);
});
