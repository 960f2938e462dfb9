/** A link that loses, repeats and reorders frames, the same way each time for the same seed. */
import type { Link } from "./guest.ts";

export interface Trouble {
  /** Shares of frames, 0 to 1, in each direction. */
  readonly loss: number;
  readonly reordering: number;
  readonly duplication: number;
  readonly seed: number;
}

export function lossyLink(link: Link, trouble: Trouble): Link {
  const random = randomFrom(trouble.seed);
  const pass = (deliver: (frame: Uint8Array) => void) => {
    let held: Uint8Array | undefined;
    return (frame: Uint8Array) => {
      const roll = random();
      if (roll < trouble.loss) return;
      if (roll < trouble.loss + trouble.reordering && held === undefined) {
        held = frame;
        return;
      }
      deliver(frame);
      if (random() < trouble.duplication) deliver(frame);
      const late = held;
      held = undefined;
      if (late !== undefined) deliver(late);
    };
  };
  const send = pass((frame) => link.send(frame));
  return { send, listen: (receive) => link.listen(pass(receive)), close: () => link.close() };
}

/** Numbers from 0 to 1 (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
