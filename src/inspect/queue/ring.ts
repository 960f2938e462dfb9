/** The rings of a queue as they are in guest memory now: positions and places (virtio 2.7, 2.8). */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import type { QueueAddresses, QueueSnapshot } from "../../virtio/queue.ts";
import {
  AVAIL_NO_INTERRUPT,
  bit,
  DescriptorFlag,
  Feature,
  USED_NO_NOTIFY,
} from "../../virtio/spec.ts";
import { type DescriptorView, descriptorAt, type RingAreas } from "./descriptors.ts";

/**
 * Places of a ring that are looked at: all of every queue that the devices have. A longer ring is seen
 * around where the device takes from it.
 */
const PLACES_MAX = 256;

/** A position of a packed ring is 15 bits, with the wrap counter above them (2.8.14). */
const WRAP = 0x8000;
const POSITION = 0x7fff;

/** Kinds of event suppression (2.8.10). */
const EVENTS = ["ENABLE", "DISABLE", "DESC", "reserved"];

export type PlaceState = "free" | "available" | "in flight";

/** An element of a used ring. */
interface UsedView {
  readonly id: number;
  readonly length: number;
}

/** What is in a place of a ring. */
export interface PlaceView {
  readonly place: number;
  /** Of a split ring: what the driver wrote there, and what the device wrote. */
  readonly head?: number;
  readonly used?: UsedView;
  /** Of a packed ring, which both write. */
  readonly descriptor?: DescriptorView;
}

/** Somewhere in the ring that one of the two sides has come to. */
export interface PositionView {
  /** As the layout names it. */
  readonly name: string;
  readonly side: "driver" | "device";
  readonly place: number;
  /** As it is in memory: free-running, or with a wrap counter. */
  readonly value: string;
}

export interface RingView {
  readonly positions: readonly PositionView[];
  /** Who wants to be told of what, in words; with EVENT_IDX a split ring has positions for that. */
  readonly suppression: readonly { readonly name: string; readonly value: string }[];
  /** The first place that is looked at, and the states of those from there on, around the ring. */
  readonly first: number;
  readonly states: readonly PlaceState[];
  /** Chains that the driver has made available and the device has not taken: where each begins. */
  readonly waiting: readonly number[];
}

/** @param inFlight the places that chains in flight take up */
export function viewRing(
  memory: GuestMemory,
  ring: RingAreas,
  snapshot: QueueSnapshot,
  features: bigint,
  inFlight: ReadonlySet<number>,
): RingView {
  const view = ring.layout === "split" ? viewSplit : viewPacked;
  return view(memory, ring, snapshot, (features & bit(Feature.EVENT_IDX)) !== 0n, inFlight);
}

/** What is in the places that are looked at. */
export function viewPlaces(
  memory: GuestMemory,
  ring: RingAreas,
  { next }: QueueSnapshot,
): PlaceView[] {
  const { layout, addresses } = ring;
  return shownPlaces(addresses, next).map((place) => {
    if (layout === "packed") {
      const descriptor = descriptorAt(memory, ring, place);
      return { place, ...(descriptor === undefined ? {} : { descriptor }) };
    }
    return {
      place,
      head: headAt(memory, addresses, place),
      used: usedAt(memory, addresses, place),
    };
  });
}

/** What the driver has put into a place of a split queue's available ring (2.7.6). */
export function headAt(memory: GuestMemory, { driver }: QueueAddresses, place: number): number {
  return memory.readU16(driver + 4 + 2 * place);
}

/** What the device has put into a place of a split queue's used ring (2.7.8). */
export function usedAt(memory: GuestMemory, { device }: QueueAddresses, place: number): UsedView {
  const at = device + 4 + 8 * place;
  return { id: memory.readU32(at), length: memory.readU32(at + 4) };
}

/** The places to look at, in order. */
function shownPlaces({ size }: QueueAddresses, next: number): number[] {
  const count = Math.min(size, PLACES_MAX);
  const first = count === size ? 0 : (next & POSITION) - count / 2 + size;
  return Array.from({ length: count }, (_, i) => (first + i) % size);
}

/** The states of these places. */
function viewStates(
  addresses: QueueAddresses,
  next: number,
  waiting: readonly number[],
  inFlight: ReadonlySet<number>,
) {
  const places = shownPlaces(addresses, next);
  const isWaiting = new Set(waiting);
  return {
    first: places[0],
    states: places.map((place): PlaceState => {
      if (inFlight.has(place)) return "in flight";
      return isWaiting.has(place) ? "available" : "free";
    }),
  };
}

function viewSplit(
  memory: GuestMemory,
  { addresses }: RingAreas,
  { next, used }: QueueSnapshot,
  hasEvents: boolean,
  inFlight: ReadonlySet<number>,
): RingView {
  const { size, driver, device } = addresses;
  const mask = size - 1;
  const waiting = splitWaiting(memory, addresses, next);
  const position = (name: string, side: PositionView["side"], value: number): PositionView => ({
    name,
    side,
    place: value & mask,
    value: String(value),
  });
  const positions = [
    position("avail.idx", "driver", waiting.end),
    position("taken", "device", next),
    position("used.idx", "device", used),
  ];
  if (hasEvents) {
    positions.push(position("used_event", "driver", memory.readU16(driver + 4 + 2 * size)));
    positions.push(position("avail_event", "device", memory.readU16(device + 4 + 8 * size)));
  }
  return {
    positions,
    waiting: waiting.starts,
    suppression: hasEvents ? [] : splitSuppression(memory, addresses),
    ...viewStates(addresses, next, waiting.places, inFlight),
  };
}

/** Without EVENT_IDX a flag of either side says that it wants to hear nothing (2.7.6, 2.7.8). */
function splitSuppression(memory: GuestMemory, { driver, device }: QueueAddresses) {
  const noInterrupt = (memory.readU16(driver) & AVAIL_NO_INTERRUPT) !== 0;
  const noNotify = (memory.readU16(device) & USED_NO_NOTIFY) !== 0;
  return [
    { name: "interrupts", value: noInterrupt ? "NO_INTERRUPT" : "wanted" },
    { name: "kicks", value: noNotify ? "NO_NOTIFY" : "wanted" },
  ];
}

function viewPacked(
  memory: GuestMemory,
  { addresses }: RingAreas,
  { next, used }: QueueSnapshot,
  _hasEvents: boolean,
  inFlight: ReadonlySet<number>,
): RingView {
  const waiting = packedWaiting(memory, addresses, next);
  return {
    positions: [
      packedPosition("avail", "driver", waiting.end),
      packedPosition("taken", "device", next),
      packedPosition("used", "device", used),
    ],
    waiting: waiting.starts,
    suppression: [
      { name: "interrupts", value: eventText(memory.readU32(addresses.driver)) },
      { name: "kicks", value: eventText(memory.readU32(addresses.device)) },
    ],
    ...viewStates(addresses, next, waiting.places, inFlight),
  };
}

function packedPosition(name: string, side: PositionView["side"], position: number): PositionView {
  const place = position & POSITION;
  return { name, side, place, value: `${place} wrap ${position >>> 15}` };
}

/** What the driver has made available beyond `next`, and where it would go on. */
interface Waiting {
  /** Where each chain begins. */
  readonly starts: readonly number[];
  readonly places: readonly number[];
  readonly end: number;
}

/** The places at which a chain begins that the device has not taken. */
export function waitingStarts(
  memory: GuestMemory,
  { layout, addresses }: RingAreas,
  next: number,
): readonly number[] {
  const find = layout === "split" ? splitWaiting : packedWaiting;
  return find(memory, addresses, next).starts;
}

function splitWaiting(memory: GuestMemory, addresses: QueueAddresses, next: number): Waiting {
  const { size, driver } = addresses;
  const end = memory.readU16(driver + 2);
  // A driver that is further ahead has broken the ring.
  const ahead = Math.min((end - next) & 0xffff, size);
  const places = Array.from({ length: ahead }, (_, i) => (next + i) & (size - 1));
  return { starts: places, places, end };
}

/** Descriptors that are marked as available from `next` on (2.8.1). */
function packedWaiting(memory: GuestMemory, { desc, size }: QueueAddresses, next: number): Waiting {
  const starts: number[] = [];
  const places: number[] = [];
  let position = next;
  let isStart = true;
  for (let count = 0; count < size; count++) {
    const place = position & POSITION;
    const flags = memory.readU16(desc + 16 * place + 14);
    const expected = (position & WRAP) !== 0 ? DescriptorFlag.AVAIL : DescriptorFlag.USED;
    if ((flags & (DescriptorFlag.AVAIL | DescriptorFlag.USED)) !== expected) break;
    if (isStart) starts.push(place);
    places.push(place);
    isStart = (flags & DescriptorFlag.NEXT) === 0;
    position = advance(position, 1, size);
  }
  return { starts, places, end: position };
}

/** `count` places on from a position of a packed ring. */
function advance(position: number, count: number, size: number): number {
  const place = (position & POSITION) + count;
  return place < size ? (position & WRAP) | place : ((position & WRAP) ^ WRAP) | (place - size);
}

/** An event suppression structure (2.8.14). */
function eventText(event: number): string {
  const kind = EVENTS[(event >>> 16) & 3];
  if (kind !== "DESC") return kind;
  return `DESC at ${event & POSITION} wrap ${(event >>> 15) & 1}`;
}

/** The places that a chain takes up which was taken at `position`. */
export function placesOf(
  { layout, addresses: { size } }: RingAreas,
  position: number,
  slots: number,
): number[] {
  if (position < 0) return [];
  const first = layout === "split" ? position & (size - 1) : position & POSITION;
  return Array.from({ length: Math.min(slots, size) }, (_, i) => (first + i) % size);
}
