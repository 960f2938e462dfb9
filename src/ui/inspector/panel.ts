/** What a panel of the inspector is. */
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import type { Remote } from "../../inspect/calls.ts";
import type { Session } from "../session.ts";
import { reasonOf } from "./reason.ts";

export interface PanelProps {
  readonly machine: Remote;
  readonly session: Session;
  /** What the address says behind the panel's id: `#inspect=devices/5` has "5". */
  readonly place: string;
  /** Puts a place of this panel, or of another, into the address. */
  readonly go: (place: string, panel?: string) => void;
}

export interface Panel {
  /** Also its name in the address. */
  readonly id: string;
  readonly title: string;
  readonly load: () => Promise<ComponentType<PanelProps>>;
}

/** Between two looks at what changes all the time, in ms. */
export const LOOK_MS = 250;

/** The last answer to a question that is asked again and again, or why there is none. */
export interface Look<T> {
  readonly value?: T;
  readonly error?: string;
}

/**
 * Asks again and again, as long as the panel is there and somebody can see the page: one question is
 * on its way at a time. `inputs` are what the question depends on; without a question there is no answer.
 */
export function useLook<T>(
  ask: (() => Promise<T>) | undefined,
  inputs: readonly unknown[] = [],
  everyMs: number = LOOK_MS,
): Signal<Look<T>> {
  const look = useSignal<Look<T>>({});
  useEffect(() => {
    if (ask === undefined) {
      look.value = {};
      return;
    }
    let isOver = false;
    let isAsking = false;
    let dueMs = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Is called whenever the page is shown or hidden, too: a hidden one has not even a timer.
    const next = async (): Promise<void> => {
      clearTimeout(timer);
      if (document.hidden || isAsking) return;
      const waitMs = dueMs - performance.now();
      if (waitMs <= 0) {
        isAsking = true;
        const seen = await looked(ask);
        isAsking = false;
        if (isOver) return;
        look.value = seen;
        dueMs = performance.now() + everyMs;
      }
      timer = setTimeout(next, Math.max(0, dueMs - performance.now()));
    };
    document.addEventListener("visibilitychange", next);
    void next();
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", next);
    };
  }, inputs);
  return look;
}

/** Does something; why it could not be done is the problem until something else is tried. */
export type Attempt = (work: () => Promise<unknown>) => Promise<void>;

export function useAttempt(): { readonly attempt: Attempt; readonly problem: string | undefined } {
  const problem = useSignal<string | undefined>(undefined);
  const attempt: Attempt = async (work) => {
    problem.value = undefined;
    try {
      await work();
    } catch (error) {
      problem.value = reasonOf(error);
    }
  };
  return { attempt, problem: problem.value };
}

/** As an attempt, of something that has begun. */
export type Act = (work: Promise<unknown>) => void;

export function useAct(): { readonly act: Act; readonly complaint: string } {
  const { attempt, problem = "" } = useAttempt();
  return { act: (work) => void attempt(() => work), complaint: problem };
}

async function looked<T>(ask: () => Promise<T>): Promise<Look<T>> {
  try {
    return { value: await ask() };
  } catch (error) {
    return { error: reasonOf(error) };
  }
}
