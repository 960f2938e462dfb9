import type { Page } from "@playwright/test";
import { expect, FIREFOX_TOO, test } from "./fixtures.ts";

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

test("lets the guest map shared files", async ({ vm, site }) => {
  await vm.boot(`${site}?dax=8`);
  await vm.run(MOUNTED);
  await drop(vm.page, { "hello.txt": "hello from the host\n" });
  await vm.run("umount /mnt/files; mount -t virtiofs -o dax=always files /mnt/files");
  await expect.poll(() => vm.run("cat /mnt/files/hello.txt")).toBe("hello from the host");
  await vm.run("printf HELLO | dd of=/mnt/files/hello.txt conv=notrunc 2>/dev/null; sync");
  expect(await vm.run("umount /mnt/files; mount -t virtiofs files /mnt/files")).toBe("");
  expect(await vm.run("cat /mnt/files/hello.txt")).toBe("HELLO from the host");
});

declare global {
  interface Window {
    /** The directory that the browser's picker gives in these tests: a person cannot be played. */
    lentByTest(): Promise<FileSystemDirectoryHandle>;
  }
}

/** Makes a picker that gives a directory of the origin's private files, which has the same interface. */
async function pickPrivate(page: Page): Promise<void> {
  await page.addInitScript(() => {
    window.lentByTest = async () => {
      const root = await navigator.storage.getDirectory();
      return root.getDirectoryHandle("lent", { create: true });
    };
    Object.assign(window, { showDirectoryPicker: window.lentByTest });
  });
}

/** What the host has in a file of the directory. */
function hostFile(page: Page, ...path: string[]): Promise<string> {
  return page.evaluate(async (names) => {
    let directory = await window.lentByTest();
    for (const name of names.slice(0, -1)) directory = await directory.getDirectoryHandle(name);
    const file = await directory.getFileHandle(names.at(-1) ?? "");
    return (await file.getFile()).text();
  }, path);
}

async function lend(page: Page, button: string): Promise<void> {
  await page.getByRole("button", { name: "Open…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: button }).click();
  await expect(page.getByRole("dialog")).toContainText("/mnt/files/lent");
  await page.keyboard.press("Escape");
}

test("lends a directory that is picked, in place, and offers it again", {
  tag: FIREFOX_TOO,
}, async ({ vm, site }) => {
  const { page } = vm;
  await pickPrivate(page);
  await vm.boot(site);
  await vm.run(MOUNTED);
  await page.evaluate(async () => {
    const directory = await window.lentByTest();
    const file = await directory.getFileHandle("hello.txt", { create: true });
    const stream = await file.createWritable();
    await stream.write("hello from the host\n");
    await stream.close();
    await directory.getDirectoryHandle("inner", { create: true });
  });
  await lend(page, "Lend a directory…");
  expect(await vm.run("cd /mnt/files/lent; ls -1; cat hello.txt")).toBe(
    "hello.txt\ninner\nhello from the host",
  );
  await vm.run("echo more >> hello.txt; echo new > inner/new; head -c 3000000 /dev/zero > large");
  expect(await hostFile(page, "hello.txt")).toBe("hello from the host\nmore\n");
  expect(await hostFile(page, "inner", "new")).toBe("new\n");
  expect((await hostFile(page, "large")).length).toBe(3_000_000);
  expect(
    await vm.run(
      "mv inner/new moved; cat moved; rm large; ls -1; mv inner away 2>/dev/null; ls -1",
    ),
  ).toBe("new\nhello.txt\ninner\nmoved\naway\nhello.txt\nmoved");
  expect(await vm.run("ln -s a b 2>&1; chmod 600 moved 2>&1; sync; rmdir away; ls -1")).toMatch(
    /not permitted.*\n.*not permitted.*\nhello.txt\nmoved$/,
  );
  // The browser still grants it, so it is there again by itself.
  await page.reload();
  await vm.prompt();
  await vm.run(MOUNTED);
  await expect.poll(() => vm.run("cat /mnt/files/lent/moved")).toBe("new");
  await page.getByRole("button", { name: "Open…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take back" }).click();
  await page.keyboard.press("Escape");
  expect(await vm.run("ls /mnt/files")).toBe("");
});

test("lends a directory that is dropped, by 9P", async ({ vm, site }) => {
  const { page } = vm;
  await pickPrivate(page);
  await vm.boot(`${site}?share=9p`);
  await vm.run(MOUNTED);
  expect(await vm.run("grep -c '/mnt/files 9p' /proc/mounts")).toBe("1");
  // Now, because the browser puts its own function there after scripts of the page's start.
  await page.evaluate(() => {
    const getAsFileSystemHandle = () => window.lentByTest();
    Object.assign(DataTransferItem.prototype, { getAsFileSystemHandle });
  });
  await drop(page, { lent: "" });
  await expect.poll(() => vm.try("echo text > /mnt/files/lent/a")).toMatchObject({ status: 0 });
  expect(await hostFile(page, "a")).toBe("text\n");
});

test("says why where the browser cannot lend directories", async ({ vm, site }) => {
  await vm.page.addInitScript(() => Object.assign(window, { showDirectoryPicker: undefined }));
  await vm.boot(site);
  await vm.run(MOUNTED);
  await vm.page.getByRole("button", { name: "Open…" }).click();
  const dialog = vm.page.getByRole("dialog");
  await expect(dialog).toContainText("cannot lend a directory in place");
  await expect(dialog.getByRole("button", { name: "Lend a directory…" })).toHaveCount(0);
  await dialog
    .getByLabel("Share files")
    .setInputFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a copy") });
  await expect.poll(() => vm.run("cat /mnt/files/a.txt")).toBe("a copy");
});
