import { readFileSync } from "node:fs";
import { expect, test } from "./fixtures.ts";

const USER = new URL("../src/machine/testing/crypto-user.c", import.meta.url);

test("encrypts for the guest's kernel", async ({ vm, site }) => {
  await vm.boot(`${site}?crypto=1&rtc=1&disk=none&relay=none`);
  expect(await vm.run("cat /sys/bus/virtio/devices/*/device | grep -c -E '0x0011|0x0014'")).toBe(
    "2",
  );
  await vm.write("cu.c", readFileSync(USER, "utf8"));
  await vm.run("echo 6bc1bee22e409f96e93d7e117393172a | xxd -r -p > data");
  await vm.run("tcc -w -o cu cu.c && modprobe virtio_crypto");
  // The first block of F.2.1 in NIST SP 800-38A.
  const [key, iv] = ["2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f"];
  expect(await vm.run(`./cu virtio_crypto_aes_cbc ${key} ${iv} data`)).toMatch(
    /^made=7649abac8119b246cee98e9b12e9197d\s+back=same$/,
  );
});
