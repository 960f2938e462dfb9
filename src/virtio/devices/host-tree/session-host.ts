/** What a session has from its device. */
import type { HostTree } from "./host-tree.ts";

/** Counted for the inspector. */
interface SessionCounters {
  requests: number;
  errors: number;
  /** Of files' contents. */
  bytesRead: number;
  bytesWritten: number;
}

export interface SessionHost {
  readonly tree: HostTree;
  readonly counters: SessionCounters;
  /** Counts bytes touched beside those of chains. */
  readonly spend: (bytes: number) => void;
  /**
   * The request at hand, without the data of a write, of as many bytes as a request may have. The
   * sessions of a device have it in turn.
   */
  readonly scratch: Uint8Array;
}
