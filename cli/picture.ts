/** A screen that nobody looks at, and files of what was on it last. */
import { writeFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import type { DisplayBackend, Frame } from "../src/virtio/devices/display-backend.ts";

const BYTES_PER_PIXEL = 3;

export class Picture implements DisplayBackend {
  /** Also after the guest has switched the display off. */
  #last: Frame | undefined;

  show(frame: Frame | undefined): void {
    this.#last = frame ?? this.#last;
  }

  present(): void {}
  setCursor(): void {}
  moveCursor(): void {}

  defer(callback: () => void): void {
    setImmediate(callback);
  }

  /** Writes a PNG, or a PPM if the name says so. False if there was never anything to see. */
  save(path: string): boolean {
    if (this.#last === undefined) return false;
    writeFileSync(path, /\.ppm$/i.test(path) ? encodePpm(this.#last) : encodePng(this.#last));
    return true;
  }
}

/** Portable pixmap, the binary kind. */
export function encodePpm(frame: Frame): Buffer {
  const header = Buffer.from(`P6\n${frame.width} ${frame.height}\n255\n`);
  const rows = Array.from({ length: frame.height }, (_, y) => rowOf(frame, y));
  return Buffer.concat([header, ...rows]);
}

/** Portable Network Graphics (ISO/IEC 15948): 8 bits for each of R, G and B. */
export function encodePng(frame: Frame): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(frame.width, 0);
  header.writeUInt32BE(frame.height, 4);
  // Eight bits, true colour.
  header.set([8, 2], 8);
  const noFilter = Uint8Array.of(0);
  const rows = Array.from({ length: frame.height }, (_, y) => [noFilter, rowOf(frame, y)]).flat();
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.concat(rows))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function rowOf({ pixels, stride, x, y, width }: Frame, row: number): Uint8Array {
  const bytes = new Uint8Array(width * BYTES_PER_PIXEL);
  const from = ((y + row) * stride + x) * 4;
  for (let i = 0; i < width; i++) {
    for (let c = 0; c < BYTES_PER_PIXEL; c++) {
      bytes[i * BYTES_PER_PIXEL + c] = pixels[from + i * 4 + c];
    }
  }
  return bytes;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** The checksum of PNG's annex D; Node has one of its own only from version 20.15 on. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
  }
  return ~crc >>> 0;
}
