/** One request of the block device: its header, its bounds and what it asks of the backend (5.2.6). */
import { ChainReader, type DescriptorChain } from "../chain.ts";
import { type BlockBackend, type BlockTarget, SECTOR_SIZE } from "./block-backend.ts";

/** Status byte at the end of a request (5.2.6). */
export const BlockStatus = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;
export type BlockStatus = (typeof BlockStatus)[keyof typeof BlockStatus];

/**
 * Bytes of one request. Boot loaders read a whole kernel at once; a chain could claim 4 GiB by
 * naming the same page many times, and copying that would stop the machine for seconds.
 */
export const BLOCK_REQUEST_MAX = 64 * 1024 * 1024;

/** Segments of one discard or write-zeroes request. */
export const BLOCK_SEGMENTS_MAX = 16;

/** Sectors of one such segment: 2 GiB. */
export const BLOCK_ZERO_SECTORS_MAX = 0x40_0000;

const KINDS = {
  0: "in",
  1: "out",
  4: "flush",
  8: "getId",
  11: "discard",
  13: "writeZeroes",
} as const;

type BlockRequestKind = (typeof KINDS)[keyof typeof KINDS] | "unknown";

const HEADER_SIZE = 16;
const SEGMENT_SIZE = 16;
const ID_SIZE = 20;
const SEGMENT_UNMAP = 1;

/** What the driver has negotiated, as far as requests depend on it. */
export interface BlockRules {
  readonly discard: boolean;
  readonly writeZeroes: boolean;
  /** A write is durable before it completes. */
  readonly through: boolean;
}

export interface BlockRequest {
  readonly chain: DescriptorChain;
  readonly kind: BlockRequestKind;
  readonly sector: number;
  /** Bytes after the header, and bytes before the status. */
  readonly dataOut: number;
  readonly dataIn: number;
  /** Bytes of data that a success leaves in the guest's buffers. */
  readonly produces: number;
}

interface Segment {
  readonly sector: number;
  readonly count: number;
  readonly flags: number;
}

/** Undefined if there is no room for the header or the status. */
export function parseBlockRequest(chain: DescriptorChain): BlockRequest | undefined {
  if (chain.readableLength < HEADER_SIZE || chain.writableLength < 1) return undefined;
  const reader = new ChainReader(chain);
  const type = reader.u32() ?? 0;
  reader.skip(4);
  const kind = KINDS[type as keyof typeof KINDS] ?? "unknown";
  const dataIn = chain.writableLength - 1;
  return {
    chain,
    kind,
    sector: reader.u64() ?? 0,
    dataOut: chain.readableLength - HEADER_SIZE,
    dataIn,
    produces: kind === "in" ? dataIn : kind === "getId" ? Math.min(ID_SIZE, dataIn) : 0,
  };
}

/**
 * Starts a request; the status is known at once if the backend answers at once. Rejects if the
 * backend does.
 */
export function executeBlockRequest(
  backend: BlockBackend,
  request: BlockRequest,
  rules: BlockRules,
): BlockStatus | Promise<BlockStatus> {
  switch (request.kind) {
    case "in":
      if (!transferable(backend, request.sector, request.dataIn)) return BlockStatus.IOERR;
      return done(backend.read(request.sector, new ReadTarget(request)));
    case "out":
      return write(backend, request, rules.through);
    case "flush":
      return done(backend.flush());
    case "getId":
      request.chain.writeAt(0, idBytes(backend.id).subarray(0, request.dataIn));
      return BlockStatus.OK;
    case "discard":
      return rules.discard ? zero(backend, request, rules.through) : BlockStatus.UNSUPP;
    case "writeZeroes":
      return rules.writeZeroes ? zero(backend, request, rules.through) : BlockStatus.UNSUPP;
    default:
      return BlockStatus.UNSUPP;
  }
}

function write(
  backend: BlockBackend,
  request: BlockRequest,
  through: boolean,
): BlockStatus | Promise<BlockStatus> {
  const { chain, sector, dataOut } = request;
  if (backend.readOnly || !transferable(backend, sector, dataOut)) return BlockStatus.IOERR;
  return durable(backend, backend.write(sector, chain.readableViews(HEADER_SIZE)), through);
}

/** Every segment is checked before the first has an effect (5.2.6.2). */
function zero(
  backend: BlockBackend,
  request: BlockRequest,
  through: boolean,
): BlockStatus | Promise<BlockStatus> {
  const count = request.dataOut / SEGMENT_SIZE;
  if (backend.readOnly || !Number.isInteger(count)) return BlockStatus.IOERR;
  if (count < 1 || count > BLOCK_SEGMENTS_MAX) return BlockStatus.IOERR;
  const reader = new ChainReader(request.chain);
  reader.skip(HEADER_SIZE);
  const segments = Array.from({ length: count }, () => readSegment(reader));
  const discard = request.kind === "discard";
  const known = discard ? 0 : SEGMENT_UNMAP;
  if (segments.some(({ flags }) => (flags & ~known) !== 0)) return BlockStatus.UNSUPP;
  const fits = (s: Segment) =>
    s.count <= BLOCK_ZERO_SECTORS_MAX && inside(backend, s.sector, s.count);
  if (!segments.every(fits)) return BlockStatus.IOERR;
  const running = segments.map(({ sector, count, flags }) =>
    discard
      ? backend.discard?.(sector, count)
      : backend.writeZeroes?.(sector, count, (flags & SEGMENT_UNMAP) !== 0),
  );
  const pending = running.filter((result) => result !== undefined);
  return durable(backend, pending.length > 0 ? allDone(pending) : undefined, through);
}

function readSegment(reader: ChainReader): Segment {
  return {
    sector: reader.u64() ?? 0,
    count: reader.u32() ?? 0,
    flags: reader.u32() ?? 0,
  };
}

function inside(backend: BlockBackend, sector: number, count: number): boolean {
  return count <= backend.sectors && sector <= backend.sectors - count;
}

function transferable(backend: BlockBackend, sector: number, bytes: number): boolean {
  if (bytes % SECTOR_SIZE !== 0 || bytes > BLOCK_REQUEST_MAX) return false;
  return inside(backend, sector, bytes / SECTOR_SIZE);
}

/** The data buffers of a read. Bounded by the data, behind which the status byte lies. */
class ReadTarget implements BlockTarget {
  readonly length: number;
  readonly #chain: DescriptorChain;

  constructor(request: BlockRequest) {
    this.length = request.dataIn;
    this.#chain = request.chain;
  }

  get alive(): boolean {
    return this.#chain.alive;
  }

  write(offset: number, bytes: Uint8Array): void {
    const room = Math.max(0, this.length - offset);
    this.#chain.writeAt(offset, bytes.length > room ? bytes.subarray(0, room) : bytes);
  }

  zero(offset: number, length: number): void {
    this.#chain.fillAt(offset, Math.min(length, Math.max(0, this.length - offset)), 0);
  }
}

function idBytes(id: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ID_SIZE);
  bytes.set(new TextEncoder().encode(id).subarray(0, ID_SIZE));
  return bytes;
}

function done(result: void | Promise<void>): BlockStatus | Promise<BlockStatus> {
  return result === undefined ? BlockStatus.OK : result.then(() => BlockStatus.OK);
}

function durable(
  backend: BlockBackend,
  result: void | Promise<void>,
  through: boolean,
): BlockStatus | Promise<BlockStatus> {
  if (!through) return done(result);
  return result === undefined ? done(backend.flush()) : done(result.then(() => backend.flush()));
}

async function allDone(pending: readonly Promise<void>[]): Promise<void> {
  await Promise.all(pending);
}
