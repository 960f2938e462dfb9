/** A file for tests that fails as told, and keeps of a crash what a file system may. */
import type { SyncAccess } from "../handles/file-system-access.ts";

/** How the next use of a file that can go wrong so does. */
export type FileFault = "read throws" | "write throws" | "write is short" | "flush throws";
export const FILE_FAULTS: readonly FileFault[] = [
  "read throws",
  "write throws",
  "write is short",
  "flush throws",
];

/** What storage writes as a whole. */
const SECTOR = 512;

interface Change {
  readonly at: number;
  /** Undefined where the file was cut off. */
  readonly bytes: Uint8Array | undefined;
}

export class FaultyFile implements SyncAccess {
  readonly #random: () => number;
  /** What a crash cannot take away. */
  #durable = new Uint8Array(0);
  #bytes = new Uint8Array(0);
  /** What a crash may take away, by sectors, in order. */
  #pending: Change[] = [];
  #isOpen = true;
  fault: FileFault | undefined;

  /** `random` gives numbers from 0 to 1 and chooses what a crash keeps. */
  constructor(random: () => number) {
    this.#random = random;
  }

  read(buffer: Uint8Array, { at }: { at: number }): number {
    this.#check("read throws");
    const part = this.#bytes.subarray(at, at + buffer.length);
    buffer.set(part);
    return part.length;
  }

  write(buffer: Uint8Array, { at }: { at: number }): number {
    const isShort = this.#fails("write is short");
    const isBroken = this.#fails("write throws");
    const part = Math.floor((this.#random() * buffer.length) / SECTOR) * SECTOR;
    const count = isShort || isBroken ? part : buffer.length;
    this.#apply(at, buffer.slice(0, count));
    if (isBroken) throw new DOMException("the disk has an error", "InvalidStateError");
    return count;
  }

  truncate(size: number): void {
    this.#check(undefined);
    this.#bytes = resized(this.#bytes, size);
    this.#pending.push({ at: size, bytes: undefined });
  }

  getSize(): number {
    return this.#bytes.length;
  }

  flush(): void {
    this.#check("flush throws");
    this.#durable = this.#bytes.slice();
    this.#pending = [];
  }

  close(): void {
    this.#isOpen = false;
  }

  /** The file as it is found after a crash; this one cannot be used any more. */
  crash(): FaultyFile {
    const found = new FaultyFile(this.#random);
    let bytes = this.#durable;
    for (const { at, bytes: part } of this.#pending) {
      if (this.#random() < 0.5) continue;
      bytes = part === undefined ? resized(bytes, at) : written(bytes, at, part);
    }
    found.#bytes = bytes;
    found.#durable = bytes.slice();
    this.#isOpen = false;
    return found;
  }

  #apply(at: number, bytes: Uint8Array): void {
    this.#bytes = written(this.#bytes, at, bytes);
    for (let start = 0; start < bytes.length; ) {
      const end = Math.min(bytes.length, start + SECTOR - ((at + start) % SECTOR));
      this.#pending.push({ at: at + start, bytes: bytes.subarray(start, end) });
      start = end;
    }
  }

  #check(fault: FileFault | undefined): void {
    if (!this.#isOpen) throw new DOMException("the file is closed", "InvalidStateError");
    if (this.#fails(fault)) throw new DOMException("the disk has an error", "UnknownError");
  }

  #fails(fault: FileFault | undefined): boolean {
    if (fault === undefined || this.fault !== fault) return false;
    this.fault = undefined;
    return true;
  }
}

function resized(bytes: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  const other = new Uint8Array(size);
  other.set(bytes.subarray(0, size));
  return other;
}

function written(
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
  part: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const longer = resized(bytes, Math.max(bytes.length, at + part.length));
  longer.set(part, at);
  return longer;
}
