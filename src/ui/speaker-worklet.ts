/** Plays the guest's samples; runs on the browser's audio thread. */
import type { SoundFormat } from "../worker/protocol.ts";
import { SampleRing } from "./sample-ring.ts";

/** The parts of the worklet's global scope that are used; the page's types know only the window's. */
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: typeof AudioWorkletProcessor): void;

/** Samples, or none to forget all that wait. */
export type SpeakerMessage = {
  readonly format: SoundFormat;
  readonly bytes: Uint8Array<ArrayBuffer>;
} | null;

class Speaker extends AudioWorkletProcessor {
  readonly #ring = new SampleRing(sampleRate);

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<SpeakerMessage>) => {
      if (data === null) this.#ring.clear();
      else this.#ring.push(data.format, data.bytes);
    };
  }

  process(_inputs: Float32Array[][], [[left, right]]: Float32Array[][]): boolean {
    this.#ring.pull(left, right ?? left);
    return true;
  }
}

registerProcessor("speaker", Speaker);
