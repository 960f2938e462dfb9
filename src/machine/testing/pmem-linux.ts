/** The embedded Linux with a disk that is memory of it. */
import { expect } from "vitest";
import type { MemoryBlockBackend } from "../../virtio/devices/memory-block-backend.ts";
import { PmemDevice } from "../../virtio/devices/pmem.ts";
import { LinuxSession, PROMPT } from "./linux-session.ts";

/**
 * The guest's nd_pmem needs nd_btt, which refuses to load in a kernel without debugfs. A copy of it whose
 * init function returns 0 takes its place: there is no BTT here.
 */
const LOAD_PMEM =
  "modprobe -q nd_pmem || { xxd -p /lib/modules/$(uname -r)/kernel/drivers/nvdimm/nd_btt.ko | tr -d '\\n' |" +
  " sed s/69558280/01458280/ | xxd -r -p > /tmp/btt.ko; insmod /tmp/btt.ko; modprobe nd_pmem; }";

/** A machine with such a disk, once its driver is there; by `append`, process 1 may be a shell. */
export async function bootWithPmem(backend: MemoryBlockBackend, append?: string) {
  const bytes = backend.sectors * 512;
  let device!: PmemDevice;
  const session = new LinuxSession({
    windowBytes: bytes,
    ...(append !== undefined && { append }),
    attach: (machine) => {
      const window = machine.openWindow(bytes);
      device = new PmemDevice("pmem0", { memory: machine.memory, window, backend });
      machine.attach(device);
    },
  });
  await device.load();
  await session.until(PROMPT);
  // What the guest's own start does else, after the first prompt.
  if (append !== undefined) await session.command("modprobe virtio_pmem");
  await session.command(
    "for i in $(seq 50); do [ -d /sys/bus/nd/devices/region0 ] && break; sleep 0.2; done",
  );
  await session.command(LOAD_PMEM);
  expect(await session.command("sleep 0.5; ls /dev/pmem0")).toContain("/dev/pmem0");
  return { session, device };
}
