/** A disk in memory that only holds what was written: for tests and for runs without a browser. */
import { type BlockBackend, type BlockTarget, SECTOR_SIZE } from "./block-backend.ts";

const CHUNK_SIZE = 64 * 1024;

export interface MemoryBlockOptions {
  /** Default: as many as `image` needs. */
  readonly sectors?: number;
  readonly readOnly?: boolean;
  readonly id?: string;
  /** First contents. It is read but never changed: writes go to copies of its chunks. */
  readonly image?: Uint8Array;
}

export class MemoryBlockBackend implements BlockBackend {
  /** Can be changed at any time: tell the device, which tells the guest. */
  sectors: number;
  readonly readOnly: boolean;
  readonly id: string;
  readonly #image: Uint8Array;
  readonly #chunks = new Map<number, Uint8Array>();
  #changes = 0;

  constructor(options: MemoryBlockOptions) {
    this.#image = options.image ?? new Uint8Array();
    this.sectors = options.sectors ?? Math.ceil(this.#image.length / SECTOR_SIZE);
    this.readOnly = options.readOnly ?? false;
    this.id = options.id ?? "memory";
  }

  /** Bytes held beside the image. */
  get bytesHeld(): number {
    return this.#chunks.size * CHUNK_SIZE;
  }

  read(sector: number, target: BlockTarget): void {
    this.#eachPiece(sector * SECTOR_SIZE, target.length, (chunk, within, count, at) => {
      const bytes = this.#peek(chunk, within, count);
      target.write(at, bytes);
      if (bytes.length < count) target.zero(at + bytes.length, count - bytes.length);
    });
  }

  write(sector: number, source: readonly Uint8Array[]): void {
    let position = sector * SECTOR_SIZE;
    this.#changes++;
    for (const part of source) {
      this.#eachPiece(position, part.length, (chunk, within, count, at) => {
        const bytes = count === part.length ? part : part.subarray(at, at + count);
        this.#ownChunk(chunk).set(bytes, within);
      });
      position += part.length;
    }
  }

  flush(): void {}

  /** Of use to a machine in the same process alone, which has the same disk. */
  async seal(): Promise<string> {
    return `${this.sectors} sectors after ${this.#changes} changes`;
  }

  sealed(): Promise<string> {
    return this.seal();
  }

  discard(sector: number, count: number): void {
    this.writeZeroes(sector, count);
  }

  writeZeroes(sector: number, count: number): void {
    this.#changes++;
    this.#eachPiece(sector * SECTOR_SIZE, count * SECTOR_SIZE, (chunk, within, bytes) => {
      const untouched = !this.#chunks.has(chunk) && chunk * CHUNK_SIZE >= this.#image.length;
      if (untouched) return;
      if (bytes === CHUNK_SIZE && chunk * CHUNK_SIZE >= this.#image.length) {
        this.#chunks.delete(chunk);
      } else {
        this.#ownChunk(chunk).fill(0, within, within + bytes);
      }
    });
  }

  /** Overwrites what is held before it lets it go. The image belongs to somebody else. */
  secureErase(sector: number, count: number): void {
    this.#eachPiece(sector * SECTOR_SIZE, count * SECTOR_SIZE, (chunk, within, bytes) => {
      this.#chunks.get(chunk)?.fill(0, within, within + bytes);
    });
    this.writeZeroes(sector, count);
  }

  /** `at` is where a piece begins in the range. */
  #eachPiece(
    position: number,
    length: number,
    visit: (chunk: number, within: number, count: number, at: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const within = (position + at) % CHUNK_SIZE;
      const count = Math.min(CHUNK_SIZE - within, length - at);
      visit(Math.floor((position + at) / CHUNK_SIZE), within, count, at);
      at += count;
    }
  }

  /** A part of a chunk's contents, shorter where there is nothing yet. */
  #peek(chunk: number, within: number, count: number): Uint8Array {
    const own = this.#chunks.get(chunk);
    if (own !== undefined) return own.subarray(within, within + count);
    const at = chunk * CHUNK_SIZE + within;
    return this.#image.subarray(at, at + count);
  }

  #ownChunk(chunk: number): Uint8Array {
    let own = this.#chunks.get(chunk);
    if (own === undefined) {
      own = new Uint8Array(CHUNK_SIZE);
      own.set(this.#peek(chunk, 0, CHUNK_SIZE));
      this.#chunks.set(chunk, own);
    }
    return own;
  }
}
