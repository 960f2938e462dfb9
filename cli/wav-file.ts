/** Writes what a guest plays to files: one for each stream, in the stream's own format. */
import { closeSync, openSync, writeSync } from "node:fs";
import { join, parse } from "node:path";
import type { PcmListener } from "../src/host/paced-sound.ts";
import { type PcmFormat, SAMPLE_BYTES } from "../src/virtio/devices/sound-backend.ts";

const HEADER_SIZE = 44;
/** Codes of the format chunk. */
const WAVE_PCM = 1;
const WAVE_FLOAT = 3;

export class WavFiles {
  readonly #path: string;
  readonly #open = new Set<WavFile>();
  #count = 0;

  /** @param path of the first file; the others get a number before the ending. */
  constructor(path: string) {
    this.#path = path;
  }

  listen(format: PcmFormat): PcmListener {
    this.#count++;
    const file = new WavFile(this.#count === 1 ? this.#path : this.#numbered(), format);
    this.#open.add(file);
    return {
      played: (bytes) => file.write(bytes),
      closed: () => {
        this.#open.delete(file);
        file.close();
      },
    };
  }

  close(): void {
    for (const file of this.#open) file.close();
    this.#open.clear();
  }

  #numbered(): string {
    const { dir, name, ext } = parse(this.#path);
    return join(dir, `${name}-${this.#count}${ext}`);
  }
}

class WavFile {
  readonly #file: number;
  readonly #format: PcmFormat;
  #bytes = 0;

  constructor(path: string, format: PcmFormat) {
    this.#file = openSync(path, "w");
    this.#format = format;
    writeSync(this.#file, wavHeader(format, 0));
  }

  write(bytes: Uint8Array): void {
    writeSync(this.#file, bytes);
    this.#bytes += bytes.length;
  }

  close(): void {
    writeSync(this.#file, wavHeader(this.#format, this.#bytes), 0, HEADER_SIZE, 0);
    closeSync(this.#file);
  }
}

/** The header of a RIFF WAVE file with that many bytes of samples. */
export function wavHeader({ sample, channels, rate }: PcmFormat, bytes: number): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  const frameBytes = SAMPLE_BYTES[sample] * channels;
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(HEADER_SIZE - 8 + bytes, 4);
  header.write("WAVEfmt ", 8, "latin1");
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(sample === "float" ? WAVE_FLOAT : WAVE_PCM, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * frameBytes, 28);
  header.writeUInt16LE(frameBytes, 32);
  header.writeUInt16LE(8 * SAMPLE_BYTES[sample], 34);
  header.write("data", 36, "latin1");
  header.writeUInt32LE(bytes, 40);
  return header;
}
