/**
 * Where the chunks of a sparse disk are in its data file, and the index file that keeps it.
 *
 * The data file is a row of slots, each with room for a chunk. The index has 32 bits for each chunk,
 * little-endian: 0 for a chunk that was never written, all ones for one that reads as zeros whatever the
 * base has there, and else the number of its slot plus one. An entry is stored after the data that it
 * leads to, and a slot that a stored entry leads to is not used for anything else: so whatever part of
 * the writes since the last `store` a crash keeps, every entry leads to what its chunk was or is.
 */
import type { SyncAccess } from "./handles/file-system-access.ts";

/** A chunk that was never written: the base shines through. */
export const UNWRITTEN = -1;

/** A chunk that reads as zeros. */
export const ZEROED = -2;

const ENTRY_BYTES = 4;
const NO_ENTRY = 0;
const ZERO_ENTRY = 0xffff_ffff;

/** Entries that are stored together: a page of the file. */
const PAGE_ENTRIES = 1024;

/** Storage whose contents nobody but damage can have made. */
export class DamagedIndexError extends Error {
  override readonly name = "DamagedIndexError";
}

export class SlotTable {
  readonly #file: SyncAccess;
  /** By chunk; as long as the highest that was ever written asks for. */
  #entries: Uint32Array<ArrayBuffer>;
  readonly #changedPages = new Set<number>();
  /** Slots of the data file, in use or not. */
  #slots = 0;
  #used = 0;
  /** Slots that no stored entry leads to, and that are in nobody's use. */
  #free: number[] = [];
  /** Slots that are given up, but may still be led to by a stored entry. */
  #given: number[] = [];

  /** Reads the index. @throws DamagedIndexError if its entries cannot be true of `slots` slots */
  constructor(file: SyncAccess, slots: number) {
    this.#file = file;
    // A crash may have kept a part of an entry that was not durable yet.
    const count = Math.floor(file.getSize() / ENTRY_BYTES);
    this.#entries = new Uint32Array(Math.ceil(count / PAGE_ENTRIES) * PAGE_ENTRIES);
    const into = bytesOf(this.#entries.subarray(0, count));
    if (file.read(into, { at: 0 }) !== into.length) {
      throw new DamagedIndexError("the index cannot be read");
    }
    this.#findSlots(slots);
  }

  /** Slots that hold chunks. */
  get used(): number {
    return this.#used;
  }

  /** Length of the data file, in slots. */
  get slots(): number {
    return this.#slots;
  }

  /** Chunks have numbers below this, as far as they were ever written. */
  get end(): number {
    return this.#entries.length;
  }

  /** Slots that could be given back to the browser if others were moved. */
  get unused(): number {
    return this.#free.length;
  }

  get isChanged(): boolean {
    return this.#changedPages.size > 0;
  }

  /** The slot of a chunk, or `UNWRITTEN` or `ZEROED`. */
  slotOf(chunk: number): number {
    const entry = chunk < this.#entries.length ? this.#entries[chunk] : NO_ENTRY;
    if (entry === NO_ENTRY) return UNWRITTEN;
    return entry === ZERO_ENTRY ? ZEROED : entry - 1;
  }

  /** The chunk is in `slot` from now on, or `UNWRITTEN` or `ZEROED`; its slot until now is given up. */
  set(chunk: number, slot: number): void {
    const was = this.slotOf(chunk);
    if (was >= 0) {
      this.#given.push(was);
      this.#used--;
    }
    if (slot >= 0) this.#used++;
    this.#put(chunk, slot);
  }

  /**
   * Takes a slot for a chunk that has none. One at or past the end of the data file has zeros; another
   * has whatever was there.
   */
  take(chunk: number): number {
    const slot = this.#free.pop() ?? this.#slots++;
    this.set(chunk, slot);
    return slot;
  }

  /** Undoes `take`: the chunk is what it was, and nobody has used the slot. */
  untake(chunk: number, was: number): void {
    this.#free.push(this.slotOf(chunk));
    this.#used--;
    this.#put(chunk, was);
  }

  /** Makes the index durable, by `sync`. What the entries lead to must be so already. */
  store(sync: (flush: () => void) => void): void {
    for (const page of this.#changedPages) {
      const start = page * PAGE_ENTRIES;
      const entries = this.#entries.subarray(start, start + PAGE_ENTRIES);
      writeAll(this.#file, bytesOf(entries), start * ENTRY_BYTES);
    }
    if (this.#changedPages.size > 0) sync(() => this.#file.flush());
    this.#changedPages.clear();
    this.#free = this.#free.concat(this.#given);
    this.#given = [];
  }

  /**
   * Moves up to `most` chunks from the file's last slots to free ones further ahead; `copy` copies the
   * contents of a slot. The file can be shortened by `trim` after the next `store`.
   */
  compact(most: number, copy: (from: number, to: number) => void): void {
    this.#free.sort((a, b) => b - a);
    const kept = this.#slots - this.#free.length;
    const moves = new Map<number, number>();
    for (const [chunk, entry] of this.#entries.entries()) {
      const slot = this.slotOf(chunk);
      if (entry !== NO_ENTRY && slot >= kept) moves.set(slot, chunk);
    }
    for (const slot of [...moves.keys()].sort((a, b) => b - a).slice(0, most)) {
      const to = this.#free.at(-1);
      if (to === undefined || to >= kept) return;
      copy(slot, to);
      this.#free.pop();
      this.set(moves.get(slot)!, to);
    }
  }

  /** Forgets free slots at the file's end; gives the slots that are left. */
  trim(): number {
    const free = new Set(this.#free);
    let slots = this.#slots;
    while (free.delete(slots - 1)) slots--;
    if (slots < this.#slots) {
      this.#slots = slots;
      this.#free = [...free];
    }
    return slots;
  }

  close(): void {
    this.#file.close();
  }

  #put(chunk: number, slot: number): void {
    if (chunk >= this.#entries.length) this.#lengthen(chunk + 1);
    if (slot === UNWRITTEN) this.#entries[chunk] = NO_ENTRY;
    else this.#entries[chunk] = slot === ZEROED ? ZERO_ENTRY : slot + 1;
    this.#changedPages.add(Math.floor(chunk / PAGE_ENTRIES));
  }

  #lengthen(least: number): void {
    const length = Math.max(least, this.#entries.length * 2);
    const longer = new Uint32Array(Math.ceil(length / PAGE_ENTRIES) * PAGE_ENTRIES);
    longer.set(this.#entries);
    this.#entries = longer;
  }

  /** Slots past the last that is in use are no part of the file. */
  #findSlots(slots: number): void {
    const isUsed = new Uint8Array(slots);
    for (const [chunk, entry] of this.#entries.entries()) {
      if (entry === NO_ENTRY || entry === ZERO_ENTRY) continue;
      if (entry > slots) throw new DamagedIndexError(`the data of chunk ${chunk} is missing`);
      if (isUsed[entry - 1]) throw new DamagedIndexError(`chunk ${chunk} is another's, too`);
      isUsed[entry - 1] = 1;
      this.#used++;
    }
    this.#slots = isUsed.lastIndexOf(1) + 1;
    for (let slot = this.#slots - 1; slot >= 0; slot--) if (!isUsed[slot]) this.#free.push(slot);
  }
}

/**
 * Writes all of `bytes`. A browser that is nearly out of room takes a part, and says why only when it is
 * given the rest. @throws DOMException, such as QuotaExceededError
 */
export function writeAll(file: SyncAccess, bytes: Uint8Array, at: number): void {
  let done = file.write(bytes, { at });
  while (done < bytes.length) {
    const count = file.write(bytes.subarray(done), { at: at + done });
    if (count === 0) throw new DOMException("the browser stores no more", "QuotaExceededError");
    done += count;
  }
}

function bytesOf(words: Uint32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
