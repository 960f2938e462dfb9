/** A tree of files of the host's that a guest shares, by either protocol. */
import type { VirtioDevice } from "../virtio/device.ts";
import { NinePDevice } from "../virtio/devices/9p.ts";
import { FsDevice } from "../virtio/devices/fs.ts";
import type { HostTree } from "../virtio/devices/host-tree/host-tree.ts";
import type { Machine } from "./machine.ts";
import { windowBytesFor } from "./windows.ts";

const MIB = 1 << 20;

export interface Share {
  readonly protocol: "virtiofs" | "9p";
  /** By this the guest mounts it. */
  readonly tag: string;
  /** Size of the window in which files can be mapped, by virtio-fs alone. */
  readonly daxMiB?: number | undefined;
}

/** What a machine needs above its RAM for it. */
export function shareWindowBytes({ protocol, daxMiB = 0 }: Share): number {
  return protocol === "9p" ? 0 : windowBytesFor(daxMiB * MIB);
}

export function shareDevice(
  name: string,
  share: Share,
  tree: HostTree,
  machine: Machine,
): VirtioDevice {
  const { protocol, tag } = share;
  if (protocol === "9p") return new NinePDevice(name, tag, tree);
  const bytes = shareWindowBytes(share);
  const window = bytes === 0 ? undefined : machine.openWindow(bytes);
  return new FsDevice(name, tag, tree, window && { memory: machine.memory, window });
}
