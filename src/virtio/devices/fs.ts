/** The file system device (virtio 5.11): a tree of files on the host, over FUSE. */
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, SharedMemoryRegion, State, VirtioDevice } from "../device.ts";
import { DeviceType } from "../spec.ts";
import { DAX_REGION_ID, type DaxPlace, DaxWindow } from "./fuse/dax-window.ts";
import { FUSE_REQUEST_MAX, FuseSession } from "./fuse/session.ts";
import type { HostTree } from "./host-tree/host-tree.ts";
import { encodeTag } from "./host-tree/names.ts";
import { RequestPump } from "./host-tree/request-pump.ts";

/** Configuration layout (5.11.4). */
const Config = { TAG: 0, NUM_REQUEST_QUEUES: 36, SIZE: 40 } as const;
const TAG_MAX = Config.NUM_REQUEST_QUEUES;

/** Queues (5.11.2): for requests that may not wait behind others, and for the others. */
const HIPRIO_SIZE = 128;
/** A request of Linux's has up to 256 pages besides its headers. */
const REQUEST_SIZE = 1024;

export class FsDevice implements VirtioDevice {
  readonly type = DeviceType.FS;
  readonly names = {
    title: "File system device",
    chapter: "5.11",
    config: Config,
    traffic: ["bytesRead", "bytesWritten"],
  };
  readonly name: string;
  readonly features = 0n;
  readonly queueSizes = [HIPRIO_SIZE, REQUEST_SIZE];
  readonly config: ConfigFields;
  readonly sharedMemory: readonly SharedMemoryRegion[];
  readonly #dax: DaxPlace | undefined;
  readonly #tree: HostTree;
  #session: FuseSession | undefined;
  readonly #scratch = new Uint8Array(FUSE_REQUEST_MAX);
  /** One for each queue. */
  readonly #pumps = [new RequestPump(), new RequestPump()];
  readonly #counters = { requests: 0, errors: 0, bytesRead: 0, bytesWritten: 0 };
  readonly #daxCounters = { mappedBlocks: 0, storedBytes: 0 };

  /**
   * @param tag by which the guest mounts it, at most 36 bytes
   * @param dax where the guest can map files, if it can
   * @throws RangeError for a tag that is empty or too long
   */
  constructor(name: string, tag: string, tree: HostTree, dax?: DaxPlace) {
    const bytes = encodeTag(tag, TAG_MAX);
    this.name = name;
    this.#tree = tree;
    this.#dax = dax;
    const region = dax && { base: dax.window.base, length: dax.window.size };
    this.sharedMemory = region === undefined ? [] : [{ id: DAX_REGION_ID, ...region }];
    this.config = new ConfigFields(Config.SIZE)
      .setBytes(Config.TAG, bytes)
      .setU32(Config.NUM_REQUEST_QUEUES, 1);
  }

  activate({ queues, spend }: DeviceIo): void {
    const [tree, dax] = [this.#tree, this.#dax];
    const host = { tree, counters: this.#counters, spend, scratch: this.#scratch };
    const daxHost = { tree, spend, counters: this.#daxCounters };
    const session = new FuseSession(host, dax && (() => new DaxWindow(dax, daxHost)));
    this.#session = session;
    // FORGET on the first queue never waits for what the second one waits for (5.11.6).
    this.#pumps.forEach((pump, i) => {
      pump.start(queues[i], (chain, done) => session.serve(chain, done));
    });
  }

  notify(index: number): void {
    this.#pumps[index]?.run();
  }

  reset(): void {
    for (const pump of this.#pumps) pump.stop();
    this.#session?.close();
    this.#session = undefined;
  }

  dispose(): void {
    this.reset();
  }

  get underWay(): number {
    return this.#pumps.reduce((sum, pump) => sum + pump.inFlight, 0);
  }

  get obstacle(): string | undefined {
    return this.#session?.obstacle;
  }

  save(): State {
    return { version: 1, isMounted: this.#session?.isMounted ?? false };
  }

  load(state: State): void {
    if (state.isMounted === true) this.#session?.mount();
  }

  counters(): Counters {
    const held = this.#session?.held ?? { nodes: 0, handles: 0 };
    const dax = this.#dax === undefined ? {} : this.#daxCounters;
    return { ...this.#counters, ...held, inFlight: this.underWay, ...dax };
  }
}
