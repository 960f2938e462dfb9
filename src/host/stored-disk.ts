/**
 * A named disk in this browser's storage: its lock, its description, its base image and its chunks.
 *
 * The description is in IndexedDB, in a database of its own. The chunks are in files of the origin's
 * private file system where a Worker can write those in place, which is many times faster, and else
 * beside the description.
 */
import { SECTOR_SIZE } from "../virtio/devices/block-backend.ts";
import { type ChunkChanges, DiskFormat, type DiskMeta, KeyvalChunkStore } from "./chunk-store.ts";
import { ChunkedDisk } from "./chunked-disk.ts";
import { type OpenPrivateRoot, openDiskFiles, removeDiskFiles } from "./disk-files.ts";
import { type Locks, lockDisk } from "./disk-lock.ts";
import { DISK_NAME_PATTERN } from "./disk-name.ts";
import { type DiskSeed, seedChunks } from "./disk-seed.ts";
import type { BaseImage, DiskFault, GuestDisk } from "./guest-disk.ts";
import { type DurableStore, openDurableStore } from "./idb-store.ts";
import { SealedDisk } from "./sealed-disk.ts";
import { type DiskFiles, SlotDisk, type SlotDiskOptions } from "./slot-disk.ts";
import { DamagedIndexError } from "./slot-table.ts";

/**
 * Bytes per chunk of a new disk. Measured in Chromium 156, in IndexedDB: 100 scattered writes of 4 KiB
 * and a flush take 81 ms with 32 KiB, 418 ms with 64 KiB, from where on Chromium keeps each record in a
 * file of its own, and 526 ms with 256 KiB. Sequential speed hardly depends on it (43, 30 and 41 MB/s).
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
  /** The browser has no storage or no locks here, or refuses them. */
  | "unavailable"
  /** A saved machine goes on with it, and could not if it were written to. */
  | "sealed"
  /** The disk was made by another format, or over another base image, or is damaged. */
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

/** What a browser lends for disks. */
export interface DiskRoom {
  readonly factory: IDBFactory | undefined;
  readonly locks: Locks | undefined;
  /** Where a new disk has its chunks; if absent or not usable, in IndexedDB. */
  readonly files?: OpenPrivateRoot | undefined;
}

export interface OpenDiskOptions extends DiskRoom {
  readonly name: string;
  readonly base?: BaseImage;
  /** Capacity of a disk that does not exist yet: at least the base's, and without both the usual one. */
  readonly size?: number;
  readonly chunkSize?: number;
  /** What a disk that does not exist yet begins with. Asked for then only. */
  readonly seed?: () => Promise<DiskSeed | undefined>;
  /** Refuses a disk that a saved machine needs as it is; default no. */
  readonly keepsSeal?: boolean;
  /** Told when something could not be stored or read. */
  readonly onFault: (error: unknown, what: DiskFault) => void;
}

export interface OpenedDisk {
  readonly disk: SealedDisk;
  readonly name: string;
  /**
   * Makes the disk so many bytes large, for good, when it resolves. Rejects with a RangeError if it
   * cannot be as large or is larger already, and with the store's error if that fails.
   */
  grow(size: number): Promise<void>;
  /** Stores what is left and gives the disk back to other tabs. Rejects if something is unstored. */
  close(): Promise<void>;
}

/** Opens disk `name`, making it if it does not exist. @throws DiskError */
export async function openDisk(options: OpenDiskOptions): Promise<OpenedDisk> {
  const { name } = options;
  const { release, store } = await openLocked(name, options);
  try {
    const chunks = new KeyvalChunkStore(store.use);
    const known = await chunks.readMeta();
    if (known !== undefined) check(known, options);
    const { meta, disk: stored } =
      known === undefined
        ? await create(chunks, options)
        : { meta: known, disk: await openChunks(known, chunks, options) };
    const disk = new SealedDisk(stored, chunks, meta);
    return {
      disk,
      name,
      grow: async (size) => {
        checkGrowth(disk.size, size);
        await disk.resize(size);
      },
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
export async function eraseDisk(name: string, room: DiskRoom): Promise<void> {
  const { release, store } = await openLocked(name, room);
  try {
    await new KeyvalChunkStore(store.use).clear();
    await removeDiskFiles(name, room.files);
  } finally {
    store.close();
    release();
  }
}

/** @throws DiskError if the disk is not free, or cannot be opened. */
export async function openLocked(
  name: string,
  { factory, locks }: DiskRoom,
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

/** The disk is there, and durable, when its description is. */
async function create(
  chunks: KeyvalChunkStore,
  options: OpenDiskOptions,
): Promise<{ meta: DiskMeta; disk: GuestDisk }> {
  const { base, name } = options;
  const chunkSize = options.chunkSize ?? CHUNK_BYTES;
  const wanted = Math.max(options.size ?? 0, base?.size ?? 0) || DEFAULT_DISK_BYTES;
  const size = Math.min(MAX_DISK_BYTES, wholeSectors(wanted));
  const shape = { size, chunkSize, ...(base && { base: base.identity }) };
  const seed = await options.seed?.();
  const changes = seed === undefined ? new Map() : seedChunks(seed, shape);
  const files = await makeFiles(name, options.files);
  if (files === undefined) {
    const meta = { format: DiskFormat.RECORDS, ...shape };
    await chunks.commit(changes, meta);
    return { meta, disk: await openChunks(meta, chunks, options) };
  }
  const meta = { format: DiskFormat.FILES, ...shape };
  const disk = new SlotDisk({ ...optionsOf(meta, options), files });
  try {
    await storeChunks(disk, changes);
    await disk.flush();
    await chunks.writeMeta(meta);
    return { meta, disk };
  } catch (error) {
    await disk.close().catch(() => {});
    throw error;
  }
}

/** Undefined where the browser has none, as in some private windows: that is known only by trying. */
export async function makeFiles(
  name: string,
  root: OpenPrivateRoot | undefined,
): Promise<DiskFiles | undefined> {
  return root && openDiskFiles(root, name, "make").catch(() => undefined);
}

/** Makes chunks part of a disk; a flush makes them durable. */
export async function storeChunks(disk: SlotDisk, changes: ChunkChanges): Promise<void> {
  for (const [index, bytes] of changes) {
    const offset = index * disk.chunkSize;
    if (bytes !== null) await disk.write(offset, [bytes.subarray(0, disk.size - offset)]);
  }
}

/** Opens the chunks of a disk that is there. @throws DiskError */
async function openChunks(
  meta: DiskMeta,
  chunks: KeyvalChunkStore,
  options: OpenDiskOptions,
): Promise<GuestDisk> {
  const shape = optionsOf(meta, options);
  if (meta.format === DiskFormat.RECORDS) return ChunkedDisk.open({ store: chunks, ...shape });
  return openSlotDisk(options.name, options.files, shape);
}

/** Opens the files of a disk that is there. @throws DiskError */
export async function openSlotDisk(
  name: string,
  root: OpenPrivateRoot | undefined,
  shape: Omit<SlotDiskOptions, "files">,
): Promise<SlotDisk> {
  if (root === undefined) {
    throw new DiskError(
      "unavailable",
      `This browser offers no files to this page for disk “${name}”.`,
    );
  }
  let files: DiskFiles | undefined;
  try {
    files = await openDiskFiles(root, name, "find");
    return new SlotDisk({ ...shape, files });
  } catch (error) {
    files?.data.close();
    files?.index.close();
    if (error instanceof DamagedIndexError) {
      throw new DiskError("mismatch", `Disk “${name}” is damaged: ${error.message}.`);
    }
    if (error instanceof DOMException && error.name === "NotFoundError") {
      throw new DiskError("mismatch", `The browser has deleted the data of disk “${name}”.`);
    }
    throw new DiskError("unavailable", `The browser refuses to open disk “${name}”: ${error}.`);
  }
}

function optionsOf(
  { size, chunkSize }: DiskMeta,
  { base, onFault }: OpenDiskOptions,
): Omit<SlotDiskOptions, "files"> {
  return { size, chunkSize, onFault, ...(base && { base }) };
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

/** Whether this version can use a disk. */
export function isKnown({ format }: DiskMeta): boolean {
  return format === DiskFormat.RECORDS || format === DiskFormat.FILES;
}

function check(meta: DiskMeta, { name, base, keepsSeal }: OpenDiskOptions): void {
  if (!isKnown(meta)) {
    throw new DiskError("mismatch", `Disk “${name}” was made by another version of tabvisor.`);
  }
  if (meta.isPartial) {
    throw new DiskError("mismatch", `Disk “${name}” is half an image: its import was interrupted.`);
  }
  if (keepsSeal === true && meta.seal !== undefined) {
    throw new DiskError("sealed", `A saved machine needs disk “${name}” as it is.`);
  }
  if (meta.base === base?.identity) return;
  const made = meta.base === undefined ? "without a base image" : `over ${meta.base}`;
  throw new DiskError(
    "mismatch",
    `Disk “${name}” was made ${made}, which is not the one given now.`,
  );
}
