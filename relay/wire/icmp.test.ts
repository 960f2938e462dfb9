import { expect, it } from "vitest";
import { buildIcmp, IcmpType, parseIcmp, quoteForIcmp } from "./icmp.ts";

const echo = {
  type: IcmpType.echoRequest,
  code: 0,
  identifier: 7,
  sequence: 0xfffe,
  data: Uint8Array.of(1, 2, 3),
};

it("reads the message it built", () => {
  expect(parseIcmp(buildIcmp(echo))).toEqual(echo);
});

it("refuses a message that is cut short or damaged", () => {
  const bytes = buildIcmp(echo);
  expect(parseIcmp(bytes.subarray(0, 7))).toBeUndefined();
  bytes[9] ^= 1;
  expect(parseIcmp(bytes)).toBeUndefined();
});

it("quotes the header and at most eight bytes", () => {
  const header = new Uint8Array(24).fill(1);
  expect(quoteForIcmp(header, new Uint8Array(100)).length).toBe(32);
  expect(quoteForIcmp(header, new Uint8Array(3)).length).toBe(27);
});
