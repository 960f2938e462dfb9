/** What there is to see of the queues of a device. Looking at one keeps its last chains for a while. */
import { queueName } from "./queue/names.ts";
import type { QueueSubject } from "./queue/queue-view.ts";
import {
  type ChainDetail,
  type QueueView,
  ringOf,
  viewChain,
  viewQueue,
} from "./queue/queue-view.ts";
import { type PlaceView, viewPlaces } from "./queue/ring.ts";
import { QueueWatch } from "./queue/watch.ts";
import type { Subject } from "./subject.ts";

export interface DeviceQueues {
  readonly slot: number;
  readonly device: string;
  readonly queues: readonly {
    readonly index: number;
    readonly name: string;
    /** Set up by the driver. */
    readonly isInUse: boolean;
  }[];
}

export function queueCalls({ machine, clock }: Subject) {
  const watch = new QueueWatch(machine.memory, clock, (observer) => machine.observe(observer));

  const subjectOf = (slot: number, index: number): QueueSubject => {
    const occupied = machine.slots.at(slot);
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
    /** The devices that have queues, lowest slot first. */
    queues: (): DeviceQueues[] =>
      machine.slots.occupied.flatMap(({ slot, transport }) => {
        const { name, type, driverFeatures, queues } = transport.inspect();
        if (queues.length === 0) return [];
        const named = queues.map(({ index, layout }) => ({
          index,
          name: queueName(type, index, queues.length, driverFeatures),
          isInUse: layout !== undefined,
        }));
        return [{ slot, device: name, queues: named }];
      }),
    /** A queue with its ring and its chains; from now on those that are given back are kept. */
    queue: (slot: number, index: number): QueueView => {
      const subject = subjectOf(slot, index);
      const ring = ringOf(subject.queue);
      const view = viewQueue(subject);
      if (ring !== undefined) watch.look(slot, index, ring);
      return view;
    },
    /** What is in the places of its ring. */
    queueEntries: (slot: number, index: number): PlaceView[] => {
      const { memory, queue } = subjectOf(slot, index);
      const ring = ringOf(queue);
      return ring === undefined ? [] : viewPlaces(memory, ring, queue);
    },
    /** A chain of it with its bytes; `key` is that of a row. */
    queueChain: (slot: number, index: number, key: string): ChainDetail =>
      viewChain(subjectOf(slot, index), key),
    /** Nobody looks any more, or wants what is there to stay. */
    releaseQueue: (): void => watch.release(),
  };
}
