/** The devices that tests give the embedded Linux. */
import { BlockDevice } from "../../virtio/devices/block.ts";
import type { BlockBackend } from "../../virtio/devices/block-backend.ts";
import { EntropyDevice } from "../../virtio/devices/entropy.ts";
import { MemoryBlockBackend } from "../../virtio/devices/memory-block-backend.ts";
import type { Machine } from "../machine.ts";

/** Entropy that is the same in every run. */
export const steadyEntropy = (bytes: Uint8Array): void => void bytes.fill(0x5a);

/** Of 2 MiB. */
export const smallDisk = (): BlockBackend => new MemoryBlockBackend({ sectors: 4096, id: "disk" });

/** A console of 100 columns and 40 rows, a disk, and entropy. */
export function attachDevices(machine: Machine, disk = smallDisk()): void {
  machine.attach(machine.consoles.createDevice("hvc0", { cols: 100, rows: 40 }));
  machine.attach(new BlockDevice("blk0", disk));
  machine.attach(new EntropyDevice("rng0", { fill: steadyEntropy }));
}
