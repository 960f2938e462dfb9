/** Where the reads of tests put their bytes. */
import type { FileTarget } from "../devices/host-tree/host-tree.ts";

export class BufferTarget implements FileTarget {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly alive = true;

  constructor(length: number) {
    this.bytes = new Uint8Array(length).fill(0xaa);
  }

  get length(): number {
    return this.bytes.length;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
  }

  zero(offset: number, length: number): void {
    this.bytes.fill(0, offset, offset + length);
  }

  views(): Uint8Array[] {
    return [this.bytes];
  }
}
