/** A device's configuration space as bytes with a generation count (virtio 2.5). */
import type { ConfigSpace } from "./device.ts";

/** Called for a guest's write; the default is a wholly read-only space. */
export type ConfigWrite = (offset: number, size: number, value: number) => void;

export class ConfigFields implements ConfigSpace {
  readonly size: number;
  generation = 0;
  readonly #data: DataView;
  readonly #onWrite: ConfigWrite | undefined;

  constructor(size: number, onWrite?: ConfigWrite) {
    this.size = size;
    this.#data = new DataView(new ArrayBuffer(size));
    this.#onWrite = onWrite;
  }

  readByte(offset: number): number {
    return this.#data.getUint8(offset);
  }

  write(offset: number, size: number, value: number): void {
    this.#onWrite?.(offset, size, value);
  }

  setU8(offset: number, value: number): this {
    this.#data.setUint8(offset, value);
    return this.#changed();
  }

  setU16(offset: number, value: number): this {
    this.#data.setUint16(offset, value, true);
    return this.#changed();
  }

  setU32(offset: number, value: number): this {
    this.#data.setUint32(offset, value, true);
    return this.#changed();
  }

  /** A number below 2^53 as 64 bits. */
  setU64(offset: number, value: number): this {
    this.#data.setUint32(offset, value % 0x1_0000_0000, true);
    this.#data.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
    return this.#changed();
  }

  setBytes(offset: number, bytes: Uint8Array): this {
    for (const [i, byte] of bytes.entries()) this.#data.setUint8(offset + i, byte);
    return this.#changed();
  }

  #changed(): this {
    this.generation = (this.generation + 1) >>> 0;
    return this;
  }
}

/** A guest's read of any width; past the end there are zeros. */
export function readConfig(config: ConfigSpace, offset: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) {
    value = (value << 8) | (offset + i < config.size ? config.readByte(offset + i) : 0);
  }
  return value >>> 0;
}
