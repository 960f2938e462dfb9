import { expect, test } from "./fixtures.ts";
import type { Vm } from "./vm.ts";

/** A line of /proc/meminfo in the guest, in MiB. */
async function mib(vm: Vm, name: string): Promise<number> {
  return Number(await vm.run(`awk '/^${name}:/ { print int($2 / 1024) }' /proc/meminfo`));
}

test("takes memory from the guest, gives it back and plugs more", async ({ vm, site }) => {
  await vm.boot(`${site}?hotplug=128`);
  const memory = vm.page.getByRole("button", { name: /^Memory:/ });
  await expect(memory).toContainText("free", { timeout: 15_000 });
  const [free, total] = [await mib(vm, "MemFree"), await mib(vm, "MemTotal")];
  await memory.click();
  const dialog = vm.page.getByRole("dialog", { name: "Memory" });
  await expect(dialog).toContainText("Available to programs");
  await dialog.getByLabel(/^Balloon/).fill("300");
  await dialog.getByRole("button", { name: "Apply" }).click();
  await expect(dialog).toContainText("cannot take 300 MiB");
  await dialog.getByLabel(/^Balloon/).fill("64");
  await dialog.getByRole("button", { name: "Apply" }).click();
  await expect(memory).toContainText("67.1 MB in the balloon", { timeout: 20_000 });
  expect(free - (await mib(vm, "MemFree"))).toBeGreaterThan(50);

  await memory.click();
  await dialog.getByLabel(/^Balloon/).fill("0");
  await dialog.getByLabel(/^Plugged/).fill("128");
  await dialog.getByRole("button", { name: "Apply" }).click();
  await expect(memory).toContainText("134 MB plugged", { timeout: 20_000 });
  await expect(memory).not.toContainText("balloon", { timeout: 20_000 });
  await expect.poll(() => mib(vm, "MemTotal"), { timeout: 20_000 }).toBe(total + 128);
});

/** The driver comes after the prompt. */
const HAS_PMEM = "until [ -b /dev/pmem0 ]; do usleep 50000; done";

test("keeps a persistent memory through a reload", async ({ kept: vm, site }) => {
  await vm.boot(`${site}?pmem=fast`);
  await vm.run(HAS_PMEM);
  await vm.run("echo through a reload | dd of=/dev/pmem0 seek=1000 conv=fsync 2> /dev/null");
  await vm.page.reload();
  await vm.prompt();
  await vm.run(HAS_PMEM);
  const read = "dd if=/dev/pmem0 skip=1000 count=1 2> /dev/null | head -n 1";
  expect(await vm.run(read)).toBe("through a reload");
});

test("draws how much of its memory the guest says is free", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none#inspect=devices`);
  await vm.page.getByRole("button", { name: /balloon/ }).click();
  const chart = vm.page.getByRole("img", { name: /^Available in the last 4 min; now \d+ MB$/ });
  await expect(chart.locator("canvas")).toBeVisible({ timeout: 20_000 });
});
