/** One queue as the inspector shows it: its ring, its chains, and one chain with all that is in it. */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import type { DescriptorChain } from "../../virtio/chain.ts";
import type { QueueAddresses, QueueCounters, QueueSnapshot } from "../../virtio/queue.ts";
import { decodePayload, type Field } from "../payload/payload.ts";
import { type ChainSource, chainInMemory, takenChain } from "./chain-source.ts";
import type { DescriptorView, RingAreas } from "./descriptors.ts";
import { headAt, placesOf, type RingView, usedAt, viewRing, waitingStarts } from "./ring.ts";
import { DONE_MAX, type DoneChain } from "./watch.ts";

/** Rows of each kind: a table that is read; how many more there are is said. */
const ROWS_MAX = 32;

/** Bytes of either part that are shown: what is longer nobody reads byte by byte. */
const HEX_BYTES_MAX = 4096;

/** What is looked at. */
export interface QueueSubject {
  readonly memory: GuestMemory;
  readonly slot: number;
  readonly name: string;
  /** Device ID of the virtio specification, chapter 5. */
  readonly type: number;
  readonly features: bigint;
  readonly queue: QueueSnapshot;
  readonly inFlight: readonly DescriptorChain[];
  /** What was kept of those that were given back, newest last. */
  readonly done: readonly DoneChain[];
}

/**
 * `available`: the device has not taken it; `in flight`: the device has it; `done`: it was given back,
 * and these are its bytes as they were then; `used`: so says the used ring, and the bytes are what is
 * in memory now.
 */
type ChainState = "available" | "in flight" | "done" | "used";

export interface ChainRow {
  /** Names the chain to `viewChain`. */
  readonly key: string;
  readonly state: ChainState;
  readonly id: number;
  /** In the ring that is drawn; empty where that is not known. */
  readonly places: readonly number[];
  readonly op: string;
  readonly summary: string;
  readonly readableLength: number;
  readonly writableLength: number;
  readonly usedLength?: number;
  /** Why it is malformed; of one that is `used`, how one can see that its memory was used again. */
  readonly flaw?: string;
}

export interface ChainDetail extends ChainRow {
  readonly descriptors: readonly DescriptorView[];
  readonly fields: readonly Field[];
  /** The first bytes of each part. */
  readonly readable: Uint8Array;
  readonly written: Uint8Array;
  /** From this offset on fields are in `written`. */
  readonly writtenAt: number;
}

export interface QueueView {
  readonly slot: number;
  readonly device: string;
  readonly queue: number;
  readonly counters: Readonly<QueueCounters>;
  /** Chains that the device has, and those that it has not taken yet. */
  readonly inFlight: number;
  readonly waiting: number;
  readonly lastMalformed: string | undefined;
  /** Undefined while the queue is not in use. */
  readonly layout?: "split" | "packed";
  readonly addresses?: QueueAddresses;
  readonly ring?: Omit<RingView, "waiting">;
  readonly rows: readonly ChainRow[];
  /** Chains available and in flight that have no row. */
  readonly hidden: number;
  /** Chains that were given back between those that are shown, too fast for all to be kept. */
  readonly skipped: number;
}

export function ringOf({ layout, addresses }: QueueSnapshot): RingAreas | undefined {
  return layout === undefined || addresses === undefined ? undefined : { layout, addresses };
}

export function viewQueue(subject: QueueSubject): QueueView {
  const { slot, name, queue, memory, features } = subject;
  const { kicks, chains, completed, malformed, notified, suppressed, lastMalformed } = queue;
  const ring = ringOf(queue);
  const head = {
    slot,
    device: name,
    queue: queue.index,
    counters: { kicks, chains, completed, malformed, notified, suppressed },
    inFlight: queue.inFlight,
    lastMalformed,
    skipped: skippedOf(subject.done),
  };
  const done = doneRows(subject);
  if (ring === undefined) return { ...head, waiting: 0, rows: done, hidden: 0 };
  const taken = subject.inFlight;
  const places = new Set(taken.flatMap((chain) => placesOf(ring, chain.position, chain.slots)));
  const { waiting, ...view } = viewRing(memory, ring, queue, features, places);
  const rows = [
    ...taken.slice(0, ROWS_MAX).map((chain) => takenRow(subject, ring, chain)),
    ...done,
    ...usedRows(subject, ring, done.length),
    // Last, because buffers that wait to be filled are many and say nothing.
    ...waiting.slice(0, ROWS_MAX).map((place) => waitingRow(subject, ring, place)),
  ];
  const hidden = excess(waiting.length) + excess(taken.length);
  return { ...head, ...ring, waiting: waiting.length, ring: view, rows, hidden };
}

/** @throws Error if there is no such chain any more */
export function viewChain(subject: QueueSubject, key: string): ChainDetail {
  const [kind, number] = key.split(":");
  const ring = ringOf(subject.queue);
  const source = sourceOf(subject, ring, kind, Number(number));
  if (source === undefined) throw new Error("This chain is not there any more.");
  const { row, fields } = rowOf(subject, key, STATES[kind], source, []);
  return {
    ...row,
    descriptors: source.chain.descriptors,
    fields,
    readable: source.readable.slice(0, HEX_BYTES_MAX),
    written: source.written.slice(0, HEX_BYTES_MAX),
    writtenAt: source.readable.length,
  };
}

/** What a key begins with. */
const STATES: Readonly<Record<string, ChainState>> = {
  waiting: "available",
  taken: "in flight",
  done: "done",
  used: "used",
};

function sourceOf(
  subject: QueueSubject,
  ring: RingAreas | undefined,
  kind: string,
  number: number,
): ChainSource | undefined {
  if (kind === "done") return subject.done.find(({ serial }) => serial === number);
  if (ring === undefined || !Number.isInteger(number) || number < 0) return undefined;
  const { memory } = subject;
  if (kind === "taken") {
    for (const chain of subject.inFlight) {
      if (chain.id === number) return takenChain(memory, ring, chain);
    }
  }
  if (kind === "waiting" && waitingStarts(memory, ring, subject.queue.next).includes(number)) {
    return waitingChain(subject, ring, number);
  }
  if (number >= ring.addresses.size) return undefined;
  return kind === "used" && ring.layout === "split" ? usedChain(subject, ring, number) : undefined;
}

function waitingRow(subject: QueueSubject, ring: RingAreas, place: number): ChainRow {
  const source = waitingChain(subject, ring, place);
  return rowOf(subject, `waiting:${place}`, "available", source, [place]).row;
}

function waitingChain(subject: QueueSubject, ring: RingAreas, place: number): ChainSource {
  const { memory, type } = subject;
  const { layout, addresses } = ring;
  const start = layout === "split" ? headAt(memory, addresses, place) : place;
  return chainInMemory(memory, ring, type, start, start);
}

function takenRow(subject: QueueSubject, ring: RingAreas, chain: DescriptorChain): ChainRow {
  const source = takenChain(subject.memory, ring, chain);
  const places = placesOf(ring, chain.position, chain.slots);
  return rowOf(subject, `taken:${chain.id}`, "in flight", source, places).row;
}

function skippedOf(done: readonly DoneChain[]): number {
  const [oldest, newest] = [done.at(0), done.at(-1)];
  if (oldest === undefined || newest === undefined) return 0;
  return newest.serial - oldest.serial + 1 - done.length;
}

/** What a chain that was given back says does not change. */
const doneCache = new WeakMap<DoneChain, ChainRow>();

function doneRows(subject: QueueSubject): ChainRow[] {
  return subject.done.toReversed().map((done) => {
    const known = doneCache.get(done);
    if (known !== undefined) return known;
    const { row } = rowOf(subject, `done:${done.serial}`, "done", done, []);
    doneCache.set(done, row);
    return row;
  });
}

/**
 * What the used ring has of before the queue was looked at, newest first, as long as no newer chain
 * has taken the same descriptors. A packed ring has no such memory.
 */
function usedRows(subject: QueueSubject, ring: RingAreas, kept: number): ChainRow[] {
  if (ring.layout !== "split") return [];
  const { used } = subject.queue;
  const { size } = ring.addresses;
  const seen = new Set<number>(subject.inFlight.map(({ id }) => id));
  for (const { id } of subject.done) seen.add(id);
  const rows: ChainRow[] = [];
  // Free-running positions begin at 0, and before them nothing was given back.
  const count = Math.min(DONE_MAX, size, subject.queue.chains);
  for (let back = kept; back < count; back++) {
    const place = (used - 1 - back) & (size - 1);
    const source = usedChain(subject, ring, place);
    if (seen.has(source.id)) continue;
    seen.add(source.id);
    const { row } = rowOf(subject, `used:${place}`, "used", source, []);
    rows.push(row.flaw === undefined ? row : { ...row, op: "", summary: "overwritten since" });
  }
  return rows;
}

function usedChain({ memory, type }: QueueSubject, ring: RingAreas, place: number): ChainSource {
  const { id, length } = usedAt(memory, ring.addresses, place);
  return chainInMemory(memory, ring, type, id, id, length);
}

function rowOf(
  subject: QueueSubject,
  key: string,
  state: ChainState,
  source: ChainSource,
  places: readonly number[],
): { readonly row: ChainRow; readonly fields: Field[] } {
  const { id, readableLength, writableLength, usedLength, readable, written } = source;
  const { type, features, queue } = subject;
  const { op, summary, fields } = decodePayload(type, queue.index, features, readable, written);
  const isShort = usedLength !== undefined && usedLength > writableLength;
  const flaw =
    source.flaw ?? source.chain.fault ?? (isShort ? "shorter than what was used" : undefined);
  const row: ChainRow = {
    ...{ key, state, id, places, op, summary, readableLength, writableLength },
    ...(usedLength === undefined ? {} : { usedLength }),
    ...(flaw === undefined ? {} : { flaw }),
  };
  return { row, fields };
}

function excess(count: number): number {
  return Math.max(0, count - ROWS_MAX);
}
