import { expect, test } from "./fixtures.ts";

test("says what is wrong with a file and what to do", async ({ vm, site }) => {
  const alert = vm.page.getByRole("alert").first();
  await vm.page.goto(`${site}?kernel=missing`);
  await expect(alert).toContainText("404");
  await expect(vm.button("Try again")).toBeVisible();
  await vm.page.goto(`${site}?kernel=guest/initramfs.cpio.gz`);
  await expect(alert).toContainText(/kernel/i);
  await vm.page.goto(`${site}?ram=8`);
  await expect(alert).toContainText("between 32 and 2048");
});

test("says that there is no storage, and starts without a disk", async ({ vm, site, page }) => {
  await page.route("**/worker-*.js", async (route) => {
    const response = await route.fetch();
    const body = `delete globalThis.indexedDB; Object.defineProperty(globalThis, "indexedDB", { value: undefined });${await response.text()}`;
    await route.fulfill({ response, body });
  });
  await page.goto(site);
  await expect(page.getByRole("alert").first()).toContainText("storage");
  await vm.button("Start without a disk").click();
  await vm.prompt();
  expect((await vm.try("test -e /dev/vda")).status).toBe(1);
});

test("boots files that a person picks", async ({ vm, site, page }) => {
  await page.goto(`${site}?kernel=missing`);
  await page.getByRole("alert").getByRole("button", { name: "Open…" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Kernel").setInputFiles("public/guest/Image.gz");
  await form.getByLabel("Initramfs").setInputFiles("public/guest/initramfs.cpio.gz");
  await form.getByRole("button", { name: "Boot" }).click();
  await vm.prompt();
  expect(await vm.run("uname -m")).toBe("riscv64");
});
