import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { CHUNK_BYTES, DATABASE_PREFIX } from "../src/host/stored-disk.ts";
import { isExpected } from "../src/machine/testing/programs.ts";
import { expect, RAW_DISK, test } from "./fixtures.ts";
import type { Vm } from "./vm.ts";

test("follows a write of dd to the end of its interrupt", async ({ vm, site }) => {
  await vm.boot(`${site}#inspect=timeline`);
  const { page } = vm;
  const list = page.getByRole("listbox", { name: "Requests" });
  await expect(list).toBeVisible();
  await vm.run("dd if=/dev/urandom of=/root/data bs=64k count=4 conv=fsync");
  await page.getByLabel("Filter").fill("dev:block readable>16k");
  const rows = list.getByRole("option");
  await expect(rows.first()).toContainText("blk0");
  const detail = detailOf(page);
  // A key that comes before the list is filtered goes to another request, or to none.
  await expect(async () => {
    await list.focus();
    await page.keyboard.press("End");
    await expect(detail.getByRole("tree")).toContainText("sector", { timeout: 1000 });
    await expect(detail.getByRole("row", { name: /^kick / })).toBeVisible({ timeout: 1000 });
  }).toPass();
  for (const moment of ["kick", "pop", "push", "used", "pulse", "claim", "complete"]) {
    const row = detail.getByRole("row", { name: new RegExp(`^${moment} `) });
    await expect(row.getByRole("cell").first()).toHaveText(/^\d+\.\d{6} s$/);
  }
  await expect(detail.getByRole("tree")).toContainText("sector");
  await expect(page).toHaveURL(/#inspect=timeline\/%40\d+%20dev/);
  expect(vm.errors).toEqual([]);
});

/** What is stored of a disk, `length` bytes from `position` on: of one chunk. */
type Stored = (page: Page, disk: string, position: number, length: number) => Promise<number[]>;

/** In the page's IndexedDB. */
const inIndexedDb: Stored = (page, disk, position, length) => {
  const ask = { name: DATABASE_PREFIX + disk, position, length };
  return page.evaluate(async ({ name, position, length }) => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await done(indexedDB.open(name));
    const chunks = database.transaction("chunks").objectStore("chunks");
    const { chunkSize } = await done<{ chunkSize: number }>(chunks.get("meta"));
    const chunk = await done<Uint8Array>(chunks.get(Math.floor(position / chunkSize)));
    database.close();
    return [...chunk.subarray(position % chunkSize, (position % chunkSize) + length)];
  }, ask);
};

/** In the files that are private to the page's origin: see `slot-table.ts`. */
const inFiles: Stored = (page, disk, position, length) => {
  const ask = { file: Buffer.from(disk).toString("hex"), position, length, chunkSize: CHUNK_BYTES };
  return page.evaluate(async ({ file, position, length, chunkSize }) => {
    const root = await navigator.storage.getDirectory();
    const directory = await root.getDirectoryHandle("tabvisor-disks");
    const part = async (suffix: string, start: number, count: number): Promise<ArrayBuffer> => {
      const handle = await directory.getFileHandle(`${file}.${suffix}`);
      return (await handle.getFile()).slice(start, start + count).arrayBuffer();
    };
    const entry = await part("index", Math.floor(position / chunkSize) * 4, 4);
    const slot = new DataView(entry).getUint32(0, true) - 1;
    const start = slot * chunkSize + (position % chunkSize);
    return [...new Uint8Array(await part("data", start, length))];
  }, ask);
};

const PLACES = [
  { place: "private files", query: "", stored: inFiles },
  { place: "IndexedDB", query: "&diskstore=indexeddb", stored: inIndexedDb },
];

/** Opens the newest request that the filter lets through, and says `text`; gives its moments in seconds. */
async function moments(page: Page, filter: string, text: string): Promise<Map<string, number>> {
  await page.getByLabel("Filter").fill(filter);
  const list = page.getByRole("listbox", { name: "Requests" });
  await expect(list.getByRole("option").last()).toContainText(text);
  const rows = detailOf(page).filter({ hasText: text }).locator(".timeline-moments tbody tr");
  await expect(async () => {
    await list.focus();
    await page.keyboard.press("End");
    await expect(rows.last()).toHaveText(/^complete\d/, { timeout: 1000 });
  }).toPass();
  const known = await rows.evaluateAll((all) =>
    all.map(({ children: [name, at] }) => [name.textContent, parseFloat(at.textContent)] as const),
  );
  for (const [name, at] of known) expect(at, name).toBeGreaterThan(0);
  return new Map(known);
}

const detailOf = (page: Page) => page.getByRole("region", { name: /^Request \d+$/ });

const WAY = ["kick", "pop", "push", "used", "pulse", "claim", "complete"];

for (const { place, query, stored } of PLACES) {
  test(`a write of dd goes to ${place} and comes back after a reload`, async ({
    kept: vm,
    site,
  }) => {
    const block = 4242;
    const bytes = 4096;
    const sector = (block * bytes) / 512;
    const marker = `there and back, ${Math.random()}\n`;
    const disk = `?disk=traced&${RAW_DISK}${query}`;
    await vm.boot(`${site}${disk}#inspect=timeline`);
    const { page } = vm;
    await expect(page.getByLabel("Requests shown")).toBeVisible();
    await vm.run(`yes '${marker.trim()}' | head -c ${bytes} > /tmp/data`);
    await vm.run(`dd if=/tmp/data of=/dev/vda bs=${bytes} seek=${block} conv=fsync,notrunc`);
    const write = await moments(page, `op:write text:"sector ${sector},"`, `sector ${sector},`);
    const flush = await moments(page, "op:flush", "flush");
    for (const request of [write, flush]) {
      expect([...request.keys()]).toEqual(WAY);
      const times = [...request.values()];
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
    expect(flush.get("pop")).toBeGreaterThanOrEqual(write.get("used")!);
    const expected = Buffer.from(marker.repeat(bytes).slice(0, bytes));
    expect(Buffer.from(await stored(page, "traced", block * bytes, bytes))).toEqual(expected);

    await page.reload();
    await vm.prompt();
    const read = `dd if=/dev/vda bs=${bytes} skip=${block} count=1 iflag=direct 2>/dev/null`;
    expect(await vm.run(`${read} | head -n 1`)).toBe(marker.trim());
    const back = await moments(page, `op:read text:"sector ${sector},"`, `sector ${sector},`);
    expect([...back.keys()]).toEqual(WAY);
    await expect(detailOf(page)).toContainText("there and back");
    expect(vm.errors).toEqual([]);
  });
}

/** Fills the record with `count` reads, one request each. */
const fill = (vm: Vm, count: number) =>
  vm.run(`dd if=/dev/vda of=/dev/null bs=4k count=${count} iflag=direct`, 60_000);

test("is never empty while its scroll bar is dragged", async ({ vm, site }) => {
  await vm.boot(`${site}#inspect=timeline`);
  const list = vm.page.getByRole("listbox", { name: "Requests" });
  await expect(list).toBeVisible();
  await fill(vm, 2000);
  await expect(vm.page.getByLabel("Requests shown")).toHaveText(/^2,\d{3} /);
  const gaps = await list.evaluate(async (element) => {
    const found: number[] = [];
    const head = element.firstElementChild!.getBoundingClientRect();
    const { bottom } = element.getBoundingClientRect();
    let step = -7000;
    for (let frame = 0; frame < 40; frame++) {
      const before = element.scrollTop;
      element.scrollTop += step;
      if (element.scrollTop === before) step = -step;
      // What is painted, before and after the page has heard of it.
      for (const isHeard of [false, true]) {
        if (isHeard) await new Promise((resolve) => requestAnimationFrame(resolve));
        let gap = bottom - head.bottom;
        for (const row of element.querySelectorAll("[role=option]:not(:empty)")) {
          const box = row.getBoundingClientRect();
          gap -= Math.max(0, Math.min(box.bottom, bottom) - Math.max(box.y, head.bottom));
        }
        found.push(gap);
      }
    }
    return found;
  });
  expect(Math.max(...gaps)).toBeLessThan(2);
  expect(vm.errors).toEqual([]);
});

test("keys go from request to request as fast as they come, and the list keeps them", async ({
  vm,
  site,
}) => {
  await vm.boot(`${site}#inspect=timeline`);
  const { page } = vm;
  const list = page.getByRole("listbox", { name: "Requests" });
  await expect(list).toBeVisible();
  await fill(vm, 500);
  await vm.button("Pause").click();
  await expect(vm.button("Record")).toBeVisible();
  const selected = list.getByRole("option", { selected: true });
  const expectPlace = (place: number) =>
    expect(selected).toHaveAttribute("aria-posinset", `${place}`);
  await list.focus();
  await page.keyboard.press("Home");
  await expectPlace(1);
  for (const key of ["ArrowDown", "j", "j", "ArrowDown", "j", "ArrowUp", "k"]) {
    await page.keyboard.press(key);
  }
  await expectPlace(4);
  // Pages whose requests have to be fetched add up too.
  for (let i = 0; i < 5; i++) await page.keyboard.press("PageDown");
  await expect(selected).toHaveCount(1);
  const rows = await list.evaluate(({ clientHeight }) => Math.floor(clientHeight / 24) - 2);
  await expect(async () => {
    const place = Number(await selected.getAttribute("aria-posinset"));
    expect((place - 4) % 5).toBe(0);
    expect(place).toBeGreaterThanOrEqual(4 + 5 * rows);
  }).toPass();
  await page.keyboard.press("End");
  await expect(selected).toHaveAttribute(
    "aria-posinset",
    (await selected.getAttribute("aria-setsize"))!,
  );
  await expect(list).toBeFocused();
  await selected.click();
  await expect(list).toBeFocused();
  await detailOf(page).getByRole("button", { name: "Close" }).click();
  await expect(list).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await expect(detailOf(page)).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(detailOf(page)).toHaveCount(0);
  await expect(list).toBeFocused();
  expect(vm.errors).toEqual([]);
});

test("says what is wrong with a filter", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none#inspect=timeline/dev%3Ablock%20size%3E3`);
  await expect(vm.page.getByText('there is no field "size"')).toBeVisible();
  await vm.page.getByLabel("Filter").fill("dev:console");
  await expect(vm.page.getByText('there is no field "size"')).toHaveCount(0);
  await vm.run("echo something");
  await expect(vm.page.getByRole("option").first()).toContainText("hvc0");
});

test("holds still while it is paused", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none#inspect=timeline`);
  const count = vm.page.getByLabel("Requests shown");
  await vm.run("echo something");
  await expect(count).not.toHaveText(/^0 /);
  await vm.button("Pause").click();
  await expect(vm.button("Record")).toBeVisible();
  const before = await count.textContent();
  await vm.run("echo more");
  await expect(count).toHaveText(before ?? "");
});

test("saves packets that tshark reads", async ({ vm, site }) => {
  test.skip(!isExpected("tshark"), "tshark is not installed");
  await vm.boot(`${site}?disk=none#inspect=timeline`);
  await expect(vm.page.getByLabel("Requests shown")).toBeVisible();
  await vm.run("for i in 1 2 3; do ping -c 1 10.0.2.2 && break; sleep 1; done", 40_000);
  const saved = vm.page.waitForEvent("download");
  await vm.button("pcapng").click();
  const file = await (await saved).path();
  expect(readFileSync(file).length).toBeGreaterThan(200);
  const summary = execFileSync("tshark", ["-r", file], { encoding: "utf8" });
  expect(summary).toMatch(/ICMP .*Echo \(ping\) request/);
  expect(summary).toMatch(/ICMP .*Echo \(ping\) reply/);
});
