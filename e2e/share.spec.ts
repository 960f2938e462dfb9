import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";

async function drop(page: Page, files: Record<string, string>): Promise<void> {
  const transfer = await page.evaluateHandle((contents) => {
    const dropped = new DataTransfer();
    for (const [name, text] of Object.entries(contents)) dropped.items.add(new File([text], name));
    return dropped;
  }, files);
  await page.locator(".guest-screen").dispatchEvent("drop", { dataTransfer: transfer });
  await page.getByRole("dialog").getByRole("button", { name: "Share with the guest" }).click();
}

/** Waits until the guest has mounted the share. */
const MOUNTED = "while ! [ -e /run/share.files ]; do usleep 20000; done";

test("shares files that are dropped, which the guest reads and changes", async ({ vm, site }) => {
  await vm.boot(site);
  await vm.run(MOUNTED);
  const large = "0123456789abcdef".repeat(20_000);
  await drop(vm.page, { "hello.txt": "hello from the host\n", "large.bin": large });
  await expect.poll(() => vm.run("cat /mnt/files/hello.txt")).toBe("hello from the host");
  expect(await vm.run("wc -c < /mnt/files/large.bin")).toBe(String(large.length));
  expect(await vm.run("dd if=/mnt/files/large.bin bs=16 skip=19999 2>/dev/null")).toBe(
    "0123456789abcdef",
  );
  await vm.run("echo more >> /mnt/files/hello.txt; echo new > /mnt/files/new");
  expect(await vm.run("cat /mnt/files/hello.txt /mnt/files/new")).toBe(
    "hello from the host\nmore\nnew",
  );
  // A file dropped again takes the place of the first.
  await drop(vm.page, { "hello.txt": "again\n" });
  await expect.poll(() => vm.run("cat /mnt/files/hello.txt")).toBe("again");
});
