import type { Page } from "@playwright/test";
import type { Downloads } from "./downloads.ts";
import { expect, FIREFOX_TOO, test } from "./fixtures.ts";
import type { Vm } from "./vm.ts";

/** Saves the machine; where its file is. */
async function save({ page }: Vm, downloads: Downloads): Promise<string> {
  const { path } = await downloads.take(page, () =>
    page.getByRole("button", { name: "Save machine" }).click(),
  );
  await expect(page.getByRole("alert").first()).toContainText("The machine is saved");
  return path;
}

async function open(page: Page, path: string): Promise<void> {
  await page.getByRole("alert").getByRole("button", { name: "Open…" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Saved machine").setInputFiles(path);
  await form.getByRole("button", { name: "Boot" }).click();
}

test("goes on after a reload where it was saved", { tag: FIREFOX_TOO }, async ({
  kept: vm,
  site,
  downloads,
}) => {
  await vm.boot(site);
  await vm.run("x=41; echo before > /root/note");
  const seconds = async () => Number(await vm.run("cut -d. -f1 /proc/uptime"));
  const uptime = await seconds();
  const path = await save(vm, downloads);

  // The page does not boot the machine anew, which would spoil its disk.
  await vm.page.reload();
  await expect(vm.page.getByRole("alert").first()).toContainText("A machine was saved here");
  // Nor does it so by its usual address without asking.
  await vm.page.goto(site);
  await expect(vm.page.getByRole("alert").first()).toContainText("A saved machine needs disk");
  await open(vm.page, path);
  // What was there to see last is there again.
  await vm.see("cut -d. -f1 /proc/uptime");
  expect(await vm.run("echo $((x + 1)); cat /root/note")).toBe("42\nbefore");
  expect(await seconds()).toBeLessThan(uptime + 60);
  await vm.run("echo after >> /root/note; sync");
  expect(vm.errors).toEqual([]);

  // It has written to its disk: the file is not to be used again.
  await vm.page.goto(`${site}?restore`);
  await open(vm.page, path);
  await expect(vm.page.getByRole("alert").first()).toContainText("blk0 was changed");
  await vm.page.goto(site);
  await vm.prompt();
  expect(await vm.run("cat /root/note")).toBe("before\nafter");
});

test("starts anew after it was saved, if that is wanted", async ({ vm, site, downloads }) => {
  await vm.boot(`${site}?disk=none`);
  await save(vm, downloads);
  await vm.button("Start again").click();
  await expect.poll(() => vm.state()).not.toBe("stopped");
  await vm.prompt();
  expect(vm.page.url()).toBe(`${site}?disk=none`);
});

test("is fetched from an address, by a machine of its description", async ({
  vm,
  site,
  downloads,
}) => {
  await vm.boot(`${site}?disk=none&ram=64&rtc=1`);
  await vm.run("y=5");
  const path = await save(vm, downloads);
  await vm.page.route("**/machine.tabvisor", (route) => route.fulfill({ path }));
  await vm.page.goto(`${site}?restore=machine.tabvisor`);
  await vm.prompt();
  expect(await vm.run("echo $y; grep -c rtc /proc/interrupts")).toMatch(/^5\n/);
  await vm.page.route("**/machine.tabvisor", (route) =>
    route.fulfill({ body: "tabvisor?".repeat(9) }),
  );
  await vm.page.goto(`${site}?restore=machine.tabvisor&again`);
  await expect(vm.page.getByRole("alert").first()).toContainText("saved in version");
});

test("says why a machine cannot be saved, which goes on", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none`);
  // It is mounted while the shell starts.
  await vm.run("while ! grep -q /mnt/files /proc/mounts; do sleep 0.1; done");
  await vm.run("echo hello > /mnt/files/note; exec 4< /mnt/files/note");
  await vm.button("Save machine").click();
  await expect(vm.page.locator(".message")).toContainText("fs0 has files open in the guest");
  expect(await vm.run("cat <&4")).toBe("hello");
});
