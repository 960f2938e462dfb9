/** The display and the sound card that the command line asks for; both end in files. */
import { PacedSound } from "../src/host/paced-sound.ts";
import { sleep } from "../src/host/sleep.ts";
import type { Machine } from "../src/machine/machine.ts";
import { GpuDevice } from "../src/virtio/devices/gpu.ts";
import { SoundDevice } from "../src/virtio/devices/sound.ts";
import type { RunOptions } from "./options.ts";
import { Picture } from "./picture.ts";
import { WavFiles } from "./wav-file.ts";

const PACER_HOST = { nowMs: () => performance.now(), sleep };

export class MediaDevices {
  readonly #display: RunOptions["display"];
  readonly #picture = new Picture();
  readonly #files: WavFiles | undefined;
  readonly #problems = new Set<string>();

  constructor({ display, sound }: RunOptions) {
    this.#display = display;
    if (sound !== undefined) this.#files = new WavFiles(sound);
  }

  attach(machine: Machine): void {
    if (this.#display !== undefined) {
      machine.attach(new GpuDevice("gpu0", this.#picture, this.#display));
    }
    const files = this.#files;
    if (files === undefined) return;
    const sound = new PacedSound(PACER_HOST, (format) => {
      try {
        return files.listen(format);
      } catch (error) {
        this.#problems.add(`cannot write what is played: ${(error as Error).message}`);
        return undefined;
      }
    });
    machine.attach(new SoundDevice("snd0", sound));
  }

  /** Finishes the files; what is to be said about them. */
  close(): string[] {
    this.#files?.close();
    if (this.#display !== undefined) this.#save(this.#display.path);
    return [...this.#problems];
  }

  #save(path: string): void {
    try {
      if (this.#picture.save(path)) return;
      this.#problems.add(`nothing was displayed; there is no ${path}`);
    } catch (error) {
      this.#problems.add(`cannot write ${path}: ${(error as Error).message}`);
    }
  }
}
