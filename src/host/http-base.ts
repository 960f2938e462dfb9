/** A read-only disk image on a web server, fetched piece by piece as the guest reads it. */
import type { BaseImage } from "./guest-disk.ts";
import { isGzip, unpacked } from "./unpack.ts";

/** Bytes per request: enough that a sequential read is not ruled by the network's round trips. */
export const BLOCK_BYTES = 256 << 10;

/** Blocks kept; the disk above caches too, this only spans neighbouring chunks. */
const MAX_BLOCKS = 16;

/** The largest image that is taken whole, when a server cannot give parts; it stays in memory. */
const MAX_WHOLE_BYTES = 512 << 20;

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/**
 * Waits before a part is asked for again, in ms. A server that restarts is back by then; a guest that
 * waits longer looks dead to the person in front of it.
 */
export const RETRY_MS: readonly number[] = [250, 1000, 3000, 6000];

/** Answers of a server that may be another one soon: timeout, too early, too many, its own fault. */
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** An image that cannot be used as a disk, with a sentence for the person who asked for it. */
export class BaseImageError extends Error {
  override readonly name = "BaseImageError";
  /** Asking again may help. */
  readonly isPassing: boolean;

  constructor(message: string, isPassing = false) {
    super(message);
    this.isPassing = isPassing;
  }
}

export interface HttpBaseOptions {
  readonly maxWholeBytes?: number;
  /** Told of each failure to get a part, and of nothing once one has come again. */
  readonly onTrouble?: (error: BaseImageError | undefined) => void;
}

/**
 * Opens the image at `url`: by parts where the server can, else whole. A gzip file is taken whole and
 * unpacked. @throws BaseImageError
 */
export async function openHttpBase(
  url: string,
  fetch: Fetch,
  { maxWholeBytes = MAX_WHOLE_BYTES, onTrouble = () => {} }: HttpBaseOptions = {},
): Promise<BaseImage> {
  // The first bytes tell the size, whether parts work, and whether this is a gzip file.
  const probe = await get(url, fetch, 0, 2);
  const length = totalOf(probe);
  const head = probe.status === 206 ? await bodyOf(probe, url) : new Uint8Array();
  if (probe.status === 206 && length !== undefined && !isGzip(head)) {
    return new RangeBase(url, fetch, length, validatorOf(probe), onTrouble);
  }
  const whole = probe.status === 200 ? probe : await get(url, fetch);
  const reading = unpacked(whole.body!, {
    maxBytes: maxWholeBytes,
    tooLong: () => tooLong(maxWholeBytes),
  });
  const bytes = await reading.catch((error: unknown) => {
    if (error instanceof BaseImageError) throw error;
    throw new BaseImageError(`${url} did not arrive whole, or is damaged.`, true);
  });
  return wholeBase(bytes, identityOf(url, validatorOf(whole)));
}

/** An image from a file that a person picked or dropped. */
export function blobBase(blob: Blob, identity: string): BaseImage {
  return {
    size: blob.size,
    identity,
    read: async (offset, length) => {
      const part = blob.slice(offset, offset + length);
      // A file that was changed or removed since it was picked cannot be read any more.
      const bytes = await part.arrayBuffer().catch(() => undefined);
      if (bytes?.byteLength === length) return new Uint8Array(bytes);
      throw new BaseImageError("The picked disk image can no longer be read.");
    },
  };
}

class RangeBase implements BaseImage {
  readonly size: number;
  readonly identity: string;
  readonly #url: string;
  readonly #fetch: Fetch;
  readonly #validator: string | null;
  readonly #onTrouble: (error: BaseImageError | undefined) => void;
  #isInTrouble = false;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();

  constructor(
    url: string,
    fetch: Fetch,
    size: number,
    validator: string | null,
    onTrouble: (error: BaseImageError | undefined) => void,
  ) {
    this.size = size;
    this.#onTrouble = onTrouble;
    this.identity = identityOf(url, validator);
    this.#url = url;
    this.#fetch = fetch;
    this.#validator = validator;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    const first = Math.floor(offset / BLOCK_BYTES);
    const last = Math.floor((offset + length - 1) / BLOCK_BYTES);
    const parts: Promise<void>[] = [];
    for (let index = first; index <= last; index++) {
      parts.push(this.#block(index).then((block) => overlay(into, offset, block, index)));
    }
    await Promise.all(parts);
    return into;
  }

  #block(index: number): Promise<Uint8Array> {
    const known = this.#blocks.get(index);
    if (known !== undefined) return known;
    const block = this.#load(index);
    this.#blocks.set(index, block);
    // A failure is not remembered: the guest's next try asks the server again.
    block.catch(() => this.#blocks.delete(index));
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= MAX_BLOCKS) break;
      this.#blocks.delete(oldest);
    }
    return block;
  }

  /** Patient with what may pass: a guest takes one I/O error for a broken disk. */
  async #load(index: number): Promise<Uint8Array> {
    for (let attempt = 0; ; attempt++) {
      try {
        const bytes = await this.#fetchBlock(index);
        if (this.#isInTrouble) this.#onTrouble(undefined);
        this.#isInTrouble = false;
        return bytes;
      } catch (error) {
        if (!(error instanceof BaseImageError)) throw error;
        this.#isInTrouble = true;
        this.#onTrouble(error);
        if (!error.isPassing || attempt === RETRY_MS.length) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[attempt]));
      }
    }
  }

  async #fetchBlock(index: number): Promise<Uint8Array> {
    const start = index * BLOCK_BYTES;
    const end = Math.min(start + BLOCK_BYTES, this.size);
    const response = await get(this.#url, this.#fetch, start, end);
    // Parts of two versions of an image would make a disk that never was.
    if (response.status !== 206 || !this.#isSameImage(response)) {
      throw new BaseImageError(`${this.#url} changed on its server while it was in use.`);
    }
    const range = response.headers.get("Content-Range");
    if (range !== null && !range.startsWith(`bytes ${start}-${end - 1}/`)) {
      throw new BaseImageError(
        `The server of ${this.#url} gave another part than asked for.`,
        true,
      );
    }
    const bytes = await bodyOf(response, this.#url);
    if (bytes.length !== end - start) {
      throw new BaseImageError(`A part of ${this.#url} did not arrive whole.`, true);
    }
    return bytes;
  }

  #isSameImage(response: Response): boolean {
    const length = totalOf(response);
    return validatorOf(response) === this.#validator && (length ?? this.size) === this.size;
  }
}

function overlay(into: Uint8Array, offset: number, block: Uint8Array, index: number): void {
  const start = index * BLOCK_BYTES;
  const from = Math.max(offset, start);
  const to = Math.min(offset + into.length, start + block.length);
  into.set(block.subarray(from - start, to - start), from - offset);
}

async function get(url: string, fetch: Fetch, start?: number, end?: number): Promise<Response> {
  const init = end === undefined ? {} : { headers: { Range: `bytes=${start}-${end - 1}` } };
  const response = await fetch(url, init).catch(() => {
    const what = `${url} cannot be reached, or its server forbids use by this page.`;
    throw new BaseImageError(what, true);
  });
  if (response.ok) return response;
  const isPassing = PASSING_STATUS.has(response.status);
  throw new BaseImageError(`${url} answered ${response.status}.`, isPassing);
}

async function bodyOf(response: Response, url: string): Promise<Uint8Array> {
  const body = await response.arrayBuffer().catch(() => {
    throw new BaseImageError(`The connection to ${url} was torn.`, true);
  });
  return new Uint8Array(body);
}

/** The whole image's length from `Content-Range: bytes 0-1/12345`, if the server tells it. */
function totalOf(response: Response): number | undefined {
  const total = /\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}

function validatorOf(response: Response): string | null {
  return response.headers.get("ETag") ?? response.headers.get("Last-Modified");
}

function identityOf(url: string, validator: string | null): string {
  return validator === null ? url : `${url} ${validator}`;
}

function tooLong(limit: number): BaseImageError {
  return new BaseImageError(
    `The disk image is over ${Math.ceil(limit / 2 ** 20)} MiB and its server cannot give parts of a file.`,
  );
}

function wholeBase(bytes: Uint8Array, identity: string): BaseImage {
  return {
    size: bytes.length,
    identity,
    read: async (offset, length) => bytes.slice(offset, offset + length),
  };
}
