/** Guests that flood a device in a tight loop: the page stays responsive, and other devices are served. */
import { expect, test } from "./fixtures.ts";
import { tasksDuring } from "./main-thread.ts";

/** Writes registers of the device at a physical address for as long as it runs, behind the back of its driver. */
const PROGRAM = `
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#define REGISTER(offset) base[(offset) / 4]
int main(int count, char **arguments) {
  int memory = open("/dev/mem", O_RDWR | O_SYNC);
  volatile uint32_t *base =
    mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, strtoul(arguments[1], 0, 16));
  if (base == MAP_FAILED) return 1;
  for (uint32_t i = 0;; i++) {
    if (*arguments[2] == 'k') REGISTER(0x50) = 0;
    if (*arguments[2] == 'r') REGISTER(0x70) = 0;
    if (*arguments[2] != 'c') continue;
    REGISTER(0x70) = 0;
    REGISTER(0x70) = 3;
    REGISTER(0x24) = 1;
    REGISTER(0x20) = 1;
    REGISTER(0x70) = 11;
    REGISTER(0x30) = 0;
    REGISTER(0x38) = 1 << (i & 7);
    REGISTER(0x80) = i << 12;
    REGISTER(0x44) = 1;
    REGISTER(0x70) = 15;
    REGISTER(0x50) = 0;
  }
}`;

/** A longer task is noticed. Of the processor: on the clock others count too. */
const MAX_TASK_MS = 50;
/** Each kind of flood is looked at for so long. */
const FLOOD_MS = 1500;

test("a guest that floods a device leaves the page responsive and other devices served", async ({
  vm,
  site,
}) => {
  test.setTimeout(120_000);
  await vm.boot(`${site}?relay=none#inspect=timeline`);
  await vm.write("flood.c", PROGRAM);
  await vm.run("cc -o flood flood.c");
  const path = await vm.run("readlink -f /sys/bus/virtio/drivers/virtio_rng/virtio*");
  const address = /([0-9a-f]+)\.virtio/.exec(path)?.[1];
  expect(address, path).toBeDefined();
  for (const kind of ["kick", "reset", "configure"]) {
    await vm.run(`{ ./flood ${address} ${kind} & }`);
    const tasks = await tasksDuring(vm.page, async () => {
      await vm.page.waitForTimeout(FLOOD_MS);
      expect(
        await vm.run("dd if=/dev/zero of=/root/file bs=4k count=64 conv=fsync 2>&1"),
      ).toContain("64+0 records out");
      expect(await vm.run("kill -0 $! && echo it runs")).toBe("it runs");
    });
    expect(tasks.length, kind).toBeGreaterThan(10);
    expect(Math.max(...tasks), kind).toBeLessThan(MAX_TASK_MS);
    await vm.run("kill $!");
  }
  expect(vm.errors).toEqual([]);
});
