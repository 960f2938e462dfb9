/** What there is to see of the queues of a device. Looking at one keeps its last chains for a while. */

import type { QueueSubject } from "./queue/queue-view.ts";
import {
  type ChainDetail,
  type QueueView,
  ringOf,
  viewChain,
  viewQueue,
} from "./queue/queue-view.ts";
import { QueueWatch } from "./queue/watch.ts";
import type { Subject } from "./subject.ts";

export type {
  ChainDetail,
  ChainRow,
  PositionView,
  QueueView,
  RingView,
} from "./queue/queue-view.ts";

export function queueCalls({ machine, clock }: Subject) {
  const watch = new QueueWatch(machine.memory, clock, (observer) => machine.observe(observer));

  const subjectOf = (slot: number, index: number): QueueSubject => {
    const occupied = machine.slots.occupied.find((other) => other.slot === slot);
    if (occupied === undefined) throw new Error(`There is no device in slot ${slot}.`);
    const { transport } = occupied;
    const { name, type, driverFeatures: features, queues } = transport.inspect();
    const queue = queues[index];
    if (queue === undefined) throw new Error(`${name} has no queue ${index}.`);
    const inFlight = [...transport.chainsInFlight(index)];
    const { memory } = machine;
    const done = watch.isOf(slot, index) ? watch.done : [];
    return { memory, slot, name, type, features, queue, inFlight, done };
  };

  return {
    /** A queue with its ring and its chains; from now on those that are given back are kept. */
    queue: (slot: number, index: number): QueueView => {
      const subject = subjectOf(slot, index);
      const ring = ringOf(subject.queue);
      const view = viewQueue(subject);
      if (ring !== undefined) watch.look(slot, index, ring);
      return view;
    },
    /** A chain of it with its bytes; `key` is that of a row. */
    queueChain: (slot: number, index: number, key: string): ChainDetail =>
      viewChain(subjectOf(slot, index), key),
    /** Nobody looks any more, or wants what is there to stay. */
    releaseQueue: (): void => watch.release(),
  };
}
