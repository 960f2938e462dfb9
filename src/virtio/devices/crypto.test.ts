import {
  createCipheriv,
  createHash,
  createHmac,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  constants as rsa,
  sign,
  verify,
} from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { cryptoAlgorithms } from "../../host/crypto-algorithms.ts";
import { Status } from "../spec.ts";
import {
  aeadSession,
  cipherFields,
  cipherSession,
  controlRequest,
  dataRequest,
} from "../testing/crypto-driver.ts";
import { TestDriver } from "../testing/driver.ts";
import { WorkBudget } from "../work.ts";
import { CRYPTO_SESSIONS_MAX, CryptoDevice } from "./crypto.ts";
import {
  AeadAlgo,
  AkcipherAlgo,
  AkcipherKeyType,
  CipherAlgo,
  CryptoControl as Control,
  CryptoConfig,
  CryptoDirection,
  CryptoOp,
  CryptoStatus,
  HashAlgo,
  MacAlgo,
  RsaHash,
  RsaPadding,
} from "./crypto-protocol.ts";
import { CRYPTO_REQUEST_MAX } from "./crypto-request.ts";
import { AUTH_KEY_MAX, CIPHER_KEY_MAX, RSA_KEY_MAX } from "./crypto-session.ts";

const { OK, ERR, BADMSG, NOTSUPP, INVSESS, NOSPC, KEY_REJECTED } = CryptoStatus;
const { ENCRYPT, DECRYPT } = CryptoDirection;

const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const counted = (length: number, from = 0): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => i + from);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const NONE = new Uint8Array();

let fill = 1;
const steady = (into: Uint8Array) => {
  for (let i = 0; i < into.length; i++) into[i] = fill++;
};

interface Options {
  readonly packed?: boolean;
  /** As Linux: without REVISION_1. */
  readonly isLegacy?: boolean;
  readonly work?: WorkBudget;
}

function create({ packed = false, isLegacy = false, work }: Options = {}) {
  const device = new CryptoDevice("crypto0", cryptoAlgorithms(steady));
  const driver = new TestDriver(device, { packed, ramSize: 0x40_0000, ...(work && { work }) });
  driver.start(isLegacy ? { accept: ~1n } : {});
  const control = (opcode: number, fields: Uint8Array, key: Uint8Array = NONE) => {
    const queue = driver.queues[1];
    const parts = [controlRequest(opcode, fields, isLegacy), ...(key.length > 0 ? [key] : [])];
    const request = queue.add(parts, [16]);
    queue.kick();
    const used = queue.poll();
    return { used, answer: new DataView(queue.written(request).buffer), id: request.id };
  };
  /** The session's number, or the status with a minus. */
  const open = (opcode: number, fields: Uint8Array, key: Uint8Array = NONE): number => {
    const { used, answer, id } = control(opcode, fields, key);
    expect(used).toEqual([{ id, length: 16 }]);
    const status = answer.getUint32(8, true);
    return status === OK ? Number(answer.getBigUint64(0, true)) : -status;
  };
  const close = (opcode: number, session: number) =>
    control(opcode, words(session, 0)).answer.getUint8(0);
  /** Status and result; `room` is that for the result. */
  const run = (
    opcode: number,
    session: number,
    fields: Uint8Array,
    parts: Uint8Array[],
    room: number,
  ) => {
    const [queue] = driver.queues;
    const readable = [
      dataRequest(opcode, session, fields, isLegacy),
      ...parts.filter((part) => part.length > 0),
    ];
    const request = queue.add(readable, room > 0 ? [room, 1] : [1]);
    queue.kick();
    const [{ id, length }] = queue.poll();
    expect(id).toBe(request.id);
    const bytes = queue.written(request);
    return { status: bytes[room], output: bytes.slice(0, room), length };
  };
  const cipher = (algo: number, key: Uint8Array, direction: number) =>
    open(Control.CIPHER_CREATE_SESSION, cipherSession(algo, key.length, direction), key);
  return { device, driver, control, open, close, run, cipher };
}

const LAYOUTS = [false, true].flatMap((packed) =>
  [false, true].map((isLegacy) => ({ packed, isLegacy })),
);

describe.each(LAYOUTS)("the crypto device, packed $packed, as Linux $isLegacy", (options) => {
  it.each([
    ["AES_ECB", "ecb", 0],
    ["AES_CBC", "cbc", 16],
    ["AES_CTR", "ctr", 16],
  ] as const)("computes what OpenSSL does: %s", (name, mode, ivLength) => {
    const { cipher, run, close } = create(options);
    for (const bits of [128, 192, 256]) {
      const key = counted(bits / 8, 3);
      const iv = counted(ivLength, 0xf8);
      const data = counted(name === "AES_CTR" ? 77 : 80);
      const openssl = createCipheriv(`aes-${bits}-${mode}`, key, ivLength > 0 ? iv : null);
      const expected = openssl.setAutoPadding(false).update(data);
      const encryption = cipher(CipherAlgo[name], key, ENCRYPT);
      const fields = cipherFields(ivLength, data.length);
      const { status, output, length } = run(
        CryptoOp.CIPHER_ENCRYPT,
        encryption,
        fields,
        [iv, data],
        data.length,
      );
      expect([status, length, hex(output)]).toEqual([OK, data.length + 1, hex(expected)]);
      const decryption = cipher(CipherAlgo[name], key, DECRYPT);
      const back = run(CryptoOp.CIPHER_DECRYPT, decryption, fields, [iv, output], data.length);
      expect([back.status, hex(back.output)]).toEqual([OK, hex(data)]);
      expect(close(Control.CIPHER_DESTROY_SESSION, encryption)).toBe(OK);
      expect(run(CryptoOp.CIPHER_ENCRYPT, encryption, fields, [iv, data], 80).status).toBe(INVSESS);
    }
  });

  it.each(Object.entries(HashAlgo))("computes what OpenSSL does: %s", (name, algo) => {
    const { open, run } = create(options);
    const openssl = name.startsWith("SHA3") ? name.replace("_", "-") : name.replace("_", "");
    const session = open(Control.HASH_CREATE_SESSION, words(algo, 16));
    for (const length of [0, 1, 200]) {
      const expected = createHash(openssl).update(counted(length)).digest();
      const fields = words(length, expected.length);
      const { status, output } = run(
        CryptoOp.HASH,
        session,
        fields,
        [counted(length)],
        expected.length,
      );
      expect([status, hex(output)]).toEqual([OK, hex(expected)]);
    }
    const short = run(CryptoOp.HASH, session, words(1, 4), [counted(1)], 4);
    expect(short.output).toEqual(
      new Uint8Array(createHash(openssl).update(counted(1)).digest().subarray(0, 4)),
    );
  });

  it.each(Object.entries(MacAlgo))("computes what OpenSSL does: %s", (name, algo) => {
    const { open, run } = create(options);
    const hash = name.replace("HMAC_", "").replace("_", "");
    for (const keyLength of [0, 20, AUTH_KEY_MAX]) {
      const key = counted(keyLength);
      const session = open(Control.MAC_CREATE_SESSION, words(algo, 16, keyLength, 0), key);
      const expected = createHmac(hash, key).update(counted(99)).digest();
      const fields = words(99, expected.length);
      const { status, output } = run(CryptoOp.MAC, session, fields, [counted(99)], expected.length);
      expect([status, hex(output)]).toEqual([OK, hex(expected)]);
    }
  });

  it.each([
    ["GCM", "aes-128-gcm", 16],
    ["GCM", "aes-256-gcm", 32],
    ["CHACHA20_POLY1305", "chacha20-poly1305", 32],
  ] as const)(
    "computes what OpenSSL does, and tells what was altered: %s",
    (name, openssl, keyLength) => {
      const { open, run } = create(options);
      const [key, iv, aad] = [counted(keyLength), counted(12), counted(7)];
      const session = (direction: number) =>
        open(Control.AEAD_CREATE_SESSION, aeadSession(AeadAlgo[name], keyLength, direction), key);
      for (const length of [0, 1, 64, 100]) {
        const data = counted(length, 9);
        const cipher = createCipheriv(openssl as "aes-128-gcm", key, iv, { authTagLength: 16 });
        cipher.setAAD(aad, { plaintextLength: length });
        const expected = Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
        const size = expected.length;
        const fields = words(12, 7, length, size, 16, 0);
        const made = run(CryptoOp.AEAD_ENCRYPT, session(ENCRYPT), fields, [iv, data, aad], size);
        expect([made.status, hex(made.output)]).toEqual([OK, hex(expected)]);
        const decryption = session(DECRYPT);
        const back = words(12, 7, size, length, 16, 0);
        const read = run(CryptoOp.AEAD_DECRYPT, decryption, back, [iv, made.output, aad], length);
        expect([read.status, hex(read.output)]).toEqual([OK, hex(data)]);
        const altered = made.output.with(length, made.output[length] ^ 1);
        const bad = run(CryptoOp.AEAD_DECRYPT, decryption, back, [iv, altered, aad], length);
        expect([bad.status, hex(bad.output)]).toEqual([BADMSG, hex(new Uint8Array(length))]);
      }
    },
  );

  it("puts the status last and leaves what is between alone", () => {
    const { cipher, run } = create(options);
    const session = cipher(CipherAlgo.AES_CBC, counted(16), ENCRYPT);
    const fields = cipherFields(16, 16);
    const { status, output, length } = run(
      CryptoOp.CIPHER_ENCRYPT,
      session,
      fields,
      [counted(16), counted(16)],
      50,
    );
    expect([status, length]).toEqual([OK, 16]);
    expect(output.subarray(16)).toEqual(new Uint8Array(34));
  });
});

describe("RSA", () => {
  const pair = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const privateDer = pair.privateKey.export({ format: "der", type: "pkcs1" });
  const publicDer = pair.publicKey.export({ format: "der", type: "pkcs1" });
  const padded = { key: pair.privateKey, padding: rsa.RSA_PKCS1_PADDING };
  let harness: ReturnType<typeof create>;
  beforeAll(() => {
    harness = create();
  });

  const open = (type: number, der: Uint8Array, padding: number, hash: number = RsaHash.SHA256) =>
    harness.open(
      Control.AKCIPHER_CREATE_SESSION,
      words(AkcipherAlgo.RSA, type, der.length, padding, hash),
      der,
    );
  const publicKey = (padding: number) => open(AkcipherKeyType.PUBLIC, publicDer, padding);
  const privateKey = (padding: number) => open(AkcipherKeyType.PRIVATE, privateDer, padding);
  const run = (opcode: number, session: number, data: Uint8Array, room = 128) =>
    harness.run(opcode, session, words(data.length, room), [data], room);

  it("computes without padding what OpenSSL does", () => {
    const data = counted(128);
    const { status, output, length } = run(
      CryptoOp.AKCIPHER_ENCRYPT,
      publicKey(RsaPadding.RAW),
      data,
    );
    const raw = { key: pair.publicKey, padding: rsa.RSA_NO_PADDING };
    expect([status, length, hex(output)]).toEqual([OK, 129, hex(publicEncrypt(raw, data))]);
    const back = run(CryptoOp.AKCIPHER_DECRYPT, privateKey(RsaPadding.RAW), output);
    expect([back.status, hex(back.output)]).toEqual([OK, hex(data)]);
  });

  it("pads, and tells how long what was padded is", () => {
    const { status, output } = run(
      CryptoOp.AKCIPHER_ENCRYPT,
      publicKey(RsaPadding.PKCS1),
      counted(9),
    );
    expect(status).toBe(OK);
    const raw = { key: pair.privateKey, padding: rsa.RSA_NO_PADDING };
    const plain = privateDecrypt(raw, output);
    expect(plain.subarray(0, 2)).toEqual(Buffer.of(0, 2));
    expect(plain.subarray(2, 118).includes(0)).toBe(false);
    expect(plain.subarray(118)).toEqual(Buffer.of(0, ...counted(9)));
    const theirs = publicEncrypt({ ...padded, key: pair.publicKey }, counted(9));
    const back = run(CryptoOp.AKCIPHER_DECRYPT, privateKey(RsaPadding.PKCS1), theirs);
    expect([back.status, back.length, hex(back.output.subarray(0, 10))]).toEqual([
      OK,
      10,
      `${hex(counted(9))}00`,
    ]);
  });

  it.each([
    ["sha1", "SHA1"],
    ["sha256", "SHA256"],
    ["sha384", "SHA384"],
    ["sha512", "SHA512"],
  ] as const)("signs and verifies: %s", (name, hash) => {
    const text = Buffer.from("text");
    const digest = createHash(name).update(text).digest();
    const signing = open(AkcipherKeyType.PRIVATE, privateDer, RsaPadding.PKCS1, RsaHash[hash]);
    const { status, output } = run(CryptoOp.AKCIPHER_SIGN, signing, digest);
    expect([status, hex(output)]).toEqual([OK, hex(sign(name, text, padded))]);
    expect(verify(name, text, pair.publicKey, output)).toBe(true);
    const verifying = open(AkcipherKeyType.PUBLIC, publicDer, RsaPadding.PKCS1, RsaHash[hash]);
    const check = (signature: Uint8Array, told: Uint8Array) =>
      harness.run(
        CryptoOp.AKCIPHER_VERIFY,
        verifying,
        words(signature.length, told.length),
        [signature, told],
        0,
      ).status;
    expect(check(output, digest)).toBe(OK);
    expect(check(output.with(5, output[5] ^ 1), digest)).toBe(KEY_REJECTED);
    expect(check(output, digest.fill(1, 0, 1))).toBe(KEY_REJECTED);
    expect(check(output.subarray(1), digest)).toBe(KEY_REJECTED);
  });

  it("refuses what the key or its session cannot do", () => {
    const [raw, bare] = [publicKey(RsaPadding.PKCS1), publicKey(RsaPadding.RAW)];
    expect(run(CryptoOp.AKCIPHER_DECRYPT, raw, counted(128)).status).toBe(ERR);
    expect(run(CryptoOp.AKCIPHER_SIGN, raw, counted(32)).status).toBe(ERR);
    expect(run(CryptoOp.AKCIPHER_SIGN, bare, counted(32)).status).toBe(NOTSUPP);
    expect(run(CryptoOp.AKCIPHER_VERIFY, bare, counted(128), 0).status).toBe(NOTSUPP);
    expect(run(CryptoOp.AKCIPHER_ENCRYPT, raw, counted(118)).status).toBe(ERR);
    expect(run(CryptoOp.AKCIPHER_ENCRYPT, bare, new Uint8Array(128).fill(255)).status).toBe(ERR);
    expect(run(CryptoOp.AKCIPHER_ENCRYPT, bare, counted(129)).status).toBe(ERR);
    expect(run(CryptoOp.AKCIPHER_ENCRYPT, bare, counted(128), 127).status).toBe(ERR);
    const signing = privateKey(RsaPadding.PKCS1);
    expect(run(CryptoOp.AKCIPHER_SIGN, signing, counted(31)).status).toBe(ERR);
    expect(run(CryptoOp.AKCIPHER_DECRYPT, signing, counted(128)).status).toBe(ERR);
  });

  it("refuses what is no key", () => {
    const attempt = (der: Uint8Array, type: number = AkcipherKeyType.PRIVATE) =>
      open(type, der, RsaPadding.RAW);
    expect(attempt(publicDer)).toBe(-ERR);
    expect(attempt(privateDer, AkcipherKeyType.PUBLIC)).toBe(-ERR);
    expect(attempt(privateDer, 3)).toBe(-ERR);
    expect(attempt(new Uint8Array(RSA_KEY_MAX + 1))).toBe(-ERR);
    for (const at of [0, 1, 2, 8, 40, 300, 400]) {
      const broken = new Uint8Array(privateDer);
      broken[at] ^= 0x81;
      expect(attempt(broken), `byte ${at}`).toBe(-ERR);
    }
    expect(attempt(privateDer.subarray(0, 200))).toBe(-ERR);
    expect(open(AkcipherKeyType.PUBLIC, publicDer, 2)).toBe(-NOTSUPP);
    expect(open(AkcipherKeyType.PUBLIC, publicDer, RsaPadding.PKCS1, 3)).toBe(-NOTSUPP);
  });
});

describe("a guest that asks for what is not there", () => {
  it("is told so for sessions", () => {
    const { open, control, close, cipher } = create();
    expect(cipher(1, counted(16), ENCRYPT)).toBe(-NOTSUPP);
    expect(cipher(CipherAlgo.AES_CBC, counted(17), ENCRYPT)).toBe(-ERR);
    expect(cipher(CipherAlgo.AES_CBC, counted(16), 3)).toBe(-ERR);
    const fields = cipherSession(CipherAlgo.AES_CBC, 16, ENCRYPT);
    expect(open(Control.CIPHER_CREATE_SESSION, fields, counted(15))).toBe(-ERR);
    expect(open(Control.CIPHER_CREATE_SESSION, fields.with(48, 2), counted(16))).toBe(-NOTSUPP);
    expect(open(Control.HASH_CREATE_SESSION, words(11, 16))).toBe(-NOTSUPP);
    expect(open(Control.HASH_CREATE_SESSION, words(HashAlgo.MD5, 17))).toBe(-ERR);
    const mac = (length: number) => words(MacAlgo.HMAC_MD5, 16, length, 0);
    expect(open(Control.MAC_CREATE_SESSION, mac(AUTH_KEY_MAX + 1), counted(AUTH_KEY_MAX + 1))).toBe(
      -ERR,
    );
    expect(open(Control.MAC_CREATE_SESSION, mac(9), counted(8))).toBe(-ERR);
    expect(
      open(Control.AEAD_CREATE_SESSION, aeadSession(AeadAlgo.GCM, 16, ENCRYPT, 12), counted(16)),
    ).toBe(-NOTSUPP);
    expect(control(0x999, words(0, 0)).answer.getUint8(0)).toBe(NOTSUPP);
    const session = open(Control.HASH_CREATE_SESSION, words(HashAlgo.MD5, 16));
    expect(close(Control.MAC_DESTROY_SESSION, session)).toBe(ERR);
    expect(close(Control.HASH_DESTROY_SESSION, session + 1)).toBe(ERR);
    expect(close(Control.HASH_DESTROY_SESSION, session)).toBe(OK);
  });

  it("is told so for data, and nothing is written", () => {
    const { cipher, run, driver } = create();
    const session = cipher(CipherAlgo.AES_CBC, counted(16), ENCRYPT);
    const parts = [counted(16), counted(16)];
    const attempt = (fields: Uint8Array, opcode: number = CryptoOp.CIPHER_ENCRYPT, room = 16) => {
      const { status, output, length } = run(opcode, session, fields, parts, room);
      expect([hex(output), length]).toEqual([hex(new Uint8Array(room)), room === 0 ? 1 : 0]);
      return status;
    };
    expect(attempt(cipherFields(15, 16))).toBe(ERR);
    expect(attempt(cipherFields(16, 15))).toBe(ERR);
    expect(attempt(cipherFields(16, 32))).toBe(ERR);
    expect(attempt(cipherFields(16, 16, 15))).toBe(ERR);
    expect(attempt(cipherFields(16, 16, 17))).toBe(ERR);
    expect(attempt(cipherFields(16, 2 ** 32 - 16))).toBe(ERR);
    expect(attempt(cipherFields(16, 16).with(40, 2))).toBe(NOTSUPP);
    expect(attempt(cipherFields(16, 16), CryptoOp.CIPHER_DECRYPT)).toBe(ERR);
    expect(attempt(words(16, 16), CryptoOp.HASH)).toBe(INVSESS);
    expect(attempt(words(16, 16), 0x177)).toBe(NOTSUPP);
    expect(attempt(cipherFields(16, 16), CryptoOp.CIPHER_ENCRYPT, 0)).toBe(ERR);
    const stateless = dataRequest(CryptoOp.CIPHER_ENCRYPT, session, cipherFields(16, 16)).with(
      16,
      0,
    );
    const [queue] = driver.queues;
    const request = queue.add([stateless, ...parts], [16, 1]);
    queue.kick();
    expect(queue.written(request)[16]).toBe(NOTSUPP);
  });

  it("gets nothing done by a request that is too large", () => {
    const { cipher, run, driver } = create();
    const session = cipher(CipherAlgo.AES_CTR, counted(16), ENCRYPT);
    const most = CRYPTO_REQUEST_MAX / 2 - 8;
    expect(driver.config(CryptoConfig.MAX_SIZE, 4)).toBe(CRYPTO_REQUEST_MAX);
    const attempt = (length: number) =>
      run(
        CryptoOp.CIPHER_ENCRYPT,
        session,
        cipherFields(16, length),
        [counted(16), new Uint8Array(length)],
        length,
      ).status;
    expect(attempt(most)).toBe(OK);
    expect(attempt(most + 1)).toBe(ERR);
  });

  it("cannot have sessions without end", () => {
    for (const isLegacy of [false, true]) {
      const { open, close, device } = create({ isLegacy });
      const attempt = () => open(Control.HASH_CREATE_SESSION, words(HashAlgo.MD5, 16));
      for (let i = 0; i < CRYPTO_SESSIONS_MAX; i++) expect(attempt()).toBe(i + 1);
      expect(attempt()).toBe(isLegacy ? -ERR : -NOSPC);
      expect(close(Control.HASH_DESTROY_SESSION, 7)).toBe(OK);
      expect(attempt()).toBe(CRYPTO_SESSIONS_MAX + 1);
      expect(device.counters().sessions).toBe(CRYPTO_SESSIONS_MAX);
    }
  });

  it("has no session after a reset, and the same ones after a load", () => {
    const { cipher, run, driver } = create();
    const session = cipher(CipherAlgo.AES_CBC, counted(CIPHER_KEY_MAX), ENCRYPT);
    const attempt = () =>
      run(CryptoOp.CIPHER_ENCRYPT, session, cipherFields(16, 16), [counted(16), counted(16)], 16);
    const before = attempt();
    driver.transport.load(structuredClone(driver.transport.save()));
    expect(attempt()).toEqual(before);
    driver.start();
    expect(attempt().status).toBe(INVSESS);
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("waits for its turn after as much as a turn can compute", () => {
    let turns = 0;
    const work = new WorkBudget(() => turns++);
    const { cipher, driver } = create({ work });
    const session = cipher(CipherAlgo.AES_CBC, counted(16), ENCRYPT);
    work.renew();
    const [queue] = driver.queues;
    const length = 32 * 1024;
    const head = dataRequest(CryptoOp.CIPHER_ENCRYPT, session, cipherFields(16, length));
    for (let i = 0; i < 5; i++) {
      queue.add([head, new Uint8Array(16 + length)], [length, 1]);
    }
    const answers: number[] = [];
    queue.kick();
    answers.push(queue.poll().length);
    while (work.hasWaiting) {
      work.renew();
      answers.push(queue.poll().length);
    }
    expect(answers).toEqual([2, 2, 1]);
  });
});
