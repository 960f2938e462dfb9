/**
 * The 9P transport: a tree of files on the host, over 9P2000.L. The specification has only its id (5);
 * the rest is what Linux and QEMU agree on.
 */
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, VirtioDevice } from "../device.ts";
import { bit, DeviceType } from "../spec.ts";
import { NinePSession, REQUEST_MAX } from "./9p/session.ts";
import type { HostTree } from "./host-tree/host-tree.ts";
import { encodeTag } from "./host-tree/names.ts";
import { RequestPump } from "./host-tree/request-pump.ts";

/** Feature bit: the configuration has a tag, a le16 length and as many bytes. */
const NinePFeature = { MOUNT_TAG: 0 } as const;

/** Configuration layout. */
const Config = { TAG_LEN: 0, TAG: 2 } as const;

/** Bytes of a tag: Linux allows a page, but every name for a mount is short. */
export const TAG_MAX = 255;

/** Linux never has more in one request, 128 pages. */
const QUEUE_SIZE = 128;

export class NinePDevice implements VirtioDevice {
  readonly type = DeviceType.NINE_P;
  readonly names = {
    title: "9P transport",
    features: NinePFeature,
    config: Config,
    traffic: ["bytesRead", "bytesWritten"],
  };
  readonly name: string;
  readonly features = bit(NinePFeature.MOUNT_TAG);
  readonly queueSizes = [QUEUE_SIZE];
  readonly config: ConfigFields;
  readonly #tree: HostTree;
  #session: NinePSession | undefined;
  readonly #scratch = new Uint8Array(REQUEST_MAX);
  readonly #pump = new RequestPump();
  readonly #counters = { requests: 0, errors: 0, bytesRead: 0, bytesWritten: 0 };

  /**
   * @param tag by which the guest mounts it
   * @throws RangeError for a tag that is empty or too long
   */
  constructor(name: string, tag: string, tree: HostTree) {
    const bytes = encodeTag(tag, TAG_MAX);
    this.name = name;
    this.#tree = tree;
    this.config = new ConfigFields(Config.TAG + bytes.length)
      .setU16(Config.TAG_LEN, bytes.length)
      .setBytes(Config.TAG, bytes);
  }

  activate({ queues, spend }: DeviceIo): void {
    const host = { tree: this.#tree, counters: this.#counters, spend, scratch: this.#scratch };
    const session = new NinePSession(host);
    this.#session = session;
    this.#pump.start(queues[0], (chain, done) => session.serve(chain, done));
  }

  notify(): void {
    this.#pump.run();
  }

  reset(): void {
    this.#pump.stop();
    this.#session?.close();
    this.#session = undefined;
  }

  dispose(): void {
    this.reset();
  }

  get underWay(): number {
    return this.#pump.inFlight;
  }

  /** A fid means nothing to another session, and whoever has mounted the tree has one. */
  get obstacle(): string | undefined {
    const fids = this.#session?.held ?? 0;
    return fids > 0 ? "is mounted in the guest: unmount it there" : undefined;
  }

  counters(): Counters {
    const fids = this.#session?.held ?? 0;
    return { ...this.#counters, fids, inFlight: this.underWay };
  }
}
