/** gzip (RFC 1952) over sequences of pieces; its CRC-32 is what finds damage in a saved machine. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** Pieces of bytes that come when they are asked for. */
export type Pieces = Iterable<Bytes> | AsyncIterable<Bytes>;

interface Sink {
  write(bytes: Bytes): Promise<void>;
  close(): Promise<void>;
  abort(reason: unknown): Promise<void>;
}

export function gzip(pieces: Pieces): AsyncGenerator<Bytes> {
  return through(new CompressionStream("gzip"), pieces);
}

/** Throws what the host's decoder throws for anything but one whole, undamaged gzip file. */
export function gunzip(pieces: Pieces): AsyncGenerator<Bytes> {
  return through(new DecompressionStream("gzip"), pieces);
}

async function* through(
  { readable, writable }: CompressionStream | DecompressionStream,
  pieces: Pieces,
): AsyncGenerator<Bytes> {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  // A failure of either side is met where the other end is read.
  void feed(writer, pieces).catch(() => {});
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (value !== undefined) yield value;
    }
  } finally {
    // Whoever wants no more ends the feeding too.
    await reader.cancel().catch(() => {});
  }
}

async function feed(writer: Sink, pieces: Pieces): Promise<void> {
  try {
    for await (const piece of pieces) await writer.write(piece);
    await writer.close();
  } catch (error) {
    await writer.abort(error);
  }
}
