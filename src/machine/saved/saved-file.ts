/**
 * The file of a saved machine, version 1. Numbers are little-endian.
 *
 *      0  8 bytes  "tabvisor"
 *      8  u32      version
 *     12  u32      bytes of the head
 *     16           the head, a gzip file of: u32 bytes of JSON, the JSON, the bytes that it names
 *                  (see `values.ts`)
 *     then         a gzip file of all pages that are not zero, in the order in which the head has them
 *
 * gzip's checksums are what finds damage. Nothing of a file is to be relied on: lengths are bounded, and
 * whoever uses a value of the head checks it.
 */
import { PAGE_BYTES } from "../../memory/guest-memory.ts";
import { LoadError } from "../load-error.ts";
import { type Bytes, gunzip, gzip, type Pieces } from "./gzip.ts";
import { SAVED_MAGIC } from "./magic.ts";
import { decodeValue, type EncodedValue, encodeValue } from "./values.ts";

const VERSION = 1;
const PREFIX_BYTES = 16;

/** Of the head, packed or not: a display's pictures are most of it, and have 256 MiB at most. */
export const HEAD_MAX = 320 << 20;

/** Bytes of JSON: mostly which pages there are, at most half of those of 2 GiB with gaps between. */
const JSON_MAX = 32 << 20;

/** Pages of guest memory one after the other: the guest physical address of the first, and how many. */
export type PageRun = readonly [gpa: number, pages: number];

export interface SavedHead {
  /** What of a machine another must have in common with it. */
  readonly machine: unknown;
  /** What whoever saved it wants to know of it; made of what JSON has. */
  readonly note: unknown;
  readonly state: unknown;
  /** Lowest first. */
  readonly runs: readonly PageRun[];
}

/**
 * As it is now, whatever becomes of its parts.
 * @throws TypeError for what is not plain, LoadError for more than can be read again
 */
export function encodeHead({ machine, note, state, runs }: SavedHead): EncodedValue {
  const encoded = encodeValue({ machine, note, state, runs });
  const { json, blobs } = encoded;
  const bytes = blobs.reduce((sum, blob) => sum + blob.length, 0);
  if (json.length <= JSON_MAX && bytes <= HEAD_MAX - JSON_MAX) return encoded;
  throw new LoadError("The machine cannot be saved: its devices hold too much.", "It goes on.");
}

/** A machine's file in pieces; `pages` are those of the head's runs. */
export async function* writeSavedFile(head: EncodedValue, pages: Pieces): AsyncGenerator<Bytes> {
  const packed = await all(gzip(headPieces(head)), HEAD_MAX);
  const prefix = new DataView(new ArrayBuffer(PREFIX_BYTES));
  new Uint8Array(prefix.buffer).set(new TextEncoder().encode(SAVED_MAGIC));
  prefix.setUint32(8, VERSION, true);
  prefix.setUint32(12, packed.length, true);
  yield new Uint8Array(prefix.buffer);
  yield packed;
  yield* gzip(pages);
}

/** A file that is being read: its head, and then, once, its pages. */
export interface OpenedFile {
  readonly head: SavedHead;
  /** Throws a `LoadError` unless the file ends right behind them and is whole. */
  pages(): AsyncGenerator<Bytes>;
}

/** @throws LoadError for anything but a saved machine of this version whose head is whole */
export async function openSavedFile(pieces: Pieces): Promise<OpenedFile> {
  const source = new Source(pieces);
  const prefix = await source.take(PREFIX_BYTES);
  const view = new DataView(prefix.buffer, prefix.byteOffset);
  if (
    prefix.length < PREFIX_BYTES ||
    new TextDecoder().decode(prefix.subarray(0, SAVED_MAGIC.length)) !== SAVED_MAGIC
  ) {
    throw new LoadError("The file is not a saved machine.", "Choose one that tabvisor has saved.");
  }
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    throw new LoadError(
      `The machine was saved in version ${version} of the format, and this tabvisor reads ${VERSION}.`,
      "Restore it with the tabvisor that saved it.",
    );
  }
  const length = view.getUint32(12, true);
  const head = await guarded(async () => {
    if (length > HEAD_MAX) throw new RangeError("the head is too long");
    const packed = await source.take(length);
    return parseHead(await all(gunzip([packed]), HEAD_MAX));
  });
  return { head, pages: () => pagesOf(source.rest(), head.runs) };
}

/** The error for a file of which nothing else can be said. */
export function damaged(cause: unknown): LoadError {
  const error = new LoadError(
    "The file of the saved machine is damaged or not complete.",
    "Get it again from where it was stored.",
  );
  error.cause = cause;
  return error;
}

function* headPieces({ json, blobs }: EncodedValue): Generator<Bytes> {
  const text = new TextEncoder().encode(json);
  yield new Uint8Array(Uint32Array.of(text.length).buffer);
  yield text;
  yield* blobs;
}

function parseHead(bytes: Bytes): SavedHead {
  const length = new DataView(bytes.buffer).getUint32(0, true);
  if (length > JSON_MAX || 4 + length > bytes.length) throw new RangeError("the JSON is too long");
  const json = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(4, 4 + length));
  const head = decodeValue(json, bytes.subarray(4 + length)) as Partial<SavedHead> | null;
  const { machine, note, state, runs } = head ?? {};
  if (!Array.isArray(runs)) throw new TypeError("a head without pages");
  let end = 0;
  for (const [gpa, pages] of runs as readonly PageRun[]) {
    const isRun = Number.isSafeInteger(gpa) && gpa % PAGE_BYTES === 0 && gpa >= end;
    if (!isRun || !Number.isSafeInteger(pages) || pages < 1) throw new RangeError("an odd run");
    end = gpa + pages * PAGE_BYTES;
  }
  return { machine, note, state, runs: runs as readonly PageRun[] };
}

async function* pagesOf(packed: Pieces, runs: readonly PageRun[]): AsyncGenerator<Bytes> {
  let left = runs.reduce((sum, [, pages]) => sum + pages * PAGE_BYTES, 0);
  const pieces = gunzip(packed);
  for (;;) {
    const { done, value } = await guarded(() => pieces.next());
    if (done === true) break;
    left -= value.length;
    if (left < 0) {
      await pieces.return(undefined);
      break;
    }
    yield value;
  }
  if (left !== 0) throw damaged(new RangeError("other pages than the head has"));
}

async function guarded<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof LoadError ? error : damaged(error);
  }
}

/** @throws RangeError for more than `most` bytes */
async function all(pieces: AsyncIterable<Bytes>, most: number): Promise<Bytes> {
  const parts: Bytes[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > most) throw new RangeError(`more than ${most} bytes`);
    parts.push(piece);
  }
  return joined(parts, length);
}

function joined(parts: readonly Bytes[], length: number): Bytes {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Pieces, to be taken in other lengths. */
class Source {
  readonly #pieces: AsyncIterator<Bytes> | Iterator<Bytes>;
  #left: Bytes = new Uint8Array(0);

  constructor(pieces: Pieces) {
    this.#pieces =
      Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
  }

  /** The next `length` bytes, or as many as there are. */
  async take(length: number): Promise<Bytes> {
    const parts: Bytes[] = [this.#left];
    let got = this.#left.length;
    while (got < length) {
      const { done, value } = await this.#pieces.next();
      if (done === true) break;
      parts.push(value);
      got += value.length;
    }
    const bytes = joined(parts, got);
    this.#left = bytes.subarray(Math.min(length, got));
    return bytes.subarray(0, length);
  }

  async *rest(): AsyncGenerator<Bytes> {
    yield this.#left;
    for (;;) {
      const { done, value } = await this.#pieces.next();
      if (done === true) return;
      yield value;
    }
  }
}
