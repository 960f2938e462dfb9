import { expect, it } from "vitest";
import { ARP_LENGTH, ArpOperation, parseArp, writeArp } from "./arp.ts";

const packet = {
  operation: ArpOperation.request,
  senderMac: 0x5254_0012_3456,
  senderAddress: 0x0a00_020f,
  targetMac: 0,
  targetAddress: 0x0a00_0202,
};

function bytesOf(): Uint8Array {
  const bytes = new Uint8Array(ARP_LENGTH + 2);
  writeArp(bytes, 2, packet);
  return bytes;
}

it("reads the packet it wrote", () => {
  expect(parseArp(bytesOf(), 2)).toEqual(packet);
});

it("refuses a packet that is cut short", () => {
  expect(parseArp(bytesOf().subarray(0, ARP_LENGTH + 1), 2)).toBeUndefined();
});

it.each([
  ["hardware type", 3],
  ["protocol type", 4],
  ["hardware length", 6],
  ["protocol length", 7],
])("refuses another %s", (_field, at) => {
  const bytes = bytesOf();
  bytes[at] += 1;
  expect(parseArp(bytes, 2)).toBeUndefined();
});
