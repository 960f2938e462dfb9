/** The crypto device, driven by the embedded Linux. */
import {
  createCipheriv,
  createHash,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  constants as rsa,
  sign,
} from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { cryptoAlgorithms } from "../host/crypto-algorithms.ts";
import { CryptoDevice } from "../virtio/devices/crypto.ts";
import { steadyEntropy } from "./testing/linux-devices.ts";
import { hasGuest, isNewerGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const USER = new URL("testing/crypto-user.c", import.meta.url);

const counted = (length: number, from = 0) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => i + from));

/** More than a page. */
const DATA = counted(4112);

describe.skipIf(!hasGuest)("the crypto device in Linux", () => {
  const device = new CryptoDevice("crypto0", cryptoAlgorithms(steadyEntropy));
  let session: LinuxSession;

  /** Makes a file in the guest, by lines that its shell can take. */
  async function put(name: string, bytes: Uint8Array): Promise<void> {
    const lines =
      Buffer.from(bytes)
        .toString("hex")
        .match(/.{1,64}/g) ?? [];
    session.type(`xxd -r -p > ${name} <<'END'\n${lines.join("\n")}\nEND\n`);
    await session.command(`wc -c ${name}`);
  }

  /** What the program prints, by name. */
  async function use(...args: readonly string[]): Promise<Record<string, string>> {
    const output = await session.command(`./cu ${args.join(" ")} 2>&1`);
    return Object.fromEntries(
      [...output.matchAll(/^(\w+)=(\S*)\r$/gm)].map(([, name, value]) => [name, value]),
    );
  }

  beforeAll(async () => {
    session = new LinuxSession({ attach: (machine) => machine.attach(device) });
    await session.until(PROMPT);
    await session.compile(USER, "cu");
    await session.command("modprobe virtio_crypto");
    await put("pages", DATA);
  }, 2 * LIMIT_MS);

  it("is used by the kernel's driver", { timeout: LIMIT_MS }, async () => {
    const list = await session.command("grep -A3 virtio /proc/crypto");
    expect(list).toContain("virtio_crypto_aes_cbc");
    expect(list).toContain("virtio-crypto-rsa");
  });

  // A newer Linux has programs use ciphers that answer at once only; the kernel itself uses others.
  it.skipIf(isNewerGuest).each([128, 192, 256])(
    "encrypts and decrypts as OpenSSL does: AES-%i-CBC",
    { timeout: LIMIT_MS },
    async (bits) => {
      const [key, iv] = [counted(bits / 8), counted(16, 7)];
      const cipher = createCipheriv(`aes-${bits}-cbc`, key, iv).setAutoPadding(false);
      const before = device.counters();
      expect(
        await use("virtio_crypto_aes_cbc", key.toString("hex"), iv.toString("hex"), "pages"),
      ).toEqual({
        made: cipher.update(DATA).toString("hex"),
        back: "same",
      });
      expect(device.counters().refused).toBe(before.refused);
      // Both directions, and their sessions are gone with the socket.
      expect(device.counters().bytes - before.bytes).toBeGreaterThanOrEqual(4 * DATA.length);
      expect(device.counters().sessions).toBe(before.sessions);
    },
  );

  it("signs and decrypts with a private key as OpenSSL does", { timeout: LIMIT_MS }, async () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const der = privateKey.export({ format: "der", type: "pkcs8" });
    await put("key", der);
    await session.command("modprobe -a public_key pkcs8_key_parser");
    const text = Buffer.from("text");
    const digest = createHash("sha256").update(text).digest();
    await put("digest", digest);
    const before = device.counters();
    const { made, ...rest } = await use("rsa", "key", "'enc=pkcs1 hash=sha256'", "digest");
    expect(rest).toEqual({
      back: digest.toString("hex"),
      signed: sign("sha256", text, privateKey).toString("hex"),
      right: "0",
      wrong: "-1",
    });
    const padded = { key: privateKey, padding: rsa.RSA_NO_PADDING };
    expect(privateDecrypt(padded, Buffer.from(made, "hex")).subarray(-32)).toEqual(digest);
    const data = counted(128);
    await put("data", data);
    const raw = await use("rsa", "key", "enc=raw", "data");
    const expected = publicEncrypt({ key: publicKey, padding: rsa.RSA_NO_PADDING }, data);
    expect(raw).toEqual({ made: expected.toString("hex"), back: data.toString("hex") });
    expect(device.counters().requests).toBeGreaterThan(before.requests + 10);
  });
});
