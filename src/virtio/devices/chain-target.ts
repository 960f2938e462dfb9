/** The part of a chain's buffers where a read puts its bytes. */
import type { DescriptorChain } from "../chain.ts";
import type { FileTarget } from "./host-tree/host-tree.ts";

export class ChainTarget implements FileTarget {
  readonly length: number;
  readonly chain: DescriptorChain;
  readonly #start: number;

  /** `length` bytes from `start` of the writable part on, which has as many. */
  constructor(chain: DescriptorChain, start: number, length: number) {
    this.chain = chain;
    this.#start = start;
    this.length = length;
  }

  get alive(): boolean {
    return this.chain.alive;
  }

  write(offset: number, bytes: Uint8Array): void {
    const room = Math.max(0, this.length - offset);
    const fitting = bytes.length <= room ? bytes : bytes.subarray(0, room);
    this.chain.writeAt(this.#start + offset, fitting);
  }

  zero(offset: number, length: number): void {
    const room = Math.max(0, this.length - offset);
    this.chain.fillAt(this.#start + offset, Math.min(length, room), 0);
  }

  views(): Uint8Array[] {
    return this.chain.writableViews(this.#start, this.length);
  }
}
