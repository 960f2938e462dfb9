/** An honest driver of any device of `specimens.ts`. */
import { settle, type TestDriver } from "./driver.ts";
import type { UsedElement } from "./driver-queue.ts";
import type { HonestRequest, Specimen } from "./specimen.ts";

/** Turns to wait for a host that answers late. */
const TURNS = 8;

export interface Answer {
  readonly id: number;
  /** Bytes written, or -1 if there was no answer. */
  readonly length: number;
}

/** Makes one request and waits for its answer; `others` is told of what else was answered. */
export async function ask(
  driver: TestDriver,
  specimen: Specimen,
  request: HonestRequest,
  others?: (used: UsedElement) => void,
): Promise<Answer> {
  const queue = driver.queues[request.queue];
  const { id } = queue.add(request.readable ?? [], request.writable ?? []);
  queue.kick();
  let answer: UsedElement | undefined;
  for (let turn = 0; turn < TURNS && answer === undefined; turn++) {
    if (turn > 0) specimen.stir?.();
    await settle();
    for (const used of queue.poll()) {
      if (used.id === id) answer = used;
      else others?.(used);
    }
  }
  return { id, length: answer?.length ?? -1 };
}

/** Makes all requests; the indexes of those that were not answered. */
export async function unanswered(driver: TestDriver, specimen: Specimen): Promise<number[]> {
  const missing: number[] = [];
  for (const [index, request] of specimen.requests.entries()) {
    const { length } = await ask(driver, specimen, request);
    if (length < 0) missing.push(index);
  }
  return missing;
}
