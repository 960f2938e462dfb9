/** One request of the block device: its header, its bounds and what it asks of the backend (5.2.6). */
import type { DescriptorChain } from "../chain.ts";
import type { Virtqueue } from "../queue.ts";
import { type BlockBackend, type BlockTarget, SECTOR_SIZE } from "./block-backend.ts";
import { BLOCK_SEGMENTS_MAX, BLOCK_ZERO_SECTORS_MAX } from "./block-config.ts";

/** Status byte at the end of a request (5.2.6). */
export const BlockStatus = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;
export type BlockStatus = (typeof BlockStatus)[keyof typeof BlockStatus];

/** Request types (5.2.6). */
export const BlockType = {
  IN: 0,
  OUT: 1,
  FLUSH: 4,
  GET_ID: 8,
  GET_LIFETIME: 10,
  DISCARD: 11,
  WRITE_ZEROES: 13,
  SECURE_ERASE: 14,
} as const;

/**
 * Bytes of one request. Boot loaders read a whole kernel at once; a chain could claim 4 GiB by
 * naming the same page many times, and copying that would stop the machine for seconds.
 */
export const BLOCK_REQUEST_MAX = 64 * 1024 * 1024;

export const BLOCK_HEADER_SIZE = 16;
const SEGMENT_SIZE = 16;
export const BLOCK_ID_SIZE = 20;
const LIFETIME_SIZE = 6;
export const BLOCK_SEGMENT_UNMAP = 1;

/** Where headers are read to; one at a time, so all share it. */
const headerBytes = new Uint8Array(BLOCK_HEADER_SIZE);
const header = new DataView(headerBytes.buffer);

/** What the driver has negotiated, as far as requests depend on it. */
export interface BlockRules {
  readonly discard: boolean;
  readonly writeZeroes: boolean;
  readonly secureErase: boolean;
  readonly lifetime: boolean;
  /** A write is durable before it completes. */
  readonly through: boolean;
}

interface Segment {
  readonly sector: number;
  readonly count: number;
  readonly flags: number;
}

/** Is also where a read puts its data: bounded by the data, behind which the status byte lies. */
export class BlockRequest implements BlockTarget {
  readonly queue: Virtqueue;
  readonly chain: DescriptorChain;
  readonly type: number;
  /** A number too large to be exact is too large for any disk. */
  readonly sector: number;
  /** Bytes after the header, and bytes before the status. */
  readonly dataOut: number;
  readonly dataIn: number;

  /** Only for a chain that `isBlockRequest`. */
  constructor(queue: Virtqueue, chain: DescriptorChain) {
    chain.readAt(0, headerBytes);
    this.queue = queue;
    this.chain = chain;
    this.type = header.getUint32(0, true);
    this.sector = header.getUint32(8, true) + header.getUint32(12, true) * 0x1_0000_0000;
    this.dataOut = chain.readableLength - BLOCK_HEADER_SIZE;
    this.dataIn = chain.writableLength - 1;
  }

  get length(): number {
    return this.dataIn;
  }

  get alive(): boolean {
    return this.chain.alive;
  }

  /** Bytes of data that a success leaves in the guest's buffers. */
  get produces(): number {
    if (this.type === BlockType.IN) return this.dataIn;
    if (this.type === BlockType.GET_ID) return Math.min(BLOCK_ID_SIZE, this.dataIn);
    return this.type === BlockType.GET_LIFETIME ? LIFETIME_SIZE : 0;
  }

  write(offset: number, bytes: Uint8Array): void {
    const room = Math.max(0, this.dataIn - offset);
    this.chain.writeAt(offset, bytes.length > room ? bytes.subarray(0, room) : bytes);
  }

  zero(offset: number, length: number): void {
    this.chain.fillAt(offset, Math.min(length, Math.max(0, this.dataIn - offset)), 0);
  }
}

/** Whether there is room for a header and for the status. */
export function isBlockRequest(chain: DescriptorChain): boolean {
  return chain.readableLength >= BLOCK_HEADER_SIZE && chain.writableLength >= 1;
}

/**
 * Starts a request; the status is known at once if the backend answers at once. Throws or rejects
 * if the backend does.
 */
export function executeBlockRequest(
  backend: BlockBackend,
  request: BlockRequest,
  rules: BlockRules,
): BlockStatus | Promise<BlockStatus> {
  switch (request.type) {
    case BlockType.IN:
      if (!transferable(backend, request.sector, request.dataIn)) return BlockStatus.IOERR;
      return done(backend.read(request.sector, request));
    case BlockType.OUT:
      return write(backend, request, rules.through);
    case BlockType.FLUSH:
      return done(backend.flush());
    case BlockType.GET_ID:
      request.write(0, idBytes(backend.id));
      return BlockStatus.OK;
    case BlockType.GET_LIFETIME:
      return rules.lifetime ? lifetime(backend, request) : BlockStatus.UNSUPP;
    case BlockType.DISCARD:
      return rules.discard ? eachSegment(backend, request, rules) : BlockStatus.UNSUPP;
    case BlockType.WRITE_ZEROES:
      return rules.writeZeroes ? eachSegment(backend, request, rules) : BlockStatus.UNSUPP;
    case BlockType.SECURE_ERASE:
      return rules.secureErase ? eachSegment(backend, request, rules) : BlockStatus.UNSUPP;
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
  return durable(backend, backend.write(sector, chain.readableViews(BLOCK_HEADER_SIZE)), through);
}

function lifetime(backend: BlockBackend, request: BlockRequest): BlockStatus {
  const wear = backend.lifetime?.();
  if (wear === undefined || request.dataIn < LIFETIME_SIZE) return BlockStatus.IOERR;
  const answer = Uint16Array.of(wear.preEol, wear.wearA, wear.wearB);
  request.write(0, new Uint8Array(answer.buffer));
  return BlockStatus.OK;
}

/** Every segment is checked before the first has an effect (5.2.6.2). */
function eachSegment(
  backend: BlockBackend,
  request: BlockRequest,
  { through }: BlockRules,
): BlockStatus | Promise<BlockStatus> {
  const count = segmentBytes(request) / SEGMENT_SIZE;
  if (backend.readOnly || !Number.isInteger(count)) return BlockStatus.IOERR;
  if (count < 1 || count > BLOCK_SEGMENTS_MAX) return BlockStatus.IOERR;
  const segments = readSegments(request, count);
  const known = request.type === BlockType.WRITE_ZEROES ? BLOCK_SEGMENT_UNMAP : 0;
  if (segments.some(({ flags }) => (flags & ~known) !== 0)) return BlockStatus.UNSUPP;
  const fits = (s: Segment) =>
    s.count <= BLOCK_ZERO_SECTORS_MAX && inside(backend, s.sector, s.count);
  if (!segments.every(fits)) return BlockStatus.IOERR;
  const pending: Promise<void>[] = [];
  for (const segment of segments) {
    const running = applySegment(backend, request.type, segment);
    if (running !== undefined) pending.push(running);
  }
  return durable(backend, pending.length > 0 ? allDone(pending) : undefined, through);
}

function applySegment(
  backend: BlockBackend,
  type: number,
  { sector, count, flags }: Segment,
): void | Promise<void> {
  switch (type) {
    case BlockType.DISCARD:
      return backend.discard?.(sector, count);
    case BlockType.SECURE_ERASE:
      return backend.secureErase?.(sector, count);
    default:
      return backend.writeZeroes?.(sector, count, (flags & BLOCK_SEGMENT_UNMAP) !== 0);
  }
}

/**
 * Linux sorts buffers by the lowest bit of the type, which is 0 in SECURE_ERASE: its segments are
 * in the writable part (as of 6.12), where the device reads them as well.
 */
function segmentBytes({ type, dataOut, dataIn }: BlockRequest): number {
  return type === BlockType.SECURE_ERASE && dataOut === 0 ? dataIn : dataOut;
}

function readSegments(request: BlockRequest, count: number): Segment[] {
  const bytes = new Uint8Array(count * SEGMENT_SIZE);
  if (request.dataOut > 0) request.chain.readAt(BLOCK_HEADER_SIZE, bytes);
  else request.chain.readWritableAt(0, bytes);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, i) => {
    const at = i * SEGMENT_SIZE;
    return {
      sector: view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000,
      count: view.getUint32(at + 8, true),
      flags: view.getUint32(at + 12, true),
    };
  });
}

function inside(backend: BlockBackend, sector: number, count: number): boolean {
  return count <= backend.sectors && sector <= backend.sectors - count;
}

function transferable(backend: BlockBackend, sector: number, bytes: number): boolean {
  if (bytes % SECTOR_SIZE !== 0 || bytes > BLOCK_REQUEST_MAX) return false;
  return inside(backend, sector, bytes / SECTOR_SIZE);
}

function idBytes(id: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK_ID_SIZE);
  bytes.set(new TextEncoder().encode(id).subarray(0, BLOCK_ID_SIZE));
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

/** Waits for all of them, also when one fails: the request has an effect for as long as one runs. */
async function allDone(pending: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(pending);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}
