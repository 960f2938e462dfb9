/** What a machine's host uses of the browser; tests under Node give their own. */
import type { OpenPrivateRoot } from "../host/disk-files.ts";
import type { Locks } from "../host/disk-lock.ts";
import type { Connect } from "../host/websocket-net.ts";
import type { Clock } from "../machine/clock.ts";
import type { HartModel } from "../machine/hart-model.ts";
import type { Log } from "../machine/log.ts";
import type { RunLoopHost } from "../machine/run-loop.ts";
import type { FromWorker } from "./protocol.ts";

export interface Services extends RunLoopHost {
  /** Sends to the page; the buffers in `transfer` are moved instead of copied. */
  post(message: FromWorker, transfer?: Transferable[]): void;
  /** Calls back before the screen is painted next; not while nobody can see it. */
  requestFrame(callback: () => void): void;
  readonly fetch: typeof fetch;
  /** Absent where the browser offers none. */
  readonly indexedDB: IDBFactory | undefined;
  readonly locks: Locks | undefined;
  readonly files: OpenPrivateRoot | undefined;
  readonly connect: Connect;
  readonly fillRandom: (into: Uint8Array) => void;
  readonly clock: Clock;
  readonly hart: HartModel;
  /** Of this Worker's life, whatever machines it has. */
  readonly log: Log;
  /** Whether shared memory can be had. */
  readonly isIsolated: boolean;
}
