/**
 * What is used of the File System Access API: TypeScript's libraries lack parts of it, browsers too,
 * and tests give their own.
 */

/** What a browser's `File` is, as far as it is needed here. */
export interface SharedBlob {
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly lastModified: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** `FileSystemWritableFileStream`: what is written is in the file when it is closed, and not before. */
export interface SwapStream {
  write(chunk: { type: "write"; position: number; data: Uint8Array<ArrayBuffer> }): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

/** `FileSystemSyncAccessHandle`, which Workers have for files of the origin's private file system. */
export interface SyncAccess {
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

interface EntryHandle {
  readonly name: string;
  /** Missing where handles need no permission. */
  queryPermission?(descriptor: { mode: "read" | "readwrite" }): Promise<PermissionState>;
}

export interface FileHandle extends EntryHandle {
  readonly kind: "file";
  getFile(): Promise<SharedBlob>;
  createWritable?(options: { keepExistingData: boolean }): Promise<SwapStream>;
  createSyncAccessHandle?(): Promise<SyncAccess>;
  /** Not everywhere, and not for every file. */
  move?(directory: DirectoryHandle, name: string): Promise<void>;
}

export interface DirectoryHandle extends EntryHandle {
  readonly kind: "directory";
  entries(): AsyncIterable<[name: string, handle: FileHandle | DirectoryHandle]>;
  getFileHandle(name: string, options?: { create: boolean }): Promise<FileHandle>;
  getDirectoryHandle(name: string, options?: { create: boolean }): Promise<DirectoryHandle>;
  removeEntry(name: string): Promise<void>;
}
