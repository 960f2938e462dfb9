/** Takes requests from a queue, each of which is answered at once or later, in any order. */
import type { DescriptorChain } from "../../chain.ts";
import { drain, type Virtqueue } from "../../queue.ts";

/** Calls `done` once, with the bytes that were written. */
export type Serve = (chain: DescriptorChain, done: (bytesWritten: number) => void) => void;

/** Requests that are worked on at once; those that are answered at once do not count. */
export const REQUESTS_IN_FLIGHT_MAX = 64;

export class RequestPump {
  #queue: Virtqueue | undefined;
  #serve: Serve = () => {};
  #draining = false;
  /** Chains are left in the queue because too much is in flight. */
  #stalled = false;
  #inFlight = 0;

  /** Also counts requests of before a `stop`: the host still works on them. */
  get inFlight(): number {
    return this.#inFlight;
  }

  start(queue: Virtqueue, serve: Serve): void {
    this.#queue = queue;
    this.#serve = serve;
  }

  stop(): void {
    this.#queue = undefined;
    this.#draining = false;
    this.#stalled = false;
  }

  /** The driver has made chains available. */
  run(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    this.#stalled = this.#inFlight >= REQUESTS_IN_FLIGHT_MAX;
    if (this.#stalled || this.#draining) return;
    this.#draining = true;
    drain(queue, (chain) => {
      this.#take(queue, chain);
      this.#stalled = this.#inFlight >= REQUESTS_IN_FLIGHT_MAX;
      return !this.#stalled;
    });
    this.#draining = false;
    queue.publish();
  }

  #take(queue: Virtqueue, chain: DescriptorChain): void {
    let isLater = false;
    let isDone = false;
    this.#serve(chain, (bytesWritten) => {
      isDone = true;
      queue.stage(chain, bytesWritten);
      if (!isLater) return;
      this.#inFlight--;
      queue.publish();
      if (this.#stalled) this.run();
    });
    isLater = true;
    if (!isDone) this.#inFlight++;
  }
}
