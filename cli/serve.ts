/**
 * Serves the built page: static files under one folder, with the headers that isolate the page, so
 * that it may use shared memory, and that let it run nothing but its own code.
 */
import { createReadStream } from "node:fs";
import { open, readFile, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { BlockList } from "node:net";
import { extname, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { UNPACKED_LENGTH } from "../src/host/unpack.ts";

/**
 * Scripts come from this server alone and nothing is evaluated, WebAssembly excepted. The terminal
 * writes style elements; relays may be anywhere.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self' ws: wss:",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const unzip = promisify(gunzip);

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

const PROXY_HEADERS = ["forwarded", "via", "x-forwarded-for"] as const;

const COMMON_HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": CONTENT_SECURITY_POLICY,
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
} as const;

const CONTENT_TYPES: { readonly [extension: string]: string } = {
  ".css": "text/css; charset=utf-8",
  ".gz": "application/gzip",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".md": "text/plain; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/** The bundler puts a hash of the contents into the names of what it writes here. */
const HASHED_FOLDER = "/assets/";
const CACHE_FOR_EVER = "public, max-age=31536000, immutable";
/** Asks every time, and gets a short "not modified" mostly. */
const REVALIDATE = "no-cache";

/** A gzip file has a header of 10 bytes and a trailer of 8 around at least 2 (RFC 1952). */
const MIN_GZIP_BYTES = 20;

/** What may be kept unpacked, in bytes: of the embedded guest 15 MB are asked for. */
export const MAX_KEPT_BYTES = 64 << 20;

/** At once, from a file to the network: a guest is megabytes. */
const PART_BYTES = 1 << 20;

interface Found {
  readonly path: string;
  readonly size: number;
  readonly etag: string;
}

/** Answers requests with the files under `root`. */
export function staticFiles(root: string): RequestListener {
  const kept = new UnpackedFiles();
  return (request, response) => {
    answer(root, kept, request, response).catch(() => {
      // The client went away, or the file while it was being read.
      response.destroy();
    });
  };
}

async function answer(
  root: string,
  kept: UnpackedFiles,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return refuse(response, 405, "only GET and HEAD are answered");
  }
  const urlPath = decodePath(request.url ?? "/");
  if (urlPath === undefined) return refuse(response, 400, "that is not a path");
  const file = await find(root, urlPath);
  if (file === undefined) return refuse(response, 404, "there is no such file");

  const isHashed = urlPath.startsWith(HASHED_FOLDER);
  response.setHeader("Cache-Control", isHashed ? CACHE_FOR_EVER : REVALIDATE);
  const isEncoded = isUnpackedOnTheWay(request, file);
  const plain = isEncoded && isOnThisHost(request) ? await kept.get(file) : undefined;
  // As encodings of one thing they have tags of their own (RFC 9110, 8.8.3.3).
  const encoding = plain ? '-plain"' : isEncoded ? '-gzip"' : '"';
  const etag = file.etag.replace(/"$/, encoding);
  response.setHeader("ETag", etag);
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304).end();
    return;
  }
  if (plain) sendUnpacked(request, response, plain);
  else if (isEncoded) await sendEncoded(request, response, file);
  else await send(request, response, file);
}

/**
 * Whether the client unpacks the file itself, as it comes: browsers do that beside all that a page does.
 * Parts of a file can be had only of the file as it is.
 */
function isUnpackedOnTheWay({ headers }: IncomingMessage, { path, size }: Found): boolean {
  if (extname(path) !== ".gz" || size < MIN_GZIP_BYTES || headers.range !== undefined) return false;
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(`${headers["accept-encoding"] ?? ""}`);
}

/** On one computer it takes longer to unpack a file than to send all that is in it. */
function isOnThisHost({ socket, headers }: IncomingMessage): boolean {
  // A proxy on this host has clients elsewhere.
  if (PROXY_HEADERS.some((name) => headers[name] !== undefined)) return false;
  const { remoteAddress: address = "" } = socket;
  return LOOPBACK.check(address, address.includes(":") ? "ipv6" : "ipv4");
}

/** What is in gzip files that were asked for, as long as there is room. */
class UnpackedFiles {
  readonly #files = new Map<string, Promise<Buffer | undefined>>();
  #room = MAX_KEPT_BYTES;

  /** Undefined if it does not fit any more, or is no gzip file. */
  get(file: Found): Promise<Buffer | undefined> {
    const key = `${file.path} ${file.etag}`;
    const bytes = this.#files.get(key) ?? this.#unpack(file);
    this.#files.set(key, bytes);
    return bytes;
  }

  async #unpack({ path, size }: Found): Promise<Buffer | undefined> {
    if (size > this.#room) return undefined;
    try {
      const bytes = await unzip(await readFile(path), { maxOutputLength: MAX_KEPT_BYTES });
      if (bytes.length > this.#room) return undefined;
      this.#room -= bytes.length;
      return bytes;
    } catch {
      return undefined;
    }
  }
}

/** Sends what is in a gzip file. */
function sendUnpacked(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  response.setHeader("Vary", "Accept-Encoding");
  response.setHeader("Content-Type", "application/octet-stream");
  response.setHeader("Content-Length", bytes.length);
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** Sends a gzip file as an encoding of what is in it. */
async function sendEncoded(
  request: IncomingMessage,
  response: ServerResponse,
  { path, size }: Found,
): Promise<void> {
  response.setHeader("Vary", "Accept-Encoding");
  response.setHeader("Content-Type", "application/octet-stream");
  response.setHeader("Content-Encoding", "gzip");
  response.setHeader("Content-Length", size);
  // Browsers do not tell how much of the encoded bytes has come: this is what progress is counted in.
  response.setHeader(UNPACKED_LENGTH, await unpackedLength(path, size));
  if (request.method === "HEAD") response.end();
  else await pipeline(createReadStream(path, { highWaterMark: PART_BYTES }), response);
}

/** What a gzip file says that it unpacks to, in its last four bytes (RFC 1952, 2.3.1). */
async function unpackedLength(path: string, size: number): Promise<number> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, size - 4);
    return buffer.readUInt32LE();
  } finally {
    await file.close();
  }
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  file: Found,
): Promise<void> {
  response.setHeader("Accept-Ranges", "bytes");
  const range = rangeOf(request, file);
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${file.size}`);
    return refuse(response, 416, "the file is shorter than that");
  }
  const { start, end } = range ?? { start: 0, end: file.size - 1 };
  if (range !== undefined) {
    response.statusCode = 206;
    response.setHeader("Content-Range", `bytes ${start}-${end}/${file.size}`);
  }
  const type = CONTENT_TYPES[extname(file.path).toLowerCase()] ?? "application/octet-stream";
  response.setHeader("Content-Type", type);
  response.setHeader("Content-Length", end - start + 1);
  if (request.method === "HEAD" || file.size === 0) {
    response.end();
    return;
  }
  const stream = createReadStream(file.path, { start, end, highWaterMark: PART_BYTES });
  await pipeline(stream, response);
}

/** The decoded path of a request, starting with "/"; undefined if it is malformed. */
function decodePath(url: string): string | undefined {
  const raw = url.split(/[?#]/, 1)[0];
  try {
    const path = decodeURIComponent(raw);
    return path.startsWith("/") && !path.includes("\0") ? path : undefined;
  } catch {
    return undefined;
  }
}

/** A file inside `root`, or undefined. Symbolic links may not lead out either. */
async function find(root: string, urlPath: string): Promise<Found | undefined> {
  const name = urlPath.endsWith("/") ? `${urlPath}index.html` : urlPath;
  try {
    const [inside, path] = await Promise.all([realpath(root), realpath(join(root, name))]);
    if (!path.startsWith(inside + sep)) return undefined;
    const info = await stat(path);
    if (!info.isFile()) return undefined;
    const etag = `"${info.size.toString(16)}-${Math.floor(info.mtimeMs).toString(16)}"`;
    return { path, size: info.size, etag };
  } catch {
    return undefined;
  }
}

interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** One range of bytes (RFC 9110, 14.2). Several at once, and other units, get the whole file. */
function rangeOf(request: IncomingMessage, file: Found): ByteRange | "unsatisfiable" | undefined {
  const { range, "if-range": ifRange } = request.headers;
  if (range === undefined || (ifRange !== undefined && ifRange !== file.etag)) return undefined;
  const match = /^bytes=(\d*)-(\d*)$/.exec(range);
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  const last = file.size - 1;
  if (match[1] === "") {
    const length = Number(match[2]);
    if (length === 0 || file.size === 0) return "unsatisfiable";
    return { start: Math.max(0, file.size - length), end: last };
  }
  const start = Number(match[1]);
  const end = match[2] === "" ? last : Math.min(Number(match[2]), last);
  if (match[2] !== "" && Number(match[2]) < start) return undefined;
  return start > last ? "unsatisfiable" : { start, end };
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.setHeader("Cache-Control", "no-store");
  response.writeHead(status).end(`${reason}\n`);
}
