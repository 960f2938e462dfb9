/** The device by which a directory is shared with the guest. */
import type { Machine } from "../../src/machine/machine.ts";
import { windowBytesFor } from "../../src/machine/windows.ts";
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { NinePDevice } from "../../src/virtio/devices/9p.ts";
import { FsDevice } from "../../src/virtio/devices/fs.ts";
import { DirectoryTree } from "./directory-tree.ts";

const MIB = 1024 * 1024;

export interface ShareOption {
  readonly protocol: "virtiofs" | "9p";
  /** By this the guest mounts it. */
  readonly tag: string;
  readonly path: string;
  readonly readOnly: boolean;
}

/** Bytes of memory above RAM that shares need if files can be mapped in `daxMiB` of each. */
export function shareWindowBytes(options: readonly ShareOption[], daxMiB = 0): number {
  const mapping = options.filter(({ protocol }) => protocol === "virtiofs");
  return mapping.length * windowBytesFor(daxMiB * MIB);
}

/** @throws LoadError if it is no directory that can be read */
export function shareDevice(
  name: string,
  option: ShareOption,
  machine: Machine,
  daxMiB = 0,
): VirtioDevice {
  const tree = new DirectoryTree(option.path, option.readOnly);
  if (option.protocol === "9p") return new NinePDevice(name, option.tag, tree);
  if (daxMiB === 0) return new FsDevice(name, option.tag, tree);
  const window = machine.openWindow(daxMiB * MIB);
  return new FsDevice(name, option.tag, tree, { memory: machine.memory, window });
}
