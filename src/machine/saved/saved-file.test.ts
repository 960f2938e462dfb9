import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { PAGE_BYTES } from "../../memory/guest-memory.ts";
import { LoadError } from "../load-error.ts";
import type { Bytes } from "./gzip.ts";
import {
  encodeHead,
  HEAD_MAX,
  openSavedFile,
  type SavedHead,
  writeSavedFile,
} from "./saved-file.ts";

const HEAD: SavedHead = {
  machine: { ramBytes: 1 << 20 },
  note: { title: "a machine" },
  state: { big: (1n << 63n) + 1n, bytes: Uint8Array.of(1, 2, 3), list: [1, undefined, null] },
  runs: [
    [0x8000_0000, 2],
    [0x8000_4000, 1],
  ],
};
const PAGES = Array.from({ length: 3 }, (_, i) => new Uint8Array(PAGE_BYTES).fill(i + 1));

async function bytesOf(pieces: AsyncIterable<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = [];
  for await (const piece of pieces) parts.push(piece);
  return new Uint8Array(Buffer.concat(parts));
}

const fileOf = (head: SavedHead, pages: Bytes[]) =>
  bytesOf(writeSavedFile(encodeHead(head), pages));

/** What a file has, or why it has nothing. */
async function read(pieces: Iterable<Bytes>): Promise<{ head: SavedHead; pages: Bytes } | string> {
  try {
    const { head, pages } = await openSavedFile(pieces);
    return { head, pages: await bytesOf(pages()) };
  } catch (error) {
    if (error instanceof LoadError) return error.what;
    throw error;
  }
}

describe("the file of a saved machine", () => {
  let file: Bytes;

  beforeAll(async () => {
    file = await fileOf(HEAD, PAGES);
  });

  it("gives back what was put in, in whatever pieces it comes", async () => {
    const pages = await bytesOf(
      (async function* () {
        yield* PAGES;
      })(),
    );
    for (const length of [1, 7, 4096, 1 << 20]) {
      const pieces: Bytes[] = [];
      for (let at = 0; at < file.length; at += length) pieces.push(file.slice(at, at + length));
      expect(await read(pieces)).toEqual({ head: HEAD, pages });
    }
  });

  it("is refused if it is none, or of another version", async () => {
    expect(await read([])).toContain("not a saved machine");
    expect(await read([new TextEncoder().encode("a text that is long enough")])).toContain("not a");
    const newer = file.slice();
    newer[8] = 2;
    expect(await read([newer])).toMatch(/version 2 .* reads 1/);
  });

  it("is refused wherever it is cut off", async () => {
    for (let length = 0; length < file.length; length++) {
      expect(typeof (await read([file.slice(0, length)]))).toBe("string");
    }
  });

  it("is refused with any damage, and never does harm", async () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(damage, async (flips) => {
        const broken = file.slice();
        for (const [at, mask] of flips) broken[at % file.length] ^= mask;
        const result = await read([broken]);
        // What differs may be no more than a field of gzip that says nothing, such as its time.
        if (typeof result !== "string") expect(result.head).toEqual(HEAD);
      }),
      { numRuns: 500 },
    );
  });

  it("is refused if its pages are others than its head says", async () => {
    for (const pages of [PAGES.slice(1), [...PAGES, PAGES[0]], []]) {
      expect(await read([await fileOf(HEAD, pages)])).toContain("damaged");
    }
  });

  it("is refused with runs of pages that cannot be", async () => {
    const impossible: unknown[] = [
      undefined,
      [[0x8000_0001, 1]],
      [[-4096, 1]],
      [[0x8000_0000, 0]],
      [[0x8000_0000, 0.5]],
      [[Number.MAX_SAFE_INTEGER + 1, 1]],
      [
        [0x8000_4000, 1],
        [0x8000_0000, 1],
      ],
      [
        [0x8000_0000, 2],
        [0x8000_1000, 1],
      ],
      [null],
    ];
    for (const runs of impossible) {
      const head = { ...HEAD, runs } as SavedHead;
      expect(await read([await fileOf(head, [])])).toContain("damaged");
    }
  });

  it("is not made if it could not be read again", () => {
    const state = { pixels: new Uint8Array(HEAD_MAX) };
    expect(() => encodeHead({ ...HEAD, state })).toThrow("hold too much");
  });

  it("is refused with a head that claims to be longer than any", async () => {
    const long = file.slice();
    new DataView(long.buffer).setUint32(12, 0xffff_ffff, true);
    expect(await read([long])).toContain("damaged");
  });
});
