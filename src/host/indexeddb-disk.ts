/** A named disk in IndexedDB: its lock, its description, its base image and its chunks. */
import { SECTOR_SIZE } from "../virtio/devices/block-backend.ts";
import { DISK_FORMAT, type DiskMeta, KeyvalChunkStore } from "./chunk-store.ts";
import { type BaseImage, ChunkedDisk, type DiskFault } from "./chunked-disk.ts";
import { DescribedStore } from "./described-store.ts";
import { type Locks, lockDisk } from "./disk-lock.ts";
import { DISK_NAME_PATTERN } from "./disk-name.ts";
import { type DiskSeed, seedChunks } from "./disk-seed.ts";
import { type DurableStore, openDurableStore } from "./idb-store.ts";

/**
 * Bytes per chunk of a new disk. Measured in Chromium 156: 100 scattered writes of 4 KiB and a flush
 * take 81 ms with 32 KiB, 418 ms with 64 KiB, from where on Chromium keeps each record in a file of
 * its own, and 526 ms with 256 KiB. Sequential speed hardly depends on it (43, 30 and 41 MB/s).
 */
export const CHUNK_BYTES = 32 << 10;

/** Followed by a disk's name, the name of its database. */
export const DATABASE_PREFIX = "tabvisor-disk-";

/**
 * Capacity of a new disk without a base, in bytes. It is sparse, so more would cost no room, but the
 * guest formats it before its first prompt: 1 GiB takes 0.2 s and 4 GiB 0.5 s.
 */
export const DEFAULT_DISK_BYTES = 2 ** 30;

/** The largest capacity: the index of a fully written disk still fits in memory with ease. */
export const MAX_DISK_BYTES = 2 ** 40;

const NAME_PATTERN = new RegExp(`^${DISK_NAME_PATTERN}$`);

export type DiskProblem =
  /** The name cannot be used. */
  | "name"
  /** Another tab has the disk open. */
  | "busy"
  /** The browser has no IndexedDB or no locks here, or refuses them. */
  | "unavailable"
  /** A saved machine goes on with it, and could not if it were written to. */
  | "sealed"
  /** The disk was made by another format, or over another base image. */
  | "mismatch";

/** Why a disk cannot be opened; the message is a sentence for the person at the page. */
export class DiskError extends Error {
  override readonly name = "DiskError";
  readonly problem: DiskProblem;

  constructor(problem: DiskProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

export interface OpenDiskOptions {
  readonly name: string;
  readonly base?: BaseImage;
  /** Capacity of a disk that does not exist yet: at least the base's, and without both the usual one. */
  readonly size?: number;
  readonly chunkSize?: number;
  /** What a disk that does not exist yet begins with. Asked for then only. */
  readonly seed?: () => Promise<DiskSeed | undefined>;
  readonly factory: IDBFactory | undefined;
  readonly locks: Locks | undefined;
  /** Told when something could not be stored or read. */
  readonly onFault: (error: unknown, what: DiskFault) => void;
}

export interface IndexedDbDisk {
  readonly disk: ChunkedDisk;
  readonly name: string;
  /**
   * Makes the disk so many bytes large, for good, when it resolves. Rejects with a RangeError if it
   * cannot be as large or is larger already, and with the store's error if that fails.
   */
  grow(size: number): Promise<void>;
  /** See `BlockBackend`. */
  seal(): Promise<string>;
  sealed(): Promise<string | undefined>;
  /** Stores what is left and gives the disk back to other tabs. Rejects if something is unstored. */
  close(): Promise<void>;
}

/** Opens disk `name`, making it if it does not exist. @throws DiskError */
export async function openDisk(options: OpenDiskOptions): Promise<IndexedDbDisk> {
  const { name, factory, locks } = options;
  const { release, store } = await openLocked(name, factory, locks);
  try {
    const chunks = new KeyvalChunkStore(store.use);
    const meta = (await chunks.readMeta()) ?? (await create(chunks, options));
    check(meta, options);
    const { base, onFault } = options;
    const { size, chunkSize } = meta;
    const described = new DescribedStore(chunks, meta);
    const disk = await ChunkedDisk.open({
      store: described,
      size,
      chunkSize,
      onFault,
      ...(base && { base }),
    });
    return {
      disk,
      name,
      grow: async (size) => {
        checkGrowth(disk.size, size);
        await described.resize(size);
        disk.grow(size);
      },
      seal: async () => {
        await disk.flush();
        return described.seal();
      },
      sealed: async () => described.meta.seal,
      close: async () => {
        try {
          await disk.close();
        } finally {
          store.close();
          release();
        }
      },
    };
  } catch (error) {
    store.close();
    release();
    throw error;
  }
}

/** Empties disk `name` for good. It must not be open, here or in another tab. @throws DiskError */
export async function eraseDisk(
  name: string,
  factory: IDBFactory | undefined,
  locks: Locks | undefined,
): Promise<void> {
  const { release, store } = await openLocked(name, factory, locks);
  try {
    await new KeyvalChunkStore(store.use).clear();
  } finally {
    store.close();
    release();
  }
}

/** @throws DiskError if the disk is not free, or cannot be opened. */
export async function openLocked(
  name: string,
  factory: IDBFactory | undefined,
  locks: Locks | undefined,
): Promise<{ release: () => void; store: DurableStore }> {
  if (!NAME_PATTERN.test(name)) {
    throw new DiskError("name", `“${name}” cannot be the name of a disk.`);
  }
  if (factory === undefined || locks === undefined) {
    throw new DiskError("unavailable", "This browser offers no storage to this page.");
  }
  const release = await lockDisk(name, locks);
  if (release === undefined) {
    throw new DiskError("busy", `Disk “${name}” is in use by another tab.`);
  }
  try {
    return { release, store: await openDurableStore(DATABASE_PREFIX + name, factory) };
  } catch (error) {
    release();
    throw new DiskError("unavailable", `The browser refuses to open disk “${name}”: ${error}.`);
  }
}

async function create(chunks: KeyvalChunkStore, options: OpenDiskOptions): Promise<DiskMeta> {
  const { base } = options;
  const chunkSize = options.chunkSize ?? CHUNK_BYTES;
  const wanted = Math.max(options.size ?? 0, base?.size ?? 0) || DEFAULT_DISK_BYTES;
  const size = Math.min(MAX_DISK_BYTES, wholeSectors(wanted));
  const meta: DiskMeta = {
    format: DISK_FORMAT,
    size,
    chunkSize,
    ...(base && { base: base.identity }),
  };
  const seed = await options.seed?.();
  await chunks.commit(seed === undefined ? new Map() : seedChunks(seed, meta), meta);
  return meta;
}

/** A disk is a whole number of sectors, and an image's last bytes must not be cut off. */
export function wholeSectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR_SIZE) * SECTOR_SIZE;
}

function checkGrowth(size: number, wanted: number): void {
  if (!Number.isInteger(wanted / SECTOR_SIZE) || wanted > MAX_DISK_BYTES) {
    throw new RangeError(`a disk has whole sectors, up to ${MAX_DISK_BYTES} bytes`);
  }
  if (wanted <= size) throw new RangeError(`the disk has ${size} bytes already`);
}

function check(meta: DiskMeta, { name, base }: OpenDiskOptions): void {
  if (meta.format !== DISK_FORMAT) {
    throw new DiskError("mismatch", `Disk “${name}” was made by another version of tabvisor.`);
  }
  if (meta.isPartial) {
    throw new DiskError("mismatch", `Disk “${name}” is half an image: its import was interrupted.`);
  }
  if (meta.base === base?.identity) return;
  const made = meta.base === undefined ? "without a base image" : `over ${meta.base}`;
  throw new DiskError(
    "mismatch",
    `Disk “${name}” was made ${made}, which is not the one given now.`,
  );
}
