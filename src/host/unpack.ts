/** Reads what may be a gzip file, from a stream. */
import { joined } from "../packet/bytes.ts";

/** By the first two bytes (RFC 1952 2.3.1). */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * Reads all of a stream, through the gzip decoder if its first bytes ask for it.
 * @throws what `tooLong` makes if that is more than `maxBytes`
 */
export async function unpacked(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  maxBytes: number,
  tooLong: () => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const head = await readHead(reader);
  const rest = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(head),
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const plain = isGzip(head) ? rest.pipeThrough(new DecompressionStream("gzip")) : rest;
  return collect(plain, maxBytes, tooLong);
}

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

/** Two bytes at least, unless there are fewer. */
async function readHead(reader: Reader): Promise<Uint8Array<ArrayBuffer>> {
  let head = new Uint8Array();
  while (head.length < 2) {
    const { done, value } = await reader.read();
    if (done) break;
    head = head.length === 0 ? value : joined([head, value]);
  }
  return head;
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  tooLong: () => Error,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      await reader.cancel();
      throw tooLong();
    }
    parts.push(value);
  }
  return joined(parts);
}
