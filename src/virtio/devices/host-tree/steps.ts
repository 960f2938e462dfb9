/**
 * Operations of several steps, each of which answers at once or later.
 *
 * With `async` an answer that is there already would still wait until the guest's time slice is
 * over. A generator goes on at once, and stops only where there is something to wait for.
 */
import type { Answer } from "./host-tree.ts";

export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/** `yield* wait(answer)` is what `await answer` is in an async function. */
export function* wait<T>(answer: Answer<T>): Steps<T> {
  return answer instanceof Promise ? ((yield answer) as T) : answer;
}

/** No step at all. */
export function* nothing(): Steps<void> {}

/** Runs to the end, at once if nothing has to be waited for. Calls one of the two, once. */
export function run<T>(
  start: () => Steps<T>,
  done: (result: T) => void,
  failed: (error: unknown) => void,
): void {
  let steps: Steps<T>;
  const go = (resume: () => IteratorResult<Promise<unknown>, T>): void => {
    let result: IteratorResult<Promise<unknown>, T>;
    try {
      result = resume();
    } catch (error) {
      failed(error);
      return;
    }
    if (result.done === true) {
      done(result.value);
      return;
    }
    void result.value.then(
      (value) => go(() => steps.next(value)),
      (error: unknown) => go(() => steps.throw(error)),
    );
  };
  go(() => {
    steps = start();
    return steps.next();
  });
}
