/** A raw disk image in a file. */
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { LoadError } from "../src/machine/load-error.ts";
import {
  type BlockBackend,
  type BlockTarget,
  SECTOR_SIZE,
} from "../src/virtio/devices/block-backend.ts";

/** Zeros are written in pieces of this many bytes, and holes of a sparse file are kept by piece. */
const ZERO_PIECE = 64 * 1024;
const ZEROS = Buffer.alloc(ZERO_PIECE);

/** How often the file's length is looked at, in ms: soon enough for a person who made it longer. */
const FOLLOW_MS = 1000;

/** The parts of a `FileHandle` that are used, so that tests can give one that fails. */
export type DiskFile = Pick<
  FileHandle,
  "stat" | "read" | "write" | "datasync" | "utimes" | "close"
>;

export interface FileDiskOptions {
  readonly name: string;
  /** Length of the file. */
  readonly bytes: number;
  readonly readOnly: boolean;
  /** Told of each failure of the file; the guest gets an I/O error. */
  readonly onFault?: (error: Error) => void;
}

export class FileDisk implements BlockBackend {
  readonly readOnly: boolean;
  readonly id: string;
  readonly #file: DiskFile;
  readonly #onFault: (error: Error) => void;
  #sectors: number;
  #timer: NodeJS.Timeout | undefined;
  /** Why nothing can be called durable any more. */
  #unsynced: Error | undefined;

  constructor(file: DiskFile, options: FileDiskOptions) {
    this.#file = file;
    this.#sectors = Math.floor(options.bytes / SECTOR_SIZE);
    this.#onFault = options.onFault ?? (() => {});
    this.readOnly = options.readOnly;
    this.id = options.name.replaceAll(/[^\x20-\x7e]/g, "?");
  }

  /** @throws LoadError */
  static async open(
    path: string,
    readOnly: boolean,
    onFault?: (error: Error) => void,
  ): Promise<FileDisk> {
    const file = await open(path, readOnly ? "r" : "r+").catch((error: NodeJS.ErrnoException) => {
      const advice =
        error.code === "EACCES" || error.code === "EROFS"
          ? `Make it writable, or give --disk ${path},ro.`
          : "Check its name; an empty disk can be made with truncate -s 1G FILE.";
      throw new LoadError(`The disk cannot be opened (${error.message}).`, advice);
    });
    const { size } = await file.stat();
    const name = basename(path);
    return new FileDisk(file, { name, bytes: size, readOnly, ...(onFault && { onFault }) });
  }

  get sectors(): number {
    return this.#sectors;
  }

  /** Calls back whenever the file has become longer or shorter, until the disk is closed. */
  follow(onResize: () => void, intervalMs: number = FOLLOW_MS): void {
    this.#timer = setTimeout(async () => {
      // A file that cannot be asked has not changed as far as anybody knows.
      const size = await this.#file.stat().then(
        (found) => found.size,
        () => undefined,
      );
      if (this.#timer === undefined) return;
      const sectors = size === undefined ? this.#sectors : Math.floor(size / SECTOR_SIZE);
      if (sectors !== this.#sectors) {
        this.#sectors = sectors;
        onResize();
      }
      this.follow(onResize, intervalMs);
    }, intervalMs).unref();
  }

  async read(sector: number, target: BlockTarget): Promise<void> {
    const bytes = Buffer.allocUnsafe(target.length);
    await this.#faulty(async () => {
      const length = await this.#readAll(bytes, sector * SECTOR_SIZE);
      if (length < bytes.length) throw new Error("the file has become shorter");
    });
    if (target.alive) target.write(0, bytes);
  }

  async write(sector: number, source: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(source);
    await this.#faulty(() => this.#writeAll(bytes, sector * SECTOR_SIZE));
  }

  /**
   * After one failure there is no success any more: the system may have dropped what it could not
   * write, and a later call that finds nothing left to do does not make that durable.
   */
  async flush(): Promise<void> {
    await this.#faulty(async () => {
      if (this.#unsynced === undefined) {
        await this.#file.datasync().catch((error: Error) => {
          this.#unsynced = error;
        });
      }
      if (this.#unsynced !== undefined) throw this.#unsynced;
    });
  }

  /**
   * The file's length and the time of its last change, which gets a fraction of a second that nobody
   * else would give it: the clock of a file system may stand still for longer than a write takes.
   */
  async seal(): Promise<string> {
    if (!this.readOnly) {
      await this.flush();
      const seconds = Math.floor(Date.now() / 1000) + Math.random();
      await this.#faulty(() => this.#file.utimes(seconds, seconds));
    }
    return this.sealed();
  }

  async sealed(): Promise<string> {
    const { mtimeNs, size } = await this.#file.stat({ bigint: true });
    return `${size} bytes, changed at ${mtimeNs} ns`;
  }

  discard(sector: number, count: number): Promise<void> {
    return this.writeZeroes(sector, count);
  }

  /** Node cannot punch holes; what is zero already is not written, so that holes stay. */
  async writeZeroes(sector: number, count: number): Promise<void> {
    const end = (sector + count) * SECTOR_SIZE;
    const piece = Buffer.allocUnsafe(ZERO_PIECE);
    await this.#faulty(async () => {
      for (let at = sector * SECTOR_SIZE; at < end; at += ZERO_PIECE) {
        const old = piece.subarray(0, Math.min(ZERO_PIECE, end - at));
        const zeros = ZEROS.subarray(0, old.length);
        const length = await this.#readAll(old, at);
        if (length < old.length || !old.equals(zeros)) await this.#writeAll(zeros, at);
      }
    });
  }

  /** How much there is to read, up to all of `into`. */
  async #readAll(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#file.read(into, done, into.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  /** A file system that is nearly full takes a part, and says why only when it is given the rest. */
  async #writeAll(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const left = bytes.length - done;
      const { bytesWritten } = await this.#file.write(bytes, done, left, position + done);
      if (bytesWritten === 0) throw new Error("the file does not take any more");
      done += bytesWritten;
    }
  }

  async #faulty(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#onFault(error as Error);
      throw error;
    }
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#file.close();
  }
}
