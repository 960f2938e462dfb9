/** Looks that stand still when somebody wants to read. */
import { useRef } from "preact/hooks";
import { type Look, useLook } from "./panel.ts";

export interface HeldLook<T> extends Look<T> {
  /** The last answer that there was, also when there is none any more. */
  readonly last?: T | undefined;
}

/** As `useLook`, but an answer for which `isHeld` is true is the last that is asked for. */
export function useHeldLook<T>(
  ask: () => Promise<T>,
  isHeld: (last: T) => boolean,
  inputs: readonly unknown[],
): HeldLook<T> {
  const last = useRef<T | undefined>(undefined);
  const look = useLook(async () => {
    if (last.current === undefined || !isHeld(last.current)) last.current = await ask();
    return last.current;
  }, inputs);
  return { ...look.value, last: last.current };
}
