/** What the two queue layouts have in common, as the device's side uses them (virtio 2.6). */
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { DescriptorChain } from "./chain.ts";
import type { DescriptorWalk } from "./descriptor-walk.ts";
import type { QueueAddresses } from "./queue.ts";

/** What became of an attempt to take a chain. */
export const Taken = {
  /** The chain is whole and well-formed. */
  WHOLE: 0,
  /** The chain has an id and no valid contents; `Ring.reason` says why. */
  MALFORMED: 1,
  /** The driver has not finished writing it; nothing was consumed. */
  INCOMPLETE: 2,
  /** The ring itself makes no sense; `Ring.reason` says why. */
  BROKEN: 3,
} as const;
export type Taken = (typeof Taken)[keyof typeof Taken];

export interface Ring {
  readonly layout: "split" | "packed";
  readonly addresses: QueueAddresses;
  /** Positions of the next chain to take and to give back, as the layout counts and saves them. */
  readonly next: number;
  readonly used: number;
  /** Why the last chain was malformed or the ring is broken. */
  readonly reason: string;
  /** Goes on from saved positions; false if they cannot be. */
  restore(next: number, used: number): boolean;
  /** Whether the driver has made anything available beyond `next`. */
  available(): boolean;
  /** Fills `chain` with what is available; only after `available`. */
  take(chain: DescriptorChain, walk: DescriptorWalk): Taken;
  /** Writes a used element that the driver cannot see yet. */
  stage(chain: DescriptorChain, bytesWritten: number): void;
  /** Shows what is staged; true if the driver wants a notification of it. */
  publish(): boolean;
  /** Asks the driver for kicks, or not to kick. */
  setKicks(wanted: boolean): void;
}

/** The bytes of one of the driver's areas, or undefined if it is misaligned or outside RAM. */
export function areaOf(
  memory: GuestMemory,
  gpa: number,
  length: number,
  alignment: number,
): Uint8Array | undefined {
  const view = gpa % alignment === 0 ? memory.view(gpa, length) : undefined;
  // A typed array needs the alignment in the linear memory too; RAM is page-aligned there.
  return view !== undefined && view.byteOffset % 4 === gpa % 4 ? view : undefined;
}
