/** A raw disk image in a file. */
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { LoadError } from "../src/machine/load-error.ts";
import type { BlockBackend, BlockTarget } from "../src/virtio/devices/block-backend.ts";

const SECTOR_SIZE = 512;

/** Zeros are written in pieces of this many bytes, and holes of a sparse file are kept by piece. */
const ZERO_PIECE = 64 * 1024;
const ZEROS = Buffer.alloc(ZERO_PIECE);

/** How often the file's length is looked at, in ms: soon enough for a person who made it longer. */
const FOLLOW_MS = 1000;

export class FileDisk implements BlockBackend {
  readonly readOnly: boolean;
  readonly id: string;
  readonly #file: FileHandle;
  #sectors: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor(file: FileHandle, name: string, bytes: number, readOnly: boolean) {
    this.#file = file;
    this.#sectors = Math.floor(bytes / SECTOR_SIZE);
    this.readOnly = readOnly;
    this.id = name.replaceAll(/[^\x20-\x7e]/g, "?");
  }

  /** @throws LoadError */
  static async open(path: string, readOnly: boolean): Promise<FileDisk> {
    const file = await open(path, readOnly ? "r" : "r+").catch((error: NodeJS.ErrnoException) => {
      const advice =
        error.code === "EACCES" || error.code === "EROFS"
          ? `Make it writable, or give --disk ${path},ro.`
          : "Check its name; an empty disk can be made with truncate -s 1G FILE.";
      throw new LoadError(`The disk cannot be opened (${error.message}).`, advice);
    });
    const { size } = await file.stat();
    return new FileDisk(file, basename(path), size, readOnly);
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
    const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, sector * SECTOR_SIZE);
    if (bytesRead < bytes.length) throw new Error("the file has become shorter");
    if (target.alive) target.write(0, bytes);
  }

  async write(sector: number, source: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(source);
    const { bytesWritten } = await this.#file.write(bytes, 0, bytes.length, sector * SECTOR_SIZE);
    if (bytesWritten < bytes.length) throw new Error("the file did not take all of the data");
  }

  flush(): Promise<void> {
    return this.#file.datasync();
  }

  discard(sector: number, count: number): Promise<void> {
    return this.writeZeroes(sector, count);
  }

  /** Node cannot punch holes; what is zero already is not written, so that holes stay. */
  async writeZeroes(sector: number, count: number): Promise<void> {
    const end = (sector + count) * SECTOR_SIZE;
    const piece = Buffer.allocUnsafe(ZERO_PIECE);
    for (let at = sector * SECTOR_SIZE; at < end; at += ZERO_PIECE) {
      const length = Math.min(ZERO_PIECE, end - at);
      await this.#file.read(piece, 0, length, at);
      const zeros = ZEROS.subarray(0, length);
      if (!piece.subarray(0, length).equals(zeros)) await this.#file.write(zeros, 0, length, at);
    }
  }

  close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#file.close();
  }
}
