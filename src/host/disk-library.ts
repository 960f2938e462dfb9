/** The disks in this browser's storage: which there are, as files and from files, and away with them. */
import { isZero } from "../memory/guest-memory.ts";
import { type ChunkChanges, DiskFormat, type DiskMeta, KeyvalChunkStore } from "./chunk-store.ts";
import { diskFileBytes, type OpenPrivateRoot, removeDiskFiles } from "./disk-files.ts";
import { type Locks, lockDisk, lockedDisks } from "./disk-lock.ts";
import type { BaseImage, GuestDisk, VisitChunk } from "./guest-disk.ts";
import { openDurableStore } from "./idb-store.ts";
import { ImageParts } from "./image-parts.ts";
import { SlotDisk } from "./slot-disk.ts";
import {
  CHUNK_BYTES,
  DATABASE_PREFIX,
  DiskError,
  type DiskRoom,
  isKnown,
  MAX_DISK_BYTES,
  makeFiles,
  openLocked,
  openSlotDisk,
  storeChunks,
  wholeSectors,
} from "./stored-disk.ts";

/** Disks that are listed: more than a person keeps, and each is opened to be looked at. */
const LISTED_MAX = 200;

/** Bytes of an image that are stored at a time: few enough to be held, enough for a transaction. */
const IMPORT_BYTES = 4 << 20;

/** Bytes of a base image that are asked for at a time. */
const BASE_BYTES = 1 << 20;

/** One disk as it is in the storage. */
export interface StoredDisk {
  readonly name: string;
  /** Bytes that a guest sees; 0 if that is not known. */
  readonly sizeBytes: number;
  /** Bytes that are stored, about. */
  readonly storedBytes: number;
  /** Names the exact image that it was made over. */
  readonly base?: string;
  readonly isLocked: boolean;
  /** Why it cannot be used. */
  readonly problem?: string;
}

/** A browser that does lend what disks need. */
export interface Library extends DiskRoom {
  readonly factory: IDBFactory;
  readonly locks: Locks;
}

type Commit = (changes: ChunkChanges) => Promise<void>;

/** Long work: told in bytes how far it is, and ended by `signal`. */
export interface Work {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** The disks by name. */
export async function listDisks({ factory, locks, files }: Library): Promise<StoredDisk[]> {
  const databases = await factory.databases();
  const names = databases.flatMap(({ name }) =>
    name?.startsWith(DATABASE_PREFIX) ? [name.slice(DATABASE_PREFIX.length)] : [],
  );
  const locked = await lockedDisks(locks);
  const disks: StoredDisk[] = [];
  for (const name of names.sort().slice(0, LISTED_MAX)) {
    const disk = await look(name, factory, files);
    if (disk !== undefined) disks.push({ ...disk, isLocked: locked.has(name) });
  }
  return disks;
}

/** Undefined for a disk that was reset and not used since, or is gone by now. */
async function look(
  name: string,
  factory: IDBFactory,
  files: OpenPrivateRoot | undefined,
): Promise<Omit<StoredDisk, "isLocked"> | undefined> {
  try {
    const store = await openDurableStore(DATABASE_PREFIX + name, factory, "find");
    try {
      const chunks = new KeyvalChunkStore(store.use);
      const meta = await chunks.readMeta();
      if (meta === undefined) return undefined;
      const { format, chunkSize } = meta;
      const count =
        format === DiskFormat.FILES && files !== undefined
          ? Math.ceil((await diskFileBytes(files, name)) / chunkSize)
          : await chunks.count();
      return { ...factsOf(meta), name, storedBytes: count * chunkSize };
    } finally {
      store.close();
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
    return { name, sizeBytes: 0, storedBytes: 0, problem: `It cannot be opened: ${error}.` };
  }
}

function factsOf(meta: DiskMeta): Pick<StoredDisk, "sizeBytes" | "base" | "problem"> {
  const problem = !isKnown(meta)
    ? "It was made by another version of tabvisor."
    : meta.isPartial && "Its import was interrupted.";
  return {
    sizeBytes: meta.size,
    ...(meta.base !== undefined && { base: meta.base }),
    ...(problem && { problem }),
  };
}

/**
 * The disk as a raw image, as it was stored at one moment. Ranges without data take no room in it.
 * `openBase` opens the image that the disk was made over; `inUse` is the disk if it is open here.
 * @throws DiskError
 */
export async function exportDisk(
  name: string,
  library: Library,
  openBase: (identity: string) => Promise<BaseImage>,
  { signal, onProgress }: Work,
  inUse?: GuestDisk,
): Promise<Blob> {
  const store = await openDurableStore(DATABASE_PREFIX + name, library.factory, "find");
  try {
    const chunks = new KeyvalChunkStore(store.use);
    const meta = await chunks.readMeta();
    if (meta === undefined) throw new DiskError("name", `There is no disk “${name}”.`);
    if (meta.isPartial || !isKnown(meta)) {
      throw new DiskError("mismatch", `Disk “${name}” cannot be read.`);
    }
    const base = meta.base === undefined ? undefined : await openBase(meta.base);
    const image = new ImageParts(meta.size);
    const put: VisitChunk = (index, record) => {
      signal.throwIfAborted();
      const at = index * meta.chunkSize;
      image.put(at, record, Math.min(meta.chunkSize, meta.size - at));
      onProgress(at, meta.size);
    };
    if (meta.format === DiskFormat.RECORDS) await chunks.scan(put);
    else if (inUse?.scan !== undefined) await inUse.scan(put);
    else await scanFiles(name, meta, library, put);
    if (base !== undefined) await fill(image, base, { signal, onProgress });
    return image.blob();
  } finally {
    store.close();
  }
}

/** Shows the chunks of a disk that is open nowhere, and stays so meanwhile. @throws DiskError */
async function scanFiles(
  name: string,
  { size, chunkSize }: DiskMeta,
  { locks, files }: Library,
  visit: VisitChunk,
): Promise<void> {
  const release = await lockDisk(name, locks);
  if (release === undefined) throw new DiskError("busy", `Disk “${name}” is in use.`);
  try {
    const disk = await openSlotDisk(name, files, { size, chunkSize });
    await disk.scan(visit).finally(() => disk.close());
  } finally {
    release();
  }
}

/** What was never written comes from the base. */
async function fill(image: ImageParts, base: BaseImage, work: Work): Promise<void> {
  for (const gap of image.gaps()) {
    const end = Math.min(gap.end, base.size);
    for (let at = gap.start; at < end; at += BASE_BYTES) {
      work.signal.throwIfAborted();
      const length = Math.min(BASE_BYTES, end - at);
      image.put(at, (await base.read(at, length)) as Uint8Array<ArrayBuffer>, length);
      work.onProgress(at, image.size);
    }
  }
}

/**
 * Makes disk `name` of a raw image, or of a gzip file with one. Zeros take no room. A failed or ended
 * import leaves nothing behind. @throws DiskError
 */
export async function importDisk(
  name: string,
  file: Blob,
  library: Library,
  work: Work,
): Promise<void> {
  const { release, store } = await openLocked(name, library);
  let disk: SlotDisk | undefined;
  let isOurs = false;
  try {
    const chunks = new KeyvalChunkStore(store.use);
    if ((await chunks.readMeta()) !== undefined) {
      throw new DiskError("name", `There is a disk “${name}” already.`);
    }
    isOurs = true;
    await chunks.clear();
    const files = await makeFiles(name, library.files);
    disk = files && new SlotDisk({ files, size: MAX_DISK_BYTES, chunkSize: CHUNK_BYTES });
    const format = disk === undefined ? DiskFormat.RECORDS : DiskFormat.FILES;
    const meta = { format, size: 0, chunkSize: CHUNK_BYTES };
    await chunks.writeMeta({ ...meta, isPartial: true });
    const commit: Commit = async (batch) =>
      disk === undefined ? chunks.commit(batch) : storeChunks(disk, batch);
    const size = await storeImage(commit, await open(file, work), work.signal);
    work.signal.throwIfAborted();
    if (size === 0) throw new DiskError("name", "The file is empty.");
    await disk?.flush();
    await chunks.writeMeta({ ...meta, size: wholeSectors(size) });
    isOurs = false;
  } finally {
    await disk?.close().catch(() => {});
    store.close();
    if (isOurs) await remove(name, library).catch(() => {});
    release();
  }
}

async function open(
  file: Blob,
  { onProgress }: Work,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  let done = 0;
  const counted = file.stream().pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(bytes, controller) {
        done += bytes.length;
        onProgress(done, file.size);
        controller.enqueue(bytes);
      },
    }),
  );
  const isGzip = first === 0x1f && second === 0x8b;
  return isGzip ? counted.pipeThrough(new DecompressionStream("gzip")) : counted;
}

/** Gives the image's size in bytes. */
async function storeImage(
  commit: Commit,
  image: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
): Promise<number> {
  let batch = new Map<number, Uint8Array<ArrayBuffer>>();
  let chunk = new Uint8Array(CHUNK_BYTES);
  let size = 0;
  const reader = image.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (signal.aborted || size + value.length > MAX_DISK_BYTES) {
      await reader.cancel();
      signal.throwIfAborted();
      throw new DiskError("name", `A disk can have ${MAX_DISK_BYTES / 2 ** 30} GiB at most.`);
    }
    for (let at = 0; at < value.length; ) {
      const start = size % CHUNK_BYTES;
      const part = value.subarray(at, at + CHUNK_BYTES - start);
      chunk.set(part, start);
      at += part.length;
      size += part.length;
      if (size % CHUNK_BYTES !== 0 || isZero(chunk)) continue;
      batch.set(size / CHUNK_BYTES - 1, chunk);
      chunk = new Uint8Array(CHUNK_BYTES);
    }
    if (batch.size * CHUNK_BYTES < IMPORT_BYTES) continue;
    await commit(batch);
    batch = new Map();
  }
  // The last chunk is as long as the disk has left for it.
  const rest = wholeSectors(size % CHUNK_BYTES);
  chunk.fill(0, size % CHUNK_BYTES);
  const last = chunk.slice(0, rest);
  if (!isZero(last)) batch.set(Math.floor(size / CHUNK_BYTES), last);
  if (batch.size > 0) await commit(batch);
  return size;
}

/** Deletes disk `name` for good. It must not be open, here or in another tab. @throws DiskError */
export async function deleteDisk(name: string, library: Library): Promise<void> {
  const release = await lockDisk(name, library.locks);
  if (release === undefined) throw new DiskError("busy", `Disk “${name}” is in use.`);
  try {
    await remove(name, library);
  } finally {
    release();
  }
}

/** The description goes first: without it, nobody looks for the files. */
async function remove(name: string, { factory, files }: Library): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = factory.deleteDatabase(DATABASE_PREFIX + name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });
  await removeDiskFiles(name, files);
}
