/**
 * The DAX window (virtio 5.11.6.3): contents of files as memory of the guest, in blocks of 2 MiB.
 *
 * Nothing can be mapped in a browser, so a block is copied in when it is mapped, and the pages that
 * the guest has written since are written to the file when it is synced, flushed or unmapped. What
 * the guest changes by requests it sees in the window at once; what the host changes it sees when it
 * opens the file the next time.
 */
import { type GuestMemory, PAGE_BYTES } from "../../../memory/guest-memory.ts";
import { type MemoryWindow, WINDOW_BLOCK_BYTES } from "../../../memory/memory-window.ts";
import { HostError } from "../host-tree/errno.ts";
import type { FileTarget, HostFile, HostTree } from "../host-tree/host-tree.ts";
import { FILE_SIZE_MAX } from "../host-tree/memory-content.ts";
import { abandon } from "../host-tree/opened.ts";
import { type Steps, wait } from "../host-tree/steps.ts";

/** What is mapped at once, and what both offsets of a mapping are multiples of. */
export const DAX_BLOCK = WINDOW_BLOCK_BYTES;

/** Bytes of one SETUPMAPPING, which are all copied at once; Linux maps a block at a time. */
export const DAX_MAP_MAX = 4 * DAX_BLOCK;

const BLOCK_PAGES = DAX_BLOCK / PAGE_BYTES;

/** Bytes of one write to the host: trees that answer later keep a copy of it until then. */
const DAX_TRANSFER_MAX = 1024 * 1024;

/** The region's number in the transport's registers (5.11.6.3). */
export const DAX_REGION_ID = 0;

/** Counted for the inspector. */
interface DaxCounters {
  mappedBlocks: number;
  storedBytes: number;
}

/** Memory of the guest's in which files are mapped. */
export interface DaxPlace {
  readonly memory: GuestMemory;
  readonly window: MemoryWindow;
}

export interface DaxHost {
  readonly tree: HostTree;
  /** Counts bytes touched beside those of chains. */
  readonly spend: (bytes: number) => void;
  readonly counters: DaxCounters;
}

/** What a block of the window shows. */
interface Mapping {
  readonly node: object;
  readonly file: HostFile;
  /** Of the block in the file, in bytes. */
  readonly offset: number;
  /** What the guest writes there goes to the file. */
  readonly isWritable: boolean;
  /** What the file was when its contents were copied. */
  version: string;
  /** Where in the file the furthest bytes end that requests have written while a block is stored. */
  reach: number;
}

/** A mapping as the guest asks for it, in bytes. */
export interface MappingRequest {
  readonly node: object;
  readonly fileOffset: number;
  readonly length: number;
  readonly windowOffset: number;
  readonly isWritable: boolean;
}

export class DaxWindow {
  readonly #memory: GuestMemory;
  readonly #window: MemoryWindow;
  readonly #host: DaxHost;
  /** By block of the window. */
  readonly #mappings: (Mapping | undefined)[];
  /** By page of the window: 1 if the guest has written it since its file has it. */
  readonly #dirty: Uint8Array;
  /** Files of which something could not be written back when nobody was there to be told. */
  readonly #failed = new WeakSet<object>();
  /** Set while one operation is at work that waits: they come one after the other. */
  #busy: Promise<void> | undefined;
  #isClosed = false;

  /** Nothing is mapped at first. */
  constructor({ memory, window }: DaxPlace, host: DaxHost) {
    this.#memory = memory;
    this.#window = window;
    this.#host = host;
    this.#mappings = new Array(window.size / DAX_BLOCK).fill(undefined);
    this.#dirty = new Uint8Array(window.size / PAGE_BYTES);
  }

  /** In place of what was mapped there. @throws HostError EINVAL, EFBIG, and what the tree says */
  *map(request: MappingRequest): Steps<void> {
    const { node, fileOffset, length, windowOffset, isWritable } = request;
    const blocks = this.#blocksOf(windowOffset, length);
    if (fileOffset % DAX_BLOCK !== 0 || length > DAX_MAP_MAX) throw new HostError("EINVAL");
    if (fileOffset > FILE_SIZE_MAX - length) throw new HostError("EFBIG");
    for (let i = 0; i < blocks.count; i++) {
      const offset = fileOffset + i * DAX_BLOCK;
      yield* this.#alone(this.#mapBlock(blocks.first + i, { node, offset, isWritable }));
    }
  }

  /** What is not mapped there is no matter. @throws HostError EINVAL */
  *unmap(windowOffset: number, length: number): Steps<void> {
    const { first, count } = this.#blocksOf(windowOffset, length);
    for (let block = first; block < first + count; block++) {
      yield* this.#alone(this.#unmapBlock(block));
    }
  }

  /** Brings to a file, or to all, what the guest has written. @throws HostError if that fails */
  *writeBack(node?: object): Steps<void> {
    if (this.#shows(node)) yield* this.#alone(this.#storeAll(node));
    if (node !== undefined && this.#failed.delete(node)) throw new HostError("EIO");
  }

  /** A file is opened: what the host has changed is copied in, but over nothing the guest wrote. */
  *refresh(node: object): Steps<void> {
    if (this.#shows(node)) yield* this.#alone(this.#reloadAll(node));
  }

  /** A request has written these bytes to the file. */
  written(node: object, offset: number, source: readonly Uint8Array[]): void {
    if (!this.#shows(node)) return;
    this.#unnoted(() => {
      let at = offset;
      for (const part of source) {
        this.#change(node, at, part.length, (view, from, mapping) => {
          view.set(part.subarray(from - at, from - at + view.length));
          mapping.reach = Math.max(mapping.reach, from + view.length);
        });
        at += part.length;
      }
    });
  }

  /** A request has made zeros of a range; or the file ends at `offset`. */
  zeroed(node: object, offset: number, length = FILE_SIZE_MAX): void {
    if (!this.#shows(node)) return;
    this.#unnoted(() => this.#change(node, offset, length, (view) => view.fill(0)));
  }

  /** Unmaps all. What was written and not synced is lost, as when power fails. */
  close(): void {
    this.#isClosed = true;
    for (const block of this.#mappings.keys()) this.#forget(block);
  }

  /** @throws HostError EINVAL unless it is whole blocks of the window */
  #blocksOf(offset: number, length: number): { first: number; count: number } {
    const isWhole = offset % DAX_BLOCK === 0 && length % DAX_BLOCK === 0 && length > 0;
    const { size } = this.#window;
    if (!isWhole || offset > size || length > size - offset) throw new HostError("EINVAL");
    return { first: offset / DAX_BLOCK, count: length / DAX_BLOCK };
  }

  #shows(node: object | undefined): boolean {
    if (this.#host.counters.mappedBlocks === 0) return false;
    return node === undefined || this.#mappings.some((mapping) => mapping?.node === node);
  }

  /** Runs steps that nothing else may come between. */
  *#alone(steps: Steps<void>): Steps<void> {
    while (this.#busy !== undefined) yield* wait(this.#busy);
    let done = () => {};
    this.#busy = new Promise((resolve) => {
      done = resolve;
    });
    try {
      if (this.#isClosed) throw new HostError("EIO");
      yield* steps;
    } finally {
      this.#busy = undefined;
      done();
    }
  }

  *#mapBlock(
    block: number,
    { node, offset, isWritable }: Pick<Mapping, "node" | "offset" | "isWritable">,
  ): Steps<void> {
    const { tree, spend } = this.#host;
    yield* this.#unmapBlock(block);
    const mode = { read: true, write: isWritable, truncate: false, append: false };
    const file = yield* wait(tree.open(node, mode));
    try {
      const version = yield* this.#versionOf(node);
      this.#checkOpen();
      spend(DAX_BLOCK);
      this.#window.setPresent(this.#gpaOf(block), DAX_BLOCK, true);
      this.#mappings[block] = { node, file, offset, isWritable, version, reach: 0 };
      this.#host.counters.mappedBlocks++;
      yield* this.#read(file, offset, this.#viewOf(block));
      this.#checkOpen();
      this.#unnoted(() => this.#memory.written(this.#gpaOf(block), DAX_BLOCK));
      this.#dirty.fill(0, block * BLOCK_PAGES, (block + 1) * BLOCK_PAGES);
    } catch (error) {
      if (this.#mappings[block] === undefined) abandon({ file });
      else this.#forget(block);
      throw error;
    }
  }

  *#unmapBlock(block: number): Steps<void> {
    const mapping = this.#mappings[block];
    if (mapping === undefined) return;
    this.#collect();
    try {
      yield* this.#store(block, mapping);
    } catch {
      this.#failed.add(mapping.node);
    }
    this.#forget(block);
  }

  #forget(block: number): void {
    const mapping = this.#mappings[block];
    if (mapping === undefined) return;
    this.#mappings[block] = undefined;
    this.#host.counters.mappedBlocks--;
    this.#window.setPresent(this.#gpaOf(block), DAX_BLOCK, false);
    this.#dirty.fill(0, block * BLOCK_PAGES, (block + 1) * BLOCK_PAGES);
    abandon(mapping);
  }

  /** One block that cannot be stored keeps no other from it. */
  *#storeAll(node: object | undefined): Steps<void> {
    this.#collect();
    const errors: unknown[] = [];
    for (const [block, mapping] of this.#mappings.entries()) {
      if (mapping === undefined || (node !== undefined && mapping.node !== node)) continue;
      try {
        yield* this.#store(block, mapping);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  *#reloadAll(node: object): Steps<void> {
    const version = yield* this.#versionOf(node);
    for (const [block, mapping] of this.#mappings.entries()) {
      if (mapping?.node !== node || mapping.version === version) continue;
      yield* this.#reload(block, mapping);
      mapping.version = version;
    }
  }

  /**
   * Writes the dirty pages of a block, as far as the file goes; those that fail stay dirty. What is behind
   * the file's end is zeros from then on: it would show when the file grows.
   */
  *#store(block: number, mapping: Mapping): Steps<void> {
    const { node, offset } = mapping;
    if (!mapping.isWritable || !this.#isDirty(block)) return;
    mapping.reach = 0;
    const { size } = yield* wait(this.#host.tree.getattr(node));
    for (;;) {
      const run = this.#takeRun(block);
      if (run === undefined) break;
      const end = Math.max(size, mapping.reach) - offset;
      const length = Math.min(run.length, Math.max(0, end - run.at));
      if (length < run.length) this.#blank(block, run.at + length, run.at + run.length);
      if (length === 0) continue;
      try {
        yield* this.#write(mapping, run.at, this.#viewOf(block).subarray(run.at, run.at + length));
      } catch (error) {
        const first = block * BLOCK_PAGES + run.at / PAGE_BYTES;
        this.#dirty.fill(1, first, first + run.length / PAGE_BYTES);
        throw error;
      }
    }
    mapping.version = yield* this.#versionOf(node);
  }

  #blank(block: number, from: number, to: number): void {
    this.#unnoted(() => {
      this.#viewOf(block).fill(0, from, to);
      this.#memory.written(this.#gpaOf(block) + from, to - from);
    });
    this.#host.spend(to - from);
  }

  *#write({ file, offset }: Mapping, at: number, view: Uint8Array): Steps<void> {
    const count = yield* wait(file.write(offset + at, [view]));
    this.#checkOpen();
    // A disk that is full takes less.
    if (count < view.length) throw new HostError("ENOSPC");
    this.#host.counters.storedBytes += count;
    this.#host.spend(count);
  }

  /** Copies what the file has now over the pages that the guest has not written. */
  *#reload(block: number, { file, offset, isWritable }: Mapping): Steps<void> {
    const fresh = new Uint8Array(DAX_BLOCK);
    yield* this.#read(file, offset, fresh);
    this.#checkOpen();
    this.#host.spend(DAX_BLOCK);
    const view = this.#viewOf(block);
    this.#unnoted(() => {
      for (let page = 0; page < BLOCK_PAGES; page++) {
        if (isWritable && this.#dirty[block * BLOCK_PAGES + page] === 1) continue;
        const at = page * PAGE_BYTES;
        view.set(fresh.subarray(at, at + PAGE_BYTES), at);
        this.#memory.written(this.#gpaOf(block) + at, PAGE_BYTES);
      }
    });
  }

  /** Behind the file's end are zeros. */
  *#read(file: HostFile, offset: number, bytes: Uint8Array): Steps<void> {
    const count = yield* wait(file.read(offset, new BytesTarget(bytes, () => !this.#isClosed)));
    if (!this.#isClosed) bytes.fill(0, count);
  }

  /** Notes the pages that were written. */
  #collect(): void {
    for (const gpa of this.#memory.takeWritten(this.#window)) {
      this.#dirty[(gpa - this.#window.base) / PAGE_BYTES] = 1;
    }
  }

  /** Writes what the file has already: no page becomes dirty by it. */
  #unnoted(write: () => void): void {
    this.#collect();
    write();
    this.#memory.takeWritten(this.#window);
  }

  #isDirty(block: number): boolean {
    return this.#dirty.subarray(block * BLOCK_PAGES, (block + 1) * BLOCK_PAGES).includes(1);
  }

  /** The first dirty pages of a block that follow one another, which are clean from now on. */
  #takeRun(block: number): { readonly at: number; readonly length: number } | undefined {
    const pages = this.#dirty.subarray(block * BLOCK_PAGES, (block + 1) * BLOCK_PAGES);
    const first = pages.indexOf(1);
    if (first < 0) return undefined;
    const clean = pages.indexOf(0, first);
    const most = first + DAX_TRANSFER_MAX / PAGE_BYTES;
    const end = Math.min(clean < 0 ? BLOCK_PAGES : clean, most);
    pages.fill(0, first, end);
    return { at: first * PAGE_BYTES, length: (end - first) * PAGE_BYTES };
  }

  /** Changes what is mapped of a file's range as the file has been; `change` gets the parts' offsets. */
  #change(
    node: object,
    offset: number,
    length: number,
    change: (view: Uint8Array, offset: number, mapping: Mapping) => void,
  ): void {
    for (const [block, mapping] of this.#mappings.entries()) {
      if (mapping?.node !== node) continue;
      const start = Math.max(offset, mapping.offset);
      const end = Math.min(offset + length, mapping.offset + DAX_BLOCK);
      if (start >= end) continue;
      const at = start - mapping.offset;
      change(this.#viewOf(block).subarray(at, end - mapping.offset), start, mapping);
      this.#memory.written(this.#gpaOf(block) + at, end - start);
      this.#host.spend(end - start);
    }
  }

  *#versionOf(node: object): Steps<string> {
    const { mtime, size } = yield* wait(this.#host.tree.getattr(node));
    return `${mtime.sec}.${mtime.nsec} ${size}`;
  }

  /** The device may have been reset while the host was busy. */
  #checkOpen(): void {
    if (this.#isClosed) throw new HostError("EIO");
  }

  #gpaOf(block: number): number {
    return this.#window.base + block * DAX_BLOCK;
  }

  #viewOf(block: number): Uint8Array {
    const view = this.#memory.view(this.#gpaOf(block), DAX_BLOCK);
    if (view === undefined) throw new HostError("EIO");
    return view;
  }
}

/** Takes what is read into bytes, while it is wanted. */
class BytesTarget implements FileTarget {
  readonly #bytes: Uint8Array;
  readonly #isWanted: () => boolean;

  constructor(bytes: Uint8Array, isWanted: () => boolean) {
    this.#bytes = bytes;
    this.#isWanted = isWanted;
  }

  get alive(): boolean {
    return this.#isWanted();
  }

  get length(): number {
    return this.#bytes.length;
  }

  write(offset: number, bytes: Uint8Array): void {
    if (this.alive) this.#bytes.set(bytes, offset);
  }

  zero(offset: number, length: number): void {
    if (this.alive) this.#bytes.fill(0, offset, offset + length);
  }

  views(): Uint8Array[] {
    return [this.#bytes];
  }
}
