/** What a block device offers and says of itself: features and configuration space (5.2.3, 5.2.4). */
import type { ConfigFields } from "../config.ts";
import { bit, bits } from "../spec.ts";
import { type BlockBackend, SECTOR_SIZE } from "./block-backend.ts";

/** Feature bits (5.2.3). */
export const BlockFeature = {
  SIZE_MAX: 1,
  SEG_MAX: 2,
  RO: 5,
  BLK_SIZE: 6,
  FLUSH: 9,
  TOPOLOGY: 10,
  CONFIG_WCE: 11,
  MQ: 12,
  DISCARD: 13,
  WRITE_ZEROES: 14,
  LIFETIME: 15,
  SECURE_ERASE: 16,
} as const;

/** Offsets in the configuration space (5.2.4). */
export const BlockConfig = {
  CAPACITY: 0,
  SIZE_MAX: 8,
  SEG_MAX: 12,
  GEOMETRY: 16,
  BLK_SIZE: 20,
  PHYSICAL_BLOCK_EXP: 24,
  ALIGNMENT_OFFSET: 25,
  MIN_IO_SIZE: 26,
  OPT_IO_SIZE: 28,
  WRITEBACK: 32,
  NUM_QUEUES: 34,
  MAX_DISCARD_SECTORS: 36,
  MAX_DISCARD_SEG: 40,
  DISCARD_SECTOR_ALIGNMENT: 44,
  MAX_WRITE_ZEROES_SECTORS: 48,
  MAX_WRITE_ZEROES_SEG: 52,
  WRITE_ZEROES_MAY_UNMAP: 56,
  MAX_SECURE_ERASE_SECTORS: 60,
  MAX_SECURE_ERASE_SEG: 64,
  SECURE_ERASE_SECTOR_ALIGNMENT: 68,
  SIZE: 72,
} as const;

/** Descriptors per queue. */
export const BLOCK_QUEUE_SIZE = 256;

/** Data segments per request: the queue less the request header and the status byte. */
const BLOCK_SEG_MAX = BLOCK_QUEUE_SIZE - 2;

/**
 * Bytes that a driver should put into one segment: more than Linux ever asks for at once. It is
 * advice, and a boot loader that reads a kernel in one piece is served too.
 */
const BLOCK_SIZE_MAX = 4 * 1024 * 1024;

/** Segments of one discard, write-zeroes or secure-erase request. */
export const BLOCK_SEGMENTS_MAX = 16;

/** Sectors of one such segment: 2 GiB. */
export const BLOCK_ZERO_SECTORS_MAX = 0x40_0000;

/** The largest logical block, which is also the physical one. */
const BLOCK_BYTES_MAX = 4096;

/** 64 KiB is a good size to transfer. */
const OPTIMAL_BYTES = 64 * 1024;

/** As many queues as a driver with a queue for each hart could want here. */
export const BLOCK_QUEUES_MAX = 16;

export interface BlockDeviceOptions {
  /** Request queues, 1 to `BLOCK_QUEUES_MAX`; a driver uses no more than it has harts. Default 4. */
  readonly queues?: number;
  /** Bytes of a logical block, a power of two from 512 to 4096. Default 512. */
  readonly blockSize?: number;
}

const DEFAULT_QUEUES = 4;

/** The options, complete. @throws RangeError if one cannot be. */
export function checkBlockOptions(options: BlockDeviceOptions): Required<BlockDeviceOptions> {
  const { queues = DEFAULT_QUEUES, blockSize = SECTOR_SIZE } = options;
  if (!Number.isInteger(queues) || queues < 1 || queues > BLOCK_QUEUES_MAX) {
    throw new RangeError(`a block device has 1 to ${BLOCK_QUEUES_MAX} queues, not ${queues}`);
  }
  const isPower = Number.isInteger(Math.log2(blockSize));
  if (!isPower || blockSize < SECTOR_SIZE || blockSize > BLOCK_BYTES_MAX) {
    throw new RangeError(`a block has a power of two of bytes up to 4096, not ${blockSize}`);
  }
  return { queues, blockSize };
}

/** What a device over `backend` offers. */
export function blockFeatures(backend: BlockBackend): bigint {
  const { SIZE_MAX, SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, MQ } = BlockFeature;
  let features = bits(SIZE_MAX, SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, MQ);
  if (backend.lifetime !== undefined) features |= bit(BlockFeature.LIFETIME);
  if (backend.readOnly) return features | bit(BlockFeature.RO);
  if (backend.discard !== undefined) features |= bit(BlockFeature.DISCARD);
  if (backend.writeZeroes !== undefined) features |= bit(BlockFeature.WRITE_ZEROES);
  if (backend.secureErase !== undefined) features |= bit(BlockFeature.SECURE_ERASE);
  return features;
}

/** Fills all fields but the capacity, which changes, and the cache mode, which is negotiated. */
export function describeBlock(
  config: ConfigFields,
  backend: BlockBackend,
  { queues, blockSize }: Required<BlockDeviceOptions>,
): void {
  const alignment = backend.discardAlignment ?? BLOCK_BYTES_MAX / SECTOR_SIZE;
  config
    .setU32(BlockConfig.SIZE_MAX, BLOCK_SIZE_MAX)
    .setU32(BlockConfig.SEG_MAX, BLOCK_SEG_MAX)
    .setU32(BlockConfig.BLK_SIZE, blockSize)
    .setU8(BlockConfig.PHYSICAL_BLOCK_EXP, Math.log2(BLOCK_BYTES_MAX / blockSize))
    .setU16(BlockConfig.MIN_IO_SIZE, BLOCK_BYTES_MAX / blockSize)
    .setU32(BlockConfig.OPT_IO_SIZE, OPTIMAL_BYTES / blockSize)
    .setU16(BlockConfig.NUM_QUEUES, queues)
    .setU32(BlockConfig.MAX_DISCARD_SECTORS, BLOCK_ZERO_SECTORS_MAX)
    .setU32(BlockConfig.MAX_DISCARD_SEG, BLOCK_SEGMENTS_MAX)
    .setU32(BlockConfig.DISCARD_SECTOR_ALIGNMENT, alignment)
    .setU32(BlockConfig.MAX_WRITE_ZEROES_SECTORS, BLOCK_ZERO_SECTORS_MAX)
    .setU32(BlockConfig.MAX_WRITE_ZEROES_SEG, BLOCK_SEGMENTS_MAX)
    .setU8(BlockConfig.WRITE_ZEROES_MAY_UNMAP, 1)
    .setU32(BlockConfig.MAX_SECURE_ERASE_SECTORS, BLOCK_ZERO_SECTORS_MAX)
    .setU32(BlockConfig.MAX_SECURE_ERASE_SEG, BLOCK_SEGMENTS_MAX)
    .setU32(BlockConfig.SECURE_ERASE_SECTOR_ALIGNMENT, BLOCK_BYTES_MAX / SECTOR_SIZE);
}
