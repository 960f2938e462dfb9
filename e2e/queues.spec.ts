import { expect, test } from "./fixtures.ts";

test("shows a disk's queue during a boot, and opens a request that was written", async ({
  vm,
  site,
}) => {
  const { page } = vm;
  await page.goto(`${site}#inspect=queues/1/0`);
  const device = page.getByRole("combobox", { name: "Device" });
  await expect(device.locator("option:checked")).toContainText("blk0");
  await expect(page.getByRole("img", { name: /A split ring of \d+ places/ })).toBeVisible();
  await vm.prompt();
  await vm.run("echo seen in a queue > /root/note; sync");
  const chains = page.getByRole("region", { name: "Chains" }).getByRole("table");
  const write = chains.getByRole("row", { name: /done.*write sector \d+, 4096 bytes/ }).first();
  await expect(write).toBeVisible();
  await page.getByRole("button", { name: "Freeze" }).click();
  await write.getByRole("button").press("Enter");
  const descriptors = page.getByRole("region", { name: "Descriptors" });
  await expect(descriptors.getByRole("row", { name: /INDIRECT/ })).toBeVisible();
  const payload = page.getByRole("tree", { name: "Decoded payload" });
  await expect(payload.getByRole("treeitem", { name: "status OK (0)" })).toBeVisible();
  await payload.getByRole("treeitem", { name: "type OUT (1)" }).focus();
  const bytes = page.getByRole("region", { name: "From the driver" });
  await expect(bytes.locator("mark").first()).toHaveText("01 00 00 00");
  await page.keyboard.press("ArrowDown");
  await expect(payload.getByRole("treeitem", { name: /^reserved/ })).toBeFocused();
  await expect(bytes.locator("mark").first()).not.toHaveText("01 00 00 00");
  expect(vm.errors).toEqual([]);
});

test("decodes frames of the network, and goes from queue to queue", async ({ vm, site }) => {
  const { page } = vm;
  await vm.boot(`${site}#inspect=queues/2/1`);
  await expect(page.getByText("transmitq1")).toBeAttached();
  await vm.run("until ip -4 addr show dev eth0 | grep -q inet; do sleep 0.1; done");
  await vm.run("ping -c 1 10.0.2.2");
  await expect(page.getByText(/ICMP .* ECHO_REQUEST/).first()).toBeVisible();
  await page.getByRole("combobox", { name: "Queue" }).selectOption({ label: "4 controlq" });
  await expect(page.getByRole("heading", { name: "net0, queue 4" })).toBeVisible();
  await expect(page).toHaveURL(/#inspect=queues\/2%2F4$/);
});

test("counts what goes through a queue, and how long its interrupts are served", async ({
  vm,
  site,
}) => {
  const { page } = vm;
  await vm.boot(`${site}#inspect=devices/1`);
  const read = "dd if=/dev/vda of=/dev/null bs=4k count=64 iflag=direct";
  const table = page.getByRole("table").filter({ hasText: "Kicks" });
  await expect(table).toBeVisible();
  /** Numbers of the only queue of blk0, by their columns. */
  const counts = async (): Promise<Record<string, number>> => {
    const titles = await table.locator("thead th").allInnerTexts();
    const cells = await table.locator("tbody tr").first().locator("th, td").allInnerTexts();
    return Object.fromEntries(titles.map((title, i) => [title, Number(cells[i])]));
  };
  const before = await counts();
  await vm.run(read);
  await expect.poll(async () => (await counts()).Kicks).toBeGreaterThanOrEqual(before.Kicks + 64);
  const after = await counts();
  expect(after.Completed).toBe(after.Taken - after["In flight"]);
  expect(after.Completed - before.Completed).toBeGreaterThanOrEqual(64);
  expect(after.Interrupts).toBeGreaterThan(before.Interrupts);

  await page.getByRole("tab", { name: "Interrupts" }).click();
  const row = page.getByRole("row").filter({ hasText: "blk0" });
  await expect(row).toBeVisible();
  await vm.run(read);
  const times = row.getByRole("cell").filter({ hasText: /^[\d.]+ (µs|ms)$/ });
  await expect(times).toHaveCount(2);
  expect(vm.errors).toEqual([]);
});
