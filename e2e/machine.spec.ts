import { expect, test } from "./fixtures.ts";

/** Interrupts so far, by the number of the SPI. */
function counts(table: string): Map<number, number> {
  const rows = table.matchAll(/^\s*\d+:\s+(\d+)\s+SiFive PLIC\s+(\d+) Edge\s+virtio/gm);
  return new Map([...rows].map(([, count, spi]) => [Number(spi), Number(count)]));
}

test("gives each virtio device an SPI of its own, and the counts rise", async ({ vm, site }) => {
  await vm.boot(site);
  const before = counts(await vm.run("cat /proc/interrupts"));
  // Drivers that are modules get theirs some time after the prompt.
  const builtIn = [...before.keys()].filter((spi) => spi <= 20);
  expect(builtIn.sort((a, b) => a - b)).toEqual([16, 17, 18, 19, 20]);
  await vm.run(
    "dd if=/dev/vda of=/dev/null bs=4k count=64 iflag=direct 2>&1 || dd if=/dev/vda of=/dev/null bs=1M skip=8 count=2",
  );
  await vm.run("head -c 64 /dev/hwrng > /dev/null");
  const after = counts(await vm.run("cat /proc/interrupts"));
  for (const spi of [16, 17, 19])
    expect(after.get(spi), `SPI ${spi}`).toBeGreaterThan(before.get(spi)!);
});

test("has random numbers that look random", async ({ vm, site }) => {
  await vm.boot(site);
  const packed = await vm.run("head -c 20000 /dev/hwrng | gzip -9 | wc -c");
  expect(Number(packed)).toBeGreaterThan(20_000);
  const take = "head -c 16 /dev/hwrng | od -An -tx1 | tr -d ' \\n'";
  const [one, two] = [await vm.run(take), await vm.run(take)];
  expect(one).toMatch(/^[0-9a-f]{32}$/);
  expect(one).not.toBe(two);
});

test("reports a power-off and starts again", async ({ vm, site }) => {
  await vm.boot(site);
  await vm.type("poweroff -f");
  await vm.press("Enter");
  await expect(vm.page.getByRole("alert")).toContainText("powered off");
  await expect(vm.page.getByLabel("Machine state")).toHaveText("Stopped");
  await vm.button("Start again").click();
  await vm.prompt();
  expect(await vm.run("uname -m")).toBe("riscv64");
});

test("restarts when the guest reboots, and says so", async ({ vm, site }) => {
  await vm.boot(site);
  await vm.run("touch /tmp/before");
  await vm.type("reboot -f");
  await vm.press("Enter");
  await expect(vm.page.getByText("The guest restarted")).toBeVisible();
  await vm.prompt();
  await expect.poll(async () => (await vm.try("test -e /tmp/before")).status).toBe(1);
});

test("reports a kernel panic with its reason", async ({ vm, site }) => {
  await vm.page.goto(`${site}?append=console%3Dhvc0%20rdinit%3D/none%20init%3D/none`);
  await expect(vm.page.getByLabel("Machine state")).toHaveText("Panic");
  const panel = vm.page.getByRole("alert");
  await expect(panel).toContainText("panicked");
  await expect(panel).toContainText("Kernel panic - not syncing");
  await expect(vm.button("Start again")).toBeVisible();
});

test("switches off, on and restarts with its buttons", async ({ vm, site }) => {
  await vm.boot(site);
  await vm.button("Power off").click();
  await expect(vm.page.getByLabel("Machine state")).toHaveText("Stopped");
  await vm.button("Start").first().click();
  await vm.prompt();
  await vm.button("Restart").click();
  await vm.prompt();
  expect(await vm.run("uname -m")).toBe("riscv64");
});
