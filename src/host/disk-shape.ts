/** How large a disk is, and how it is divided into chunks. */
export class DiskShape {
  readonly chunkSize: number;
  #size: number;

  /** In bytes. */
  constructor(size: number, chunkSize: number) {
    this.#size = size;
    this.chunkSize = chunkSize;
  }

  get size(): number {
    return this.#size;
  }

  /** See `GuestDisk`. */
  grow(size: number): void {
    if (!(size >= this.#size)) throw new RangeError(`a disk of ${this.#size} bytes cannot shrink`);
    this.#size = size;
  }

  chunkOf(offset: number): number {
    return Math.floor(offset / this.chunkSize);
  }

  /** Bytes of the disk in a chunk: fewer in its last. */
  lengthOf(chunk: number): number {
    return Math.min(this.chunkSize, this.#size - chunk * this.chunkSize);
  }

  /** @throws RangeError if the range is not wholly on the disk. */
  check(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.#size) return;
    throw new RangeError(`${length} bytes at ${offset} are not on a disk of ${this.#size}`);
  }
}
