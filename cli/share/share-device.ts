/** The device by which a directory is shared with the guest. */
import type { VirtioDevice } from "../../src/virtio/device.ts";
import { NinePDevice } from "../../src/virtio/devices/9p.ts";
import { FsDevice } from "../../src/virtio/devices/fs.ts";
import { DirectoryTree } from "./directory-tree.ts";

export interface ShareOption {
  readonly protocol: "virtiofs" | "9p";
  /** By this the guest mounts it. */
  readonly tag: string;
  readonly path: string;
  readonly readOnly: boolean;
}

/** @throws LoadError if it is no directory that can be read */
export function shareDevice(name: string, option: ShareOption): VirtioDevice {
  const tree = new DirectoryTree(option.path, option.readOnly);
  const Device = option.protocol === "9p" ? NinePDevice : FsDevice;
  return new Device(name, option.tag, tree);
}
