/**
 * What an open directory showed when it was first read. Its positions stay what they are while files
 * come and go, however many calls it takes to read it.
 */
import { HostError } from "./errno.ts";
import { FileType, type TreeEntry } from "./host-tree.ts";
import { isShareable } from "./names.ts";

/**
 * Entries of all directories that a guest has open at once: some 200 MB of the host's memory. A
 * guest that opens a large directory again and again gets ENFILE.
 */
export const LISTED_ENTRIES_MAX = 1 << 20;

/** What listing one name costs the host, in bytes touched. */
export const ENTRY_COST = 256;

/** Entries held by all listings of one device. */
export class ListingBudget {
  used = 0;

  /** @throws HostError ENFILE */
  take(entries: number): void {
    if (this.used + entries > LISTED_ENTRIES_MAX) throw new HostError("ENFILE");
    this.used += entries;
  }

  give(entries: number): void {
    this.used -= entries;
  }
}

export class DirectoryListing {
  readonly #budget: ListingBudget;
  #entries: readonly TreeEntry[] = [];

  constructor(budget: ListingBudget) {
    this.#budget = budget;
  }

  /** Reads anew, as rewinddir(3) does. Names that the guest could not ask for are left out. */
  fill(ino: number, entries: readonly TreeEntry[]): void {
    this.close();
    this.#budget.take(entries.length);
    const type = FileType.DIRECTORY;
    const own = [".", ".."].map((name) => ({ name, ino, type }));
    this.#entries = [...own, ...entries.filter(({ name }) => isShareable(name))];
    this.#budget.give(entries.length);
    this.#budget.take(this.#entries.length);
  }

  /** Before it is filled for the first time; then there are two entries at least. */
  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** The entry at a position, 0 being the first; undefined past the end. */
  at(position: number): TreeEntry | undefined {
    return this.#entries[position];
  }

  close(): void {
    this.#budget.give(this.#entries.length);
    this.#entries = [];
  }
}

/** Type of a directory entry as getdents64(2) has it. */
export function entryType({ type }: TreeEntry): number {
  return type >> 12;
}
