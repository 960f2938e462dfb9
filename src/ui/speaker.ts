/** The page's loudspeaker. A browser lets it sound only after a person has asked for it. */
import type { SpeakerMessage } from "./speaker-worklet.ts";
import workletUrl from "./speaker-worklet.ts?worker&url";

export class Speaker {
  readonly #context: AudioContext;
  readonly #node: AudioWorkletNode;

  private constructor(context: AudioContext) {
    this.#context = context;
    this.#node = new AudioWorkletNode(context, "speaker", {
      numberOfInputs: 0,
      outputChannelCount: [2],
    });
    this.#node.connect(context.destination);
  }

  /** Rejects where the browser has no way to play. */
  static async open(): Promise<Speaker> {
    const context = new AudioContext();
    await context.audioWorklet.addModule(workletUrl);
    await context.resume();
    return new Speaker(context);
  }

  play(message: SpeakerMessage): void {
    this.#node.port.postMessage(message);
  }

  close(): void {
    this.#node.disconnect();
    void this.#context.close();
  }
}
