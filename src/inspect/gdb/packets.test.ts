import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodePacket,
  fromHex,
  hexToValue,
  MAX_PAYLOAD_BYTES,
  PacketReader,
  toHex,
  valueToHex,
} from "./packets.ts";

const text = (content: string) => Uint8Array.from(content, (c) => c.charCodeAt(0));
const read = (content: string) => [...new PacketReader().read(text(content))];
const payload = fc.uint8Array({ maxLength: 200 }).map((bytes) => String.fromCharCode(...bytes));

describe("packets", () => {
  it("come with acknowledgements and interrupts between them", () => {
    expect(read("+$g#67\x03-")).toEqual([
      { kind: "ack" },
      { kind: "packet", payload: "g" },
      { kind: "interrupt" },
      { kind: "nack" },
    ]);
  });

  it("are damaged by a wrong checksum, and by one that is none", () => {
    expect(read("$g#68$g#xy")).toEqual([{ kind: "damaged" }, { kind: "damaged" }]);
  });

  it("begin anew where the end of one was lost", () => {
    expect(read("$m80$g#67")).toEqual([{ kind: "packet", payload: "g" }]);
  });

  it("may not be too long, and the next is read all the same", () => {
    const long = "a".repeat(MAX_PAYLOAD_BYTES + 1);
    expect(read(`$${long}#00$g#67`).map(({ kind }) => kind)).toEqual(["damaged", "packet"]);
  });

  it("are read as they were written, in whatever pieces they come", () => {
    fc.assert(
      fc.property(fc.array(payload), fc.integer({ min: 1, max: 7 }), (payloads, size) => {
        const bytes = payloads.flatMap((one) => [...encodePacket(one)]);
        const reader = new PacketReader();
        const found: unknown[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          found.push(...reader.read(Uint8Array.from(bytes.slice(at, at + size))));
        }
        expect(found).toEqual(payloads.map((one) => ({ kind: "packet", payload: one })));
      }),
    );
  });
});

describe("hexadecimal", () => {
  it("goes there and back", () => {
    expect(toHex(Uint8Array.of(0, 0x7f, 0xff))).toBe("007fff");
    expect(fromHex("007fFF")).toEqual(Uint8Array.of(0, 0x7f, 0xff));
    expect([fromHex("0"), fromHex("0g")]).toEqual([undefined, undefined]);
  });

  it("has values in the target's order", () => {
    expect(valueToHex(0x8000_0001n)).toBe("0100008000000000");
    expect(hexToValue("01000080")).toBe(0x8000_0001n);
    expect([hexToValue(""), hexToValue("00".repeat(9))]).toEqual([undefined, undefined]);
  });
});
