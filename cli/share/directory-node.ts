/** Inodes of a shared directory: who they are, and by which names they were found. */
import type { BigIntStats } from "node:fs";
import type { Attributes, Timestamp } from "../../src/virtio/devices/host-tree/host-tree.ts";

/** Names that are remembered of a file with many. */
const PLACES_MAX = 8;

/** Inode numbers of each file system of the host's get this many of the guest's. */
const INODES_PER_DEVICE = 2 ** 46;

export interface Place {
  readonly dir: DirectoryNode;
  readonly name: string;
}

/** An open file, which leads to its inode whatever becomes of its names. */
interface OpenFile {
  readonly fd: number;
  readonly isWritable: boolean;
  stat(): BigIntStats;
  truncate(size: number): void;
  fsync(dataOnly: boolean): Promise<void>;
}

export class DirectoryNode {
  readonly key: string;
  /** What the guest has for its number. */
  readonly ino: number;
  /** Where it was seen, latest first; none for the root. */
  places: Place[] = [];
  /** Open files: they lead to it even when it has no name any more. */
  readonly files = new Set<OpenFile>();

  constructor(key: string, ino: number) {
    this.key = key;
    this.ino = ino;
  }

  seen(place: Place): void {
    const [first] = this.places;
    if (first?.dir === place.dir && first.name === place.name) return;
    const others = this.places.filter(({ dir, name }) => dir !== place.dir || name !== place.name);
    this.places = [place, ...others].slice(0, PLACES_MAX);
  }

  moved(from: Place, to: Place): void {
    this.places = this.places.filter(({ dir, name }) => dir !== from.dir || name !== from.name);
    this.seen(to);
  }
}

/** One object for each inode as long as somebody holds it. */
export class NodeRegistry {
  readonly #nodes = new Map<string, WeakRef<DirectoryNode>>();
  readonly #devices: bigint[] = [];
  readonly #gone = new FinalizationRegistry<string>((key) => {
    if (this.#nodes.get(key)?.deref() === undefined) this.#nodes.delete(key);
  });

  intern(stats: BigIntStats): DirectoryNode {
    const key = keyOf(stats);
    const known = this.#nodes.get(key)?.deref();
    if (known !== undefined) return known;
    const node = new DirectoryNode(key, this.inoOf(stats));
    this.#nodes.set(key, new WeakRef(node));
    this.#gone.register(node, key);
    return node;
  }

  /** Files of several file systems may have the same number on the host. */
  inoOf({ dev, ino }: BigIntStats): number {
    let device = this.#devices.indexOf(dev);
    if (device < 0) device = this.#devices.push(dev) - 1;
    return device * INODES_PER_DEVICE + Number(ino % BigInt(INODES_PER_DEVICE));
  }
}

/** What tells an inode from all others on the host. */
export function keyOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

export function attributesOf({ ino }: DirectoryNode, stats: BigIntStats): Attributes {
  return {
    ino,
    mode: Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    rdev: Number(BigInt.asUintN(32, stats.rdev)),
    size: Number(stats.size),
    blocks: Number(stats.blocks),
    atime: timestamp(stats.atimeNs),
    mtime: timestamp(stats.mtimeNs),
    ctime: timestamp(stats.ctimeNs),
  };
}

const NS = 1_000_000_000n;

function timestamp(ns: bigint): Timestamp {
  const nsec = ((ns % NS) + NS) % NS;
  return { sec: Number((ns - nsec) / NS), nsec: Number(nsec) };
}
