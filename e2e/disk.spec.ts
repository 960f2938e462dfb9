import type { Page } from "@playwright/test";
import { expect, FIREFOX_TOO, RAW_DISK, test } from "./fixtures.ts";
import { Vm } from "./vm.ts";

const RAW = `?disk=raw&${RAW_DISK}`;

/** Put before the Worker's code: makes storing fail as a full browser does, when the page says so. */
const FILL_ON_DEMAND = `
  let isFull = false;
  new BroadcastChannel("room").onmessage = ({ data }) => { isFull = data === "none"; };
  const fail = (type, name) => {
    const method = type.prototype[name];
    type.prototype[name] = function (...operands) {
      if (isFull) throw new DOMException("no room", "QuotaExceededError");
      return method.apply(this, operands);
    };
  };
  fail(IDBObjectStore, "put");
  fail(FileSystemSyncAccessHandle, "write");
`;

const PLACES = [
  { place: "the file system", query: "", files: 2, tag: [FIREFOX_TOO] },
  { place: "IndexedDB", query: "&diskstore=indexeddb", files: 0, tag: [] },
];

/** How many files of disks the origin's private file system has. */
function countFiles(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const disks = await root.getDirectoryHandle("tabvisor-disks", { create: true });
    const names: string[] = [];
    for await (const name of disks.keys()) names.push(name);
    return names.length;
  });
}

for (const { place, query, files, tag } of PLACES) {
  test(`keeps a synced file in ${place} through a reload`, { tag }, async ({ kept: vm, site }) => {
    await vm.boot(`${site}?relay=none${query}`);
    await vm.run("echo through a reload > /root/note; sync");
    expect(await countFiles(vm.page)).toBe(files);
    await vm.page.reload();
    await vm.prompt();
    expect(await vm.run("cat /root/note")).toBe("through a reload");
    expect(vm.errors).toEqual([]);
  });
}

test("keeps a synced file when the tab is killed", async ({ kept: vm, profile, site }) => {
  await vm.boot(site);
  await vm.run("echo through a kill > /root/note; sync");
  const crash = vm.page.waitForEvent("crash");
  const killer = await profile.newCDPSession(vm.page);
  // The answer never comes: the process that would give it is gone.
  killer.send("Page.crash").catch(() => {});
  await crash;
  const next = await new Vm(await profile.newPage()).boot(site);
  expect(await next.run("cat /root/note")).toBe("through a kill");
});

test("is one tab's at a time, and says so to the second", async ({ kept: vm, profile, site }) => {
  await vm.boot(site);
  const other = new Vm(await profile.newPage());
  await other.page.goto(site);
  await expect(other.page.getByRole("alert").first()).toContainText("in use by another tab");
  await vm.page.close();
  await other.button("Try again").click();
  await other.prompt();
});

test("is empty again after a reset that was confirmed", async ({ kept: vm, site }) => {
  await vm.boot(site);
  await vm.run("echo gone soon > /root/note; sync");
  await vm.button("Reset disk").click();
  await vm.page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
  expect(await vm.run("cat /root/note")).toBe("gone soon");
  await vm.button("Reset disk").click();
  await vm.page.getByRole("dialog").getByRole("button", { name: "Erase and restart" }).click();
  await expect.poll(() => vm.text()).not.toContain("gone soon");
  await vm.prompt();
  expect((await vm.try("test -e /root/note")).status).toBe(1);
});

test("grows under a running guest, for good", async ({ kept: vm, site }) => {
  await vm.boot(site + RAW);
  expect(await vm.run("cat /sys/block/vda/size")).toBe(String(2 ** 30 / 512));
  await vm.button("Grow disk").click();
  const dialog = vm.page.getByRole("dialog");
  await dialog.getByLabel("New size in GiB").fill("1.5");
  await dialog.getByRole("button", { name: "Grow" }).click();
  const size = String((1.5 * 2 ** 30) / 512);
  await vm.run(`until grep -q ${size} /sys/block/vda/size; do sleep 0.1; done`);
  await vm.page.reload();
  await vm.prompt();
  expect(await vm.run("cat /sys/block/vda/size")).toBe(size);
});

test("passes data through the raw device at any offset, and frees what is discarded", async ({
  kept: vm,
  site,
}) => {
  await vm.boot(site + RAW);
  await vm.run("head -c 3000000 /dev/urandom > /tmp/data");
  await vm.run("dd if=/tmp/data of=/dev/vda bs=1000 seek=777 conv=fsync,notrunc 2>/dev/null");
  const sum = (await vm.run("sha256sum < /tmp/data")).split(" ")[0];
  await vm.page.reload();
  await vm.prompt();
  const again = "dd if=/dev/vda bs=1000 skip=777 count=3000 2>/dev/null | sha256sum";
  expect(await vm.run(again)).toContain(sum);
});

for (const { place, query } of PLACES) {
  test(`tells the guest when ${place} has no room, and goes on when it has`, async ({
    profile,
    site,
  }) => {
    const page = await profile.newPage();
    await page.route("**/worker-*.js", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: FILL_ON_DEMAND + (await response.text()) });
    });
    const vm = await new Vm(page).boot(site + RAW + query);
    await page.evaluate(() => new BroadcastChannel("room").postMessage("none"));
    await vm.run("head -c 4000000 /dev/urandom > /tmp/data");
    const write = "dd if=/tmp/data of=/dev/vda bs=1M conv=fsync,notrunc";
    const full = await vm.try(write, 30_000);
    expect(full.output).toMatch(/error/i);
    expect(full.status).not.toBe(0);
    await expect(page.locator(".message")).toContainText("no room left");
    await page.evaluate(() => new BroadcastChannel("room").postMessage("enough"));
    await vm.run(write, 30_000);
    await expect(page.locator(".message")).not.toContainText("no room left");
    const sum = (await vm.run("sha256sum < /tmp/data")).split(" ")[0];
    await page.reload();
    await vm.prompt();
    expect(await vm.run("head -c 4000000 /dev/vda | sha256sum")).toContain(sum);
  });
}
