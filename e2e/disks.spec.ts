import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import type { Page } from "@playwright/test";
import type { Downloads } from "./downloads.ts";
import { expect, FIREFOX_TOO, RAW_DISK, test } from "./fixtures.ts";

/** Exports disk `name` by the panel; gives the path of the file. */
async function exported(
  page: Page,
  downloads: Downloads,
  name: string,
  kind: ".img" | ".img.gz",
): Promise<string> {
  const disk = page.getByRole("listitem", { name: `Disk ${name}` });
  const file = await downloads.take(page, async () => {
    await disk.getByRole("button", { name: `Export ${kind}`, exact: true }).click();
    await page.getByRole("button", { name: "Save…" }).click({ timeout: 60_000 });
  });
  expect(file.name).toBe(`${name}${kind}`);
  return file.path;
}

test("a disk leaves as a file, is deleted, and comes back from it", { tag: FIREFOX_TOO }, async ({
  kept: vm,
  site,
  downloads,
}) => {
  test.setTimeout(120_000);
  await vm.boot(`${site}?disk=work&disksize=64&relay=none`);
  await vm.run("echo there and back > /root/note; sync");
  await vm.page.goto(`${site}?disk=none&relay=none#inspect=disks`);
  await vm.prompt();
  const { page } = vm;
  const path = await exported(page, downloads, "work", ".img.gz");
  expect(gunzipSync(await readFile(path)).length).toBe(64 << 20);

  const disk = page.getByRole("listitem", { name: "Disk work" });
  await disk.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
  await expect(disk).toBeVisible();
  await disk.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete for good" }).click();
  await expect(disk).toHaveCount(0);

  await page.getByLabel("Image file").setInputFiles(path);
  await page.getByLabel("Name of the new disk").fill("again");
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await expect(page.getByText("import again: done")).toBeVisible({ timeout: 60_000 });
  const copy = page.getByRole("listitem", { name: "Disk again" });
  await copy.getByRole("button", { name: "Use…" }).click();
  await page.getByRole("button", { name: "Start this machine" }).click();
  await expect.poll(() => vm.text()).not.toBe("");
  await vm.prompt();
  expect(await vm.run("cat /root/note")).toBe("there and back");
  expect(new URL(page.url()).searchParams.get("disk")).toBe("again");
  expect(vm.errors).toEqual([]);
});

test("the disk of the running machine is exported as it is, and cannot be deleted", async ({
  kept: vm,
  site,
  downloads,
}) => {
  const raw = `?disk=raw&disksize=8&relay=none&${RAW_DISK}`;
  await vm.boot(`${site}${raw}#inspect=disks`);
  await vm.run("echo through the middle | dd of=/dev/vda bs=512 seek=9999 conv=notrunc,fsync");
  const disk = vm.page.getByRole("listitem", { name: "Disk raw" });
  await expect(disk).toContainText("in use here");
  await expect(disk.getByRole("button", { name: "Delete…" })).toBeDisabled();
  const image = await readFile(await exported(vm.page, downloads, "raw", ".img"));
  expect(image.length).toBe(8 << 20);
  expect(image.subarray(9999 * 512).toString()).toContain("through the middle");
});
