import { expect, RAW_DISK, test } from "./fixtures.ts";
import type { Vm } from "./vm.ts";

const RAW = `?disk=raw&${RAW_DISK}`;

const carrier = (vm: Vm): Promise<string> => vm.run("cat /sys/class/net/eth0/carrier");

test("a wire that is cut is noticed by the guest, and its mending too", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none&lan=faults`);
  await vm.run("ip link set eth0 up");
  await expect.poll(() => carrier(vm), { timeout: 20_000 }).toBe("1");
  await vm.inspect("faults");
  await vm.button("Cut the wire").click();
  await expect.poll(() => carrier(vm), { timeout: 20_000 }).toBe("0");
  await expect(vm.page.getByText("the wire is cut")).toBeVisible();
  await vm.button("Mend the wire").click();
  await expect.poll(() => carrier(vm), { timeout: 20_000 }).toBe("1");
  await vm.inspect("log");
  await expect(vm.page.getByRole("list", { name: "Entries" })).toContainText("the wire is cut");
});

test("frames that are dropped are missed by the guest, and each is in the log", async ({
  vm,
  site,
}) => {
  const { page } = vm;
  await vm.boot(`${site}?disk=none`);
  await vm.run("for i in 1 2 3 4 5; do ping -c 1 10.0.2.2 && break; sleep 1; done", 60_000);
  await vm.inspect("faults");
  const form = page.getByRole("form", { name: "Network" });
  await form.getByLabel("Direction").selectOption("receive");
  await form.getByLabel("How much").fill("3");
  await form.getByRole("button", { name: "Arm" }).click();
  const armed = page.getByRole("list", { name: "Armed faults" });
  await expect(armed).toContainText("received frames are dropped");
  const { output, status } = await vm.try("ping -c 6 -W 2 10.0.2.2", 40_000);
  const [, sent, received] = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(output)!;
  expect([sent, status]).toEqual(["6", 0]);
  expect(Number(received)).toBeLessThan(6);
  await expect(page.getByText("No fault is armed")).toBeVisible();
  expect(await vm.run("ping -c 2 10.0.2.2")).toContain(" 0% packet loss");
  await vm.inspect("log");
  const met = page
    .getByRole("listitem")
    .filter({ hasText: "fault met: received frames are dropped" });
  await expect(met.first()).toBeVisible();
  // The log counts what is told again at once instead of repeating it.
  const told = (await met.allInnerTexts()).map((text) => Number(/×(\d+)/.exec(text)?.[1] ?? 1));
  expect(told.reduce((sum, times) => sum + times)).toBe(3);
  await expect(page.getByText("fault over: received frames are dropped")).toBeVisible();
  expect(vm.errors).toEqual([]);
});

test("writes that fail are errors in the guest, and the disk survives", async ({
  kept: vm,
  site,
}) => {
  await vm.boot(site + RAW);
  await vm.run("head -c 65536 /dev/urandom > /tmp/data");
  const write = "dd if=/tmp/data of=/dev/vda bs=64k conv=fsync,notrunc";
  await vm.run(write);
  await vm.inspect("faults");
  const form = vm.page.getByRole("form", { name: "Disk" });
  await form.getByLabel("The next").fill("1000");
  await form.getByRole("button", { name: "Arm" }).click();
  const armed = vm.page.getByRole("list", { name: "Armed faults" });
  await expect(armed).toContainText("write fails");
  const failed = await vm.try(write);
  expect(failed.output).toMatch(/error/i);
  expect(failed.status).not.toBe(0);
  await armed.getByRole("button", { name: "Clear" }).click();
  await expect(vm.page.getByText("No fault is armed")).toBeVisible();
  const sum = (await vm.run("sha256sum < /tmp/data")).split(" ")[0];
  await vm.run("echo 3 > /proc/sys/vm/drop_caches");
  expect(await vm.run("head -c 65536 /dev/vda | sha256sum")).toContain(sum);
  await vm.run("head -c 65536 /dev/urandom > /tmp/data; ".concat(write));
  const next = (await vm.run("sha256sum < /tmp/data")).split(" ")[0];
  await vm.page.reload();
  await vm.prompt();
  expect(await vm.run("head -c 65536 /dev/vda | sha256sum")).toContain(next);
});

test("a device that is unplugged is gone when the guest looks again", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none&relay=none`);
  await vm.inspect("faults");
  const device = "/sys/bus/virtio/devices";
  const place = await vm.run(`readlink -f $(dirname $(grep -l 0x0004 ${device}/*/device))`);
  const slot = place.split("/").at(-2)!;
  const driver = "/sys/bus/platform/drivers/virtio-mmio";
  await vm.button("Unplug rng0").click();
  await expect(vm.button("Plug again")).toBeVisible();
  await vm.run(`echo ${slot} > ${driver}/unbind`);
  // There is nothing to bind to: DeviceID is 0.
  expect((await vm.try(`echo ${slot} > ${driver}/bind`)).status).not.toBe(0);
  await vm.button("Plug again").click();
  await vm.run(`echo ${slot} > ${driver}/bind; grep -q 0x0004 ${device}/*/device`);
  expect(vm.errors).toEqual([]);
});
