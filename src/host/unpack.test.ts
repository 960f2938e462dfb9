import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { unpacked } from "./unpack.ts";

const CONTENTS = new TextEncoder().encode("contents ".repeat(20));

function streamOf(bytes: Uint8Array, chunk: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull: (controller) => {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(Uint8Array.from(bytes.subarray(at, at + chunk)));
      at += chunk;
    },
  });
}

const tooLong = () => new RangeError("too long");

describe("a stream", () => {
  it("is unpacked if it is a gzip file, however its bytes come", async () => {
    const packed = new Uint8Array(gzipSync(CONTENTS));
    for (const chunk of [1, 2, 7, 1000]) {
      expect(await unpacked(streamOf(packed, chunk), { maxBytes: 1000, tooLong })).toEqual(
        CONTENTS,
      );
      expect(await unpacked(streamOf(CONTENTS, chunk), { maxBytes: 1000, tooLong })).toEqual(
        CONTENTS,
      );
    }
    for (const short of [Uint8Array.of(), Uint8Array.of(0x1f)]) {
      expect(await unpacked(streamOf(short, 1), { maxBytes: 1000, tooLong })).toEqual(short);
    }
  });

  it("is told of as it is read, and may have another length than was said", async () => {
    for (const expected of [-1, Number.NaN, 0, 1, CONTENTS.length, 2 ** 40]) {
      const read: number[] = [];
      const onRead = (bytes: number) => read.push(bytes);
      const reading = { maxBytes: 2 ** 41, tooLong, expected, onRead };
      expect(await unpacked(streamOf(CONTENTS, 100), reading)).toEqual(CONTENTS);
      expect(read).toEqual([100, CONTENTS.length]);
    }
  });

  it("is not read past its limit, packed or not", async () => {
    const packed = new Uint8Array(gzipSync(CONTENTS));
    for (const bytes of [packed, CONTENTS]) {
      await unpacked(streamOf(bytes, 7), { maxBytes: CONTENTS.length, tooLong });
      const reading = unpacked(streamOf(bytes, 7), { maxBytes: CONTENTS.length - 1, tooLong });
      await expect(reading).rejects.toThrow("too long");
    }
  });
});
