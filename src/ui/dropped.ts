/** What is in a drop: files, and directories, which the browser can lend or of which files are taken. */

/** Files of a directory that is not lent: more would not be shared by hand. */
const DROPPED_FILES_MAX = 10_000;

interface Dropping {
  /** Not in all browsers, and unknown to TypeScript. */
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

export interface DroppedThings {
  /** With their paths, if they were in a directory. */
  readonly files: readonly File[];
  readonly directories: readonly FileSystemDirectoryHandle[];
}

/** To be called while the drop is being handled: afterwards the browser forgets what was in it. */
export function droppedOf(transfer: DataTransfer | null): Promise<DroppedThings> {
  const taken = [...(transfer?.items ?? [])].filter(({ kind }) => kind === "file").map(take);
  return Promise.all(taken).then((things) => ({
    files: things.flatMap(({ files }) => files),
    directories: things.flatMap(({ directories }) => directories),
  }));
}

/** All that has to be asked at once is asked before the first wait. */
async function take(item: DataTransferItem): Promise<DroppedThings> {
  const file = item.getAsFile();
  const entry = item.webkitGetAsEntry();
  // Where it fails, the files themselves are taken.
  const handle = await (item as Dropping).getAsFileSystemHandle?.().catch(() => null);
  if (handle?.kind === "directory") {
    return { files: [], directories: [handle as FileSystemDirectoryHandle] };
  }
  const files: File[] = [];
  if (entry?.isDirectory === true) await collect(entry as FileSystemDirectoryEntry, files);
  else if (file !== null) files.push(file);
  return { files, directories: [] };
}

async function collect(directory: FileSystemDirectoryEntry, files: File[]): Promise<void> {
  const reader = directory.createReader();
  for (;;) {
    // A part of them each time, and none at the end.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return;
    for (const entry of entries) {
      if (files.length >= DROPPED_FILES_MAX) return;
      if (entry.isDirectory) await collect(entry as FileSystemDirectoryEntry, files);
      else files.push(await fileOf(entry as FileSystemFileEntry));
    }
  }
}

/** A file that knows its place, as one that was picked with its directory does. */
async function fileOf(entry: FileSystemFileEntry): Promise<File> {
  const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
  Object.defineProperty(file, "webkitRelativePath", { value: entry.fullPath.slice(1) });
  return file;
}
