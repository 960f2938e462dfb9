/** Reads what may be a gzip file, from a stream. */
import { joined } from "../packet/bytes.ts";

/** How to read, and what is known before. */
export interface Reading {
  /** The most that may come out. */
  readonly maxBytes: number;
  /** Made and thrown if it is more. */
  readonly tooLong: () => Error;
  /** The bytes that the stream is said to have. */
  readonly expected?: number | undefined;
  /** Told how many bytes of the stream have been read whenever some have, before unpacking. */
  readonly onRead?: (bytes: number) => void;
}

/** A header of responses with an encoding: how many bytes come out of it. `cli/serve.ts` sends it. */
export const UNPACKED_LENGTH = "X-Unpacked-Length";

/** The room made at first, if nothing is known. */
const FIRST_BYTES = 64 << 10;

/** No more room is made for what has not come: whoever says how much will come may be wrong. */
const MAX_FIRST_BYTES = 64 << 20;

/** By the first two bytes (RFC 1952 2.3.1). */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * Reads all of a stream, through the gzip decoder if its first bytes ask for it.
 * @throws what `tooLong` makes
 */
export async function unpacked(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  reading: Reading,
): Promise<Uint8Array<ArrayBuffer>> {
  const source = counted(stream.getReader(), reading.onRead);
  const head = await readHead(source);
  if (!isGzip(head)) return collect(source, head, reading);
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(head),
    pull: async (controller) => {
      const { done, value } = await source.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => source.cancel(reason),
  });
  const plain = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  return collect(plain, new Uint8Array(), { ...reading, expected: undefined });
}

type Source = Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, "read" | "cancel">;

function counted(reader: Source, onRead: Reading["onRead"]): Source {
  if (onRead === undefined) return reader;
  let bytes = 0;
  return {
    read: async () => {
      const result = await reader.read();
      if (!result.done) {
        bytes += result.value.length;
        onRead(bytes);
      }
      return result;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

/** Two bytes at least, unless there are fewer. */
async function readHead(source: Source): Promise<Uint8Array<ArrayBuffer>> {
  let head = new Uint8Array();
  while (head.length < 2) {
    const { done, value } = await source.read();
    if (done) break;
    head = head.length === 0 ? value : joined([head, value]);
  }
  return head;
}

/** What comes is put in place at once, so that nothing is left to do when the last of it has come. */
async function collect(
  source: Source,
  head: Uint8Array,
  { maxBytes, tooLong, expected = FIRST_BYTES }: Reading,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(Math.max(0, Math.min(expected, maxBytes, MAX_FIRST_BYTES)));
  let length = 0;
  let next: { done: boolean; value?: Uint8Array | undefined } = { done: false, value: head };
  while (!next.done) {
    const part = next.value!;
    const wanted = length + part.length;
    if (wanted > maxBytes) {
      await source.cancel();
      throw tooLong();
    }
    if (wanted > bytes.length) {
      const larger = new Uint8Array(Math.max(wanted, 2 * bytes.length));
      larger.set(bytes.subarray(0, length));
      bytes = larger;
    }
    bytes.set(part, length);
    length = wanted;
    next = await source.read();
  }
  return length === bytes.length ? bytes : bytes.slice(0, length);
}
