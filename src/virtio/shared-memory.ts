/** The registers that say where a device's shared memory is (virtio 2.10, 4.2.2). */
import type { SharedMemoryRegion } from "./device.ts";
import { Register } from "./spec.ts";

/** SHMLen and SHMBase of region `id`: all ones where there is no such region. */
export function readSharedMemory(
  regions: readonly SharedMemoryRegion[] | undefined,
  id: number,
  register: number,
): number {
  const region = regions?.find((candidate) => candidate.id === id);
  if (region === undefined) return 0xffff_ffff;
  const value = register < Register.SHMBaseLow ? region.length : region.base;
  const high = register === Register.SHMLenHigh || register === Register.SHMBaseHigh;
  return high ? Math.floor(value / 0x1_0000_0000) : value % 0x1_0000_0000;
}
