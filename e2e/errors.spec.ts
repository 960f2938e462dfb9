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

test("boots files that a person drops", async ({ vm, site, page }) => {
  await page.goto(`${site}?kernel=missing`);
  await expect(page.getByRole("alert").first()).toContainText("404");
  const files = await page.evaluateHandle(async () => {
    const dropped = new DataTransfer();
    for (const name of ["Image.gz", "initramfs.cpio.gz"]) {
      const response = await fetch(`guest/${name}`);
      dropped.items.add(new File([await response.blob()], name));
    }
    return dropped;
  });
  const terminal = page.locator(".guest-screen");
  await terminal.dispatchEvent("dragover", { dataTransfer: files });
  await expect(page.getByText("Drop a kernel")).toBeVisible();
  await terminal.dispatchEvent("drop", { dataTransfer: files });
  const form = page.getByRole("dialog");
  await expect(form).toContainText("Image.gz");
  await expect(form).toContainText("initramfs.cpio.gz");
  await form.getByRole("button", { name: "Boot" }).click();
  await vm.prompt();
});

test("can be used from the keyboard alone", async ({ vm, site, page }) => {
  await vm.boot(site);
  await vm.press("Shift+F6");
  await expect(vm.button("Restart")).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(vm.button("Power off")).toBeFocused();
  await page.keyboard.press("Enter");
  const panel = page.getByRole("alert").first();
  await expect(panel).toContainText("The machine is off");
  await expect(panel).toBeFocused();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await vm.prompt();
  await page.keyboard.type("echo typed-$((6*7))\n");
  await vm.see("\ntyped-42");
});
