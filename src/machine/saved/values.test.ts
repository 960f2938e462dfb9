import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeValue, encodeValue } from "./values.ts";

function roundTrip(value: unknown): unknown {
  const { json, blobs } = encodeValue(value);
  return decodeValue(json, new Uint8Array(Buffer.concat(blobs)));
}

it("gives plain values back", () => {
  const leaf = fc.oneof(
    fc.string(),
    fc.bigInt(),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((x) => !Object.is(x, -0)),
    fc.constant(null),
    fc.constant(undefined),
    fc.uint8Array(),
    fc.uint8ClampedArray(),
  );
  const key = fc.string().filter((name) => name !== "$" && name !== "__proto__");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, tie("list"), tie("record")),
    list: fc.array(tie("value")),
    record: fc.dictionary(key, tie("value"), { noNullPrototype: true }),
  }));
  fc.assert(
    fc.property(value, (plain) => {
      expect(roundTrip(plain)).toEqual(plain);
    }),
  );
});

it("copies bytes at once", () => {
  const bytes = Uint8Array.of(1, 2);
  const { json, blobs } = encodeValue({ bytes });
  bytes.fill(9);
  expect(decodeValue(json, blobs[0])).toEqual({ bytes: Uint8Array.of(1, 2) });
});

it("refuses what is not plain", () => {
  for (const value of [() => 1, new Map(), Number.NaN, Infinity, { $: 1 }, Symbol.iterator]) {
    expect(() => encodeValue({ value })).toThrow(TypeError);
  }
});

it("refuses bytes that are not there, and kinds that it does not know", () => {
  for (const tag of ['["bytes",0,2]', '["bytes",-1,1]', '["clamped",0.5,0]', '["odd"]', "1"]) {
    expect(() => decodeValue(`{"$":${tag}}`, Uint8Array.of(1))).toThrow(Error);
  }
});
