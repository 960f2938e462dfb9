/** The File System Access API over memory, with what goes wrong there. */
import type {
  DirectoryHandle,
  FileHandle,
  SwapStream,
  SyncAccess,
} from "../handles/file-system-access.ts";

const failure = (name: string) => new DOMException(name, name);

/** What a host does with the calls on its files. */
export interface MemoryHost {
  /** Files can be opened for writing in place. */
  readonly isPrivate?: boolean;
  readonly canMove?: boolean;
  /** Writes and swaps fail by this name. */
  fault?: string | undefined;
  /** What was asked of the host, in order. */
  readonly log: string[];
}

export class MemoryFileHandle implements FileHandle {
  readonly kind = "file";
  name: string;
  bytes = new Uint8Array(0);
  lastModified = 1_000_000_000_000;
  isLocked = false;
  parent: MemoryDirectoryHandle | undefined;
  createSyncAccessHandle?: () => Promise<SyncAccess>;
  move?: (directory: DirectoryHandle, name: string) => Promise<void>;
  readonly #host: MemoryHost;

  constructor(name: string, parent: MemoryDirectoryHandle, host: MemoryHost) {
    this.name = name;
    this.parent = parent;
    this.#host = host;
    if (host.isPrivate) this.createSyncAccessHandle = async () => this.#access();
    if (host.canMove) {
      this.move = async (directory, to) => {
        const target = directory as MemoryDirectoryHandle;
        this.parent?.children.delete(this.name);
        target.children.set(to, this);
        [this.parent, this.name] = [target, to];
      };
    }
  }

  async getFile() {
    if (this.parent?.children.get(this.name) !== this) throw failure("NotFoundError");
    const { bytes, lastModified } = this;
    const arrayBuffer = async (start: number, end: number) => {
      // A browser notices by the time of the last change.
      if (this.lastModified !== lastModified) throw failure("NotReadableError");
      return bytes.slice(start, end).buffer;
    };
    return {
      size: bytes.length,
      lastModified,
      slice: (start: number, end: number) => ({ arrayBuffer: () => arrayBuffer(start, end) }),
    };
  }

  async createWritable({ keepExistingData }: { keepExistingData: boolean }): Promise<SwapStream> {
    this.#host.log.push(`swap ${this.name}${keepExistingData ? " kept" : ""}`);
    if (this.isLocked) throw failure("NoModificationAllowedError");
    let copy = keepExistingData ? this.bytes.slice() : new Uint8Array(0);
    const check = () => {
      if (this.#host.fault !== undefined) throw failure(this.#host.fault);
    };
    return {
      write: async ({ position, data }) => {
        check();
        copy = resized(copy, Math.max(copy.length, position + data.length));
        copy.set(data, position);
      },
      truncate: async (size) => {
        check();
        copy = resized(copy, size);
      },
      close: async () => {
        check();
        this.replace(copy);
      },
      abort: async () => {},
    };
  }

  /** The file has other bytes from now on. */
  replace(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.lastModified += 1000;
  }

  #access(): SyncAccess {
    if (this.isLocked) throw failure("NoModificationAllowedError");
    this.isLocked = true;
    this.#host.log.push(`access ${this.name}`);
    return {
      read: (buffer, { at }) => {
        const part = this.bytes.subarray(at, at + buffer.length);
        buffer.set(part);
        return part.length;
      },
      write: (buffer, { at }) => {
        if (this.#host.fault !== undefined) throw failure(this.#host.fault);
        this.bytes = resized(this.bytes, Math.max(this.bytes.length, at + buffer.length));
        this.bytes.set(buffer, at);
        return buffer.length;
      },
      truncate: (size) => {
        this.bytes = resized(this.bytes, size);
      },
      getSize: () => this.bytes.length,
      flush: () => void this.#host.log.push(`flush ${this.name}`),
      close: () => {
        this.isLocked = false;
      },
    };
  }
}

export class MemoryDirectoryHandle implements DirectoryHandle {
  readonly kind = "directory";
  readonly name: string;
  readonly children = new Map<string, MemoryFileHandle | MemoryDirectoryHandle>();
  readonly #host: MemoryHost;

  constructor(name: string, host: MemoryHost) {
    this.name = name;
    this.#host = host;
  }

  async *entries(): AsyncGenerator<[string, MemoryFileHandle | MemoryDirectoryHandle]> {
    yield* this.children;
  }

  async getFileHandle(name: string, { create } = { create: false }): Promise<MemoryFileHandle> {
    checkName(name);
    const known = this.children.get(name);
    if (known?.kind === "directory") throw failure("TypeMismatchError");
    if (known !== undefined) return known;
    if (!create) throw failure("NotFoundError");
    const file = new MemoryFileHandle(name, this, this.#host);
    this.children.set(name, file);
    return file;
  }

  async getDirectoryHandle(
    name: string,
    { create } = { create: false },
  ): Promise<MemoryDirectoryHandle> {
    checkName(name);
    const known = this.children.get(name);
    if (known?.kind === "file") throw failure("TypeMismatchError");
    if (known !== undefined) return known;
    if (!create) throw failure("NotFoundError");
    const directory = new MemoryDirectoryHandle(name, this.#host);
    this.children.set(name, directory);
    return directory;
  }

  async removeEntry(name: string): Promise<void> {
    const known = this.children.get(name);
    if (known === undefined) throw failure("NotFoundError");
    if (known.kind === "file" && known.isLocked) throw failure("NoModificationAllowedError");
    if (known.kind === "directory" && known.children.size > 0) {
      throw failure("InvalidModificationError");
    }
    this.children.delete(name);
  }
}

/** What Chromium refuses on every host, in part. */
function checkName(name: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
  if (name === "" || /[/\u0000-\u001f]|[. ]$/.test(name))
    throw new TypeError("Name is not allowed");
}

function resized(bytes: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  if (bytes.length === size) return bytes;
  const next = new Uint8Array(size);
  next.set(bytes.subarray(0, size));
  return next;
}
