/** What a guest says of its memory, in the words of virtio 5.5.6.3. */
import { ChainReader, type DescriptorChain } from "../chain.ts";

/** By tag (5.5.6.3). */
export const STATISTICS_NAMES = [
  "swapInBytes",
  "swapOutBytes",
  "majorFaults",
  "minorFaults",
  "freeBytes",
  "totalBytes",
  "availableBytes",
  "cacheBytes",
  "hugePagesAllocated",
  "hugePagesFailed",
  "outOfMemoryKills",
  "allocationStalls",
  "asyncScannedPages",
  "directScannedPages",
  "asyncReclaimedPages",
  "directReclaimedPages",
] as const;

/** What the guest chose to tell; a driver supplies some of it. */
export type BalloonStatistics = { readonly [name in (typeof STATISTICS_NAMES)[number]]?: number };

/** Entries of a buffer that are read: four times as many as there are tags. */
export const BALLOON_STATISTICS_MAX = 64;

/** Reads an array of `{le16 tag, le64 value}`; unknown tags are ignored, and so is what comes last. */
export function readStatistics(chain: DescriptorChain): BalloonStatistics {
  const reader = new ChainReader(chain);
  const statistics: { [name in (typeof STATISTICS_NAMES)[number]]?: number } = {};
  for (let i = 0; i < BALLOON_STATISTICS_MAX; i++) {
    const tag = reader.u16();
    const value = reader.u64();
    if (tag === undefined || value === undefined) break;
    const name = STATISTICS_NAMES[tag];
    if (name !== undefined) statistics[name] = value;
  }
  return statistics;
}
