/** The entropy device (virtio 5.4): random bytes for the guest. */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { DeviceType } from "../spec.ts";

export interface EntropySource {
  /** Fills all of `bytes`, which are not guest memory. */
  fill(bytes: Uint8Array<ArrayBuffer>): void;
}

const QUEUE_SIZE = 64;

/**
 * Bytes per request; a longer buffer is filled in part, which 5.4.6 allows. Drivers ask for less
 * than 100, and a buffer of gigabytes must not keep the host busy.
 */
export const ENTROPY_REQUEST_MAX = 4096;

export class EntropyDevice implements VirtioDevice {
  readonly type = DeviceType.ENTROPY;
  readonly names = { title: "Entropy device", chapter: "5.4", traffic: ["bytes"] };
  readonly name: string;
  readonly features = 0n;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new ConfigFields(0);
  readonly #source: EntropySource;
  #io: DeviceIo | undefined;
  readonly #counters = { requests: 0, bytes: 0 };

  constructor(name: string, source: EntropySource) {
    this.name = name;
    this.#source = source;
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(): void {
    const queue = this.#io?.queues[0];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      queue.push(chain, this.#serve(chain));
      return true;
    });
  }

  reset(): void {
    this.#io = undefined;
  }

  counters(): Counters {
    return { ...this.#counters };
  }

  #serve(chain: DescriptorChain): number {
    const bytes = new Uint8Array(Math.min(chain.writableLength, ENTROPY_REQUEST_MAX));
    this.#source.fill(bytes);
    this.#counters.requests++;
    this.#counters.bytes += bytes.length;
    return chain.writeAt(0, bytes);
  }
}
