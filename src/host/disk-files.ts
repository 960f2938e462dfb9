/** The files of disks in the origin's private file system, which only Workers can use in place. */
import { hexOf } from "../packet/bytes.ts";
import type { DirectoryHandle, FileHandle, SyncAccess } from "./handles/file-system-access.ts";
import type { DiskFiles } from "./slot-disk.ts";

/** Gives the root of the file system that is private to this page's origin. Rejects where there is none. */
export type OpenPrivateRoot = () => Promise<DirectoryHandle>;

/** The directory of all disks. */
const DIRECTORY = "tabvisor-disks";

/** The files of one disk, by what they are followed by in the directory. */
const SUFFIXES = ["data", "index"] as const;

/**
 * Waits until a file is tried again, in ms: whoever has the disk's lock is the only one with a right to
 * it, but a browser closes the files of a Worker that has ended only after its locks.
 */
const BUSY_MS: readonly number[] = [20, 50, 100, 200, 400, 800];

/**
 * Opens the files of disk `name`: with "make" empty ones, and with "find" those that are there, whose
 * absence is a NotFoundError. Rejects with the browser's DOMException.
 */
export async function openDiskFiles(
  root: OpenPrivateRoot,
  name: string,
  how: "make" | "find",
): Promise<DiskFiles> {
  const directory = await directoryOf(root);
  const opened: SyncAccess[] = [];
  try {
    for (const suffix of SUFFIXES) {
      const file = await directory.getFileHandle(fileName(name, suffix), {
        create: how === "make",
      });
      const access = await accessTo(file);
      opened.push(access);
      if (how === "make") access.truncate(0);
    }
    const [data, index] = opened;
    return { data, index };
  } catch (error) {
    for (const access of opened) access.close();
    throw error;
  }
}

/** Bytes of the data of disk `name`, also while it is open. Rejects if there are none. */
export async function diskFileBytes(root: OpenPrivateRoot, name: string): Promise<number> {
  const file = await (await directoryOf(root)).getFileHandle(fileName(name, "data"));
  return (await file.getFile()).size;
}

/** Deletes the files of disk `name`, as far as there are any. They must not be open. */
export async function removeDiskFiles(
  name: string,
  root: OpenPrivateRoot | undefined,
): Promise<void> {
  const directory = root && (await directoryOf(root).catch(() => undefined));
  if (directory === undefined) return;
  for (const suffix of SUFFIXES) {
    await directory.removeEntry(fileName(name, suffix)).catch((error: unknown) => {
      if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
    });
  }
}

async function directoryOf(root: OpenPrivateRoot): Promise<DirectoryHandle> {
  return (await root()).getDirectoryHandle(DIRECTORY, { create: true });
}

/** Names of disks are ASCII, but not all of them are names of files everywhere, nor are their capitals. */
function fileName(name: string, suffix: (typeof SUFFIXES)[number]): string {
  return `${hexOf(new TextEncoder().encode(name))}.${suffix}`;
}

async function accessTo(file: FileHandle): Promise<SyncAccess> {
  if (file.createSyncAccessHandle === undefined) {
    throw new DOMException("files cannot be written in place here", "NotSupportedError");
  }
  for (let attempt = 0; ; attempt++) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      const isBusy = error instanceof DOMException && error.name === "NoModificationAllowedError";
      if (!isBusy || attempt === BUSY_MS.length) throw error;
      await new Promise((resolve) => setTimeout(resolve, BUSY_MS[attempt]));
    }
  }
}
