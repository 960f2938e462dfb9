/**
 * The bytes of one file that a browser lends.
 *
 * In the origin's private file system they are written in place. Elsewhere the browser writes to a
 * copy and puts that in the file's place when it is closed, which is done when the guest syncs or
 * closes the file, or reads it: until then the host sees the file as it was, and never half of it.
 */
import { joined, totalLength } from "../../packet/bytes.ts";
import { HostError } from "../../virtio/devices/host-tree/errno.ts";
import type { Answer, FileTarget } from "../../virtio/devices/host-tree/host-tree.ts";
import { FILE_SIZE_MAX } from "../../virtio/devices/host-tree/memory-content.ts";
import type { FileHandle, SharedBlob, SwapStream, SyncAccess } from "./file-system-access.ts";
import { guarded, hostErrorOf, isNamed } from "./handle-errors.ts";

/** A copy that is being written, and will be the file. */
interface Swap {
  readonly stream: SwapStream;
  size: number;
}

export interface ContentFacts {
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
}

export class HandleContent {
  handle: FileHandle;
  readonly #nowMs: () => number;
  /** The file as it was when it was last looked at; reading fails once it has changed. */
  #snapshot: SharedBlob | undefined;
  #swap: Swap | undefined;
  #access: SyncAccess | undefined;
  #writtenMs = 0;
  /** What the guest is yet to be told of writes that it took for done. */
  #failure: HostError | undefined;
  /** The last of the operations that wait for the host, which come one after the other. */
  #last: Promise<unknown> | undefined;

  constructor(handle: FileHandle, nowMs: () => number) {
    this.handle = handle;
    this.#nowMs = nowMs;
  }

  /** Whether something is written that is not in the file. */
  get isPending(): boolean {
    return this.#swap !== undefined || this.#access !== undefined;
  }

  facts(): Answer<ContentFacts> {
    if (this.#last === undefined && this.#access !== undefined) {
      return { size: this.#access.getSize(), mtimeMs: this.#writtenMs };
    }
    return this.#later(async () => {
      const size = this.#swap?.size ?? this.#access?.getSize();
      if (size !== undefined) return { size, mtimeMs: this.#writtenMs };
      const file = await this.#look();
      return { size: file.size, mtimeMs: file.lastModified };
    });
  }

  read(offset: number, target: FileTarget): Answer<number> {
    if (this.#last === undefined && this.#access !== undefined) {
      return readAccess(this.#access, offset, target);
    }
    return this.#later(async () => {
      if (this.#access !== undefined) return readAccess(this.#access, offset, target);
      await this.#close();
      if (this.#failure !== undefined) throw this.#failure;
      return this.#readFile(offset, target);
    });
  }

  /** @throws HostError EFBIG */
  write(offset: number | "end", source: readonly Uint8Array[]): Answer<number> {
    const length = totalLength(source);
    if (offset !== "end" && offset + length > FILE_SIZE_MAX) throw new HostError("EFBIG");
    if (this.#last === undefined && this.#access !== undefined) {
      return this.#writeAccess(this.#access, offset, source);
    }
    const copy = joined(source);
    return this.#later(async () => {
      await this.#begin(true);
      if (this.#access !== undefined) return this.#writeAccess(this.#access, offset, [copy]);
      return this.#change(async (swap) => {
        const position = offset === "end" ? swap.size : offset;
        await swap.stream.write({ type: "write", position, data: copy });
        swap.size = Math.max(swap.size, position + length);
        return length;
      });
    });
  }

  /** @throws HostError EFBIG */
  truncate(size: number): Promise<void> {
    if (size > FILE_SIZE_MAX) throw new HostError("EFBIG");
    return this.#later(async () => {
      await this.#begin(size > 0);
      this.#access?.truncate(size);
      if (this.#access !== undefined) return this.#wrote();
      await this.#change(async (swap) => {
        await swap.stream.truncate(size);
        swap.size = size;
      });
    });
  }

  /** Gives the file the present time. */
  touch(): Promise<void> {
    return this.#later(async () => {
      // Also a private file's time changes only with a swap.
      this.#closeAccess();
      await this.#beginSwap(true);
      await this.#close();
      this.#tell();
    });
  }

  /** Resolves when what was written is in the file. Rejects once if some of it never will be. */
  commit(): Answer<void> {
    if (!this.isPending && this.#last === undefined && this.#failure === undefined) return;
    return this.#later(async () => {
      this.#access?.flush();
      await this.#close();
      this.#tell();
    });
  }

  /** The same, and keeps nothing of the browser's. */
  release(): Promise<void> {
    return this.#later(async () => {
      this.#closeAccess();
      await this.#close();
      this.#tell();
    });
  }

  /** Does nothing with other operations on the file in between. Rejects with HostErrors. */
  #later<T>(operation: () => Promise<T>): Promise<T> {
    const before = this.#last ?? Promise.resolve();
    const mine = guarded(before.then(operation, operation));
    this.#last = mine;
    const settled = () => {
      if (this.#last === mine) this.#last = undefined;
    };
    mine.then(settled, settled);
    return mine;
  }

  #tell(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async #look(): Promise<SharedBlob> {
    try {
      this.#snapshot = await this.handle.getFile();
      return this.#snapshot;
    } catch (error) {
      // No name leads to it any more.
      throw isNamed(error, "NotFoundError") ? new HostError("ESTALE") : error;
    }
  }

  async #readFile(offset: number, target: FileTarget): Promise<number> {
    for (let isNew = false; ; isNew = true) {
      const file = this.#snapshot ?? (await this.#look());
      const length = Math.min(target.length, Math.max(0, file.size - offset));
      if (length === 0) return 0;
      try {
        const bytes = new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
        if (bytes.length !== length) throw new HostError("EIO");
        target.write(0, bytes);
        return length;
      } catch (error) {
        // The host has changed the file since it was looked at.
        this.#snapshot = undefined;
        if (isNew) throw error;
      }
    }
  }

  /** Opens the file for writing, as it is or empty. */
  async #begin(keep: boolean): Promise<void> {
    if (this.isPending) return;
    try {
      this.#access = await this.handle.createSyncAccessHandle?.();
    } catch (error) {
      // Another has the file open for writing; all else means that it is not a private one.
      if (isNamed(error, "NoModificationAllowedError")) throw error;
    }
    if (this.#access === undefined) await this.#beginSwap(keep);
  }

  async #beginSwap(keep: boolean): Promise<void> {
    if (this.#swap !== undefined) return;
    const { size } = keep ? await this.#look() : { size: 0 };
    const stream = await this.handle.createWritable?.({ keepExistingData: keep });
    if (stream === undefined) throw new HostError("EROFS");
    this.#swap = { stream, size };
    this.#wrote();
  }

  /** A stream that has failed takes with it all that was written since it was opened. */
  async #change<T>(change: (swap: Swap) => Promise<T>): Promise<T> {
    const swap = this.#swap;
    if (swap === undefined) throw new HostError("EIO");
    try {
      const result = await change(swap);
      this.#wrote();
      return result;
    } catch (error) {
      this.#swap = undefined;
      this.#failure = hostErrorOf(error);
      await swap.stream.abort().catch(() => {});
      throw error;
    }
  }

  /** Puts what was written in the file's place; whether that failed is to be told. */
  async #close(): Promise<void> {
    const swap = this.#swap;
    this.#swap = undefined;
    if (swap === undefined) return;
    this.#snapshot = undefined;
    try {
      await swap.stream.close();
    } catch (error) {
      this.#failure = hostErrorOf(error);
    }
  }

  #closeAccess(): void {
    const access = this.#access;
    this.#access = undefined;
    if (access === undefined) return;
    this.#snapshot = undefined;
    try {
      access.flush();
    } finally {
      access.close();
    }
  }

  #writeAccess(access: SyncAccess, offset: number | "end", source: readonly Uint8Array[]): number {
    const start = offset === "end" ? access.getSize() : offset;
    let at = start;
    try {
      for (const part of source) {
        const count = access.write(part, { at });
        at += count;
        if (count < part.length) break;
      }
    } catch (error) {
      if (at === start) throw hostErrorOf(error);
    }
    this.#wrote();
    return at - start;
  }

  #wrote(): void {
    this.#writtenMs = this.#nowMs();
  }
}

/** Straight into the guest's buffers. */
function readAccess(access: SyncAccess, offset: number, target: FileTarget): number {
  let done = 0;
  for (const view of target.views()) {
    const count = access.read(view, { at: offset + done });
    done += count;
    if (count < view.length) break;
  }
  return done;
}
