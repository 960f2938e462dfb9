/** Brings the files to boot from into memory: fetched or picked, unpacked, with progress. */
import type { ImageName, ImageSource, Problem } from "./protocol.ts";

/** The most that one file may unpack to: more would not leave room for the guest's memory. */
const MAX_IMAGE_BYTES = 1 << 30;

/** A file that cannot be had. */
export class ImageError extends Error implements Problem {
  override readonly name = "ImageError";
  readonly what: string;
  readonly advice: string;

  constructor(what: string, advice: string) {
    super(`${what} ${advice}`);
    this.what = what;
    this.advice = advice;
  }
}

export interface ImageRequest {
  readonly name: ImageName;
  readonly source: ImageSource;
  readonly fetch: typeof fetch;
  /** Told of bytes as they come, before unpacking. */
  readonly onProgress: (loaded: number, total: number | undefined) => void;
  readonly signal: AbortSignal;
  readonly maxBytes?: number;
}

/** The file's bytes, unpacked if it is a gzip file. @throws ImageError */
export async function loadImage(request: ImageRequest): Promise<Uint8Array> {
  const { stream, total } = await open(request);
  const counted = stream.pipeThrough(counter(request, total));
  try {
    return await unpacked(counted, request.maxBytes ?? MAX_IMAGE_BYTES);
  } catch (error) {
    if (error instanceof ImageError || request.signal.aborted) throw error;
    throw new ImageError(
      `The ${request.name} did not arrive whole (${error}).`,
      "Check the connection and the file, and try again.",
    );
  }
}

interface Opened {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly total: number | undefined;
}

async function open({ name, source, fetch, signal }: ImageRequest): Promise<Opened> {
  if (source.kind === "file") return { stream: source.file.stream(), total: source.file.size };
  const response = await fetch(source.url, { signal }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new ImageError(
      `The ${name} at ${source.url} cannot be reached.`,
      "Check the address and the connection. A server other than this page's must allow it by CORS.",
    );
  });
  if (!response.ok || response.body === null) {
    throw new ImageError(
      `The server has no ${name} at ${source.url} (it answered ${response.status}).`,
      "Check the address, or choose a file of your own.",
    );
  }
  // Many static hosts answer an unknown address with a page and status 200.
  if (response.headers.get("Content-Type")?.startsWith("text/html")) {
    throw new ImageError(
      `There is a web page at ${source.url}, not a ${name}.`,
      "Check the address, or choose a file of your own.",
    );
  }
  return { stream: response.body, total: expectedLength(response) };
}

/** The bytes that will come. What the browser unpacks on the way is counted unpacked. */
function expectedLength({ headers }: Response): number | undefined {
  const length = headers.get(
    headers.has("Content-Encoding") ? "X-Unpacked-Length" : "Content-Length",
  );
  return length === null ? undefined : Number(length);
}

function counter(
  { onProgress }: ImageRequest,
  total: number | undefined,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let loaded = 0;
  return new TransformStream({
    transform(bytes, controller) {
      loaded += bytes.length;
      onProgress(loaded, total);
      controller.enqueue(bytes);
    },
  });
}

/** Reads all, through the gzip decoder if the first two bytes ask for it. */
async function unpacked(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  maxBytes: number,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const first = await reader.read();
  const head = first.value ?? new Uint8Array(0);
  const rest = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(head),
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  return collect(isGzip ? rest.pipeThrough(new DecompressionStream("gzip")) : rest, maxBytes);
}

async function collect(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      await reader.cancel();
      throw new ImageError(
        `The file unpacks to more than ${Math.floor(maxBytes / 2 ** 20)} MiB.`,
        "Use it as a disk image instead.",
      );
    }
    parts.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
