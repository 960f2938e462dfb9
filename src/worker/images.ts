/** Brings the files to boot from into memory: fetched or picked, unpacked, with progress. */
import { UNPACKED_LENGTH, unpacked } from "../host/unpack.ts";
import { LoadError } from "../machine/load-error.ts";
import type { ImageName, ImageSource } from "./protocol.ts";

/** The most that one file may unpack to: more would not leave room for the guest's memory. */
const MAX_IMAGE_BYTES = 1 << 30;

export interface ImageRequest {
  readonly name: ImageName;
  readonly source: ImageSource;
  readonly fetch: typeof fetch;
  /** Told of bytes as they come, before unpacking. */
  readonly onProgress: (loaded: number, total: number | undefined) => void;
  readonly signal: AbortSignal;
  readonly maxBytes?: number;
}

/** The file's bytes, unpacked if it is a gzip file. @throws LoadError */
export async function loadImage(request: ImageRequest): Promise<Uint8Array> {
  const { stream, total } = await openImage(request);
  try {
    const maxBytes = request.maxBytes ?? MAX_IMAGE_BYTES;
    return await unpacked(stream, {
      maxBytes,
      tooLong: () => tooLong(maxBytes),
      expected: total,
      onRead: (loaded) => request.onProgress(loaded, total),
    });
  } catch (error) {
    if (error instanceof LoadError || request.signal.aborted) throw error;
    throw new LoadError(
      `The ${request.name} did not arrive whole (${error}).`,
      "Check the connection and the file, and try again.",
    );
  }
}

interface Opened {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly total: number | undefined;
}

/** The file as it comes. @throws LoadError */
export async function openImage({
  name,
  source,
  fetch,
  signal,
}: Omit<ImageRequest, "onProgress">): Promise<Opened> {
  if (source.kind === "file") return { stream: source.file.stream(), total: source.file.size };
  const response = await fetch(source.url, { signal }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new LoadError(
      `The ${name} at ${source.url} cannot be reached.`,
      "Check the address and the connection. A server other than this page's must allow it by CORS.",
    );
  });
  if (!response.ok || response.body === null) {
    throw new LoadError(
      `The server has no ${name} at ${source.url} (it answered ${response.status}).`,
      "Check the address, or choose a file of your own.",
    );
  }
  // Many static hosts answer an unknown address with a page and status 200.
  if (response.headers.get("Content-Type")?.startsWith("text/html")) {
    throw new LoadError(
      `There is a web page at ${source.url}, not a ${name}.`,
      "Check the address, or choose a file of your own.",
    );
  }
  return { stream: response.body, total: expectedLength(response) };
}

/** The bytes that will come. What the browser unpacks on the way is counted unpacked. */
function expectedLength({ headers }: Response): number | undefined {
  const isEncoded = headers.has("Content-Encoding");
  const length = headers.get(isEncoded ? UNPACKED_LENGTH : "Content-Length");
  return length === null ? undefined : Number(length);
}

function tooLong(maxBytes: number): LoadError {
  return new LoadError(
    `The file unpacks to more than ${Math.floor(maxBytes / 2 ** 20)} MiB.`,
    "Use it as a disk image instead.",
  );
}
