import { expect, test } from "./fixtures.ts";

test("a machine is described by a form or by JSON, and started", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none&relay=none#inspect=machine`);
  const { page } = vm;
  const start = page.getByRole("button", { name: "Start this machine" });
  const ram = page.getByLabel("RAM, MiB");
  await ram.fill("16");
  await expect(page.getByRole("alert")).toContainText("cannot have 16 MiB");
  await expect(ram).toHaveAttribute("aria-invalid", "true");
  await expect(start).toBeDisabled();

  await page.getByRole("button", { name: "JSON" }).click();
  const json = page.getByLabel("Machine as JSON");
  await expect(json).toHaveValue(/"ram": 16,\s+"disk": "none"/);
  await json.fill('{\n  "disk": "none",\n  "rom": 1\n}');
  await expect(page.getByRole("alert")).toContainText("Line 3, column 3: there is no field “rom”");
  await json.fill('{ "ram": 96, "disk": "none", "relay": "none", "ports": ["org.example.0"] }');
  await vm.run("echo the machine before");
  await start.click();
  await expect(page).toHaveURL(/\?ram=96&disk=none&relay=none&ports=org.example.0#inspect=machine/);
  // What is there still of the old machine is no prompt of the new one.
  await expect.poll(() => vm.text()).not.toContain("the machine before");
  await vm.prompt();
  const total = Number(await vm.run("awk '/MemTotal/ { print $2 }' /proc/meminfo"));
  expect(total).toBeLessThan(96 * 1024);
  await vm.run("grep -q org.example.0 /sys/class/virtio-ports/*/name");

  // The address is the machine now: it is there again after a reload.
  await page.reload();
  await vm.prompt();
  expect(Number(await vm.run("awk '/MemTotal/ { print $2 }' /proc/meminfo"))).toBe(total);
});

test("an address that describes no machine leads to the settings", async ({ vm, site }) => {
  await vm.page.goto(`${site}?ram=1&disk=none&relay=none`);
  await vm.button("Settings…").click();
  await vm.page.getByLabel("RAM, MiB").fill("64");
  await vm.button("Start this machine").click();
  await vm.prompt();
});
