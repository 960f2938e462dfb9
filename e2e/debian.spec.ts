/** A graphical Debian in the page; `npm run test:debian` builds it. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import { startOpenServer } from "./open-server.ts";

const GUEST = fileURLToPath(new URL("../guest/debian/.cache/", import.meta.url));
const FILES = ["Image", "initrd.img", "disk.ext4"];
const LIMIT_MS = 900_000;

/** As the guest's `/root/x` asks for: the terminal's background, and the pointer's window beside it. */
const IVORY = "255,255,240";
const XEV = { x: 860, y: 170 };

/** How many pixels of the display have each colour. */
function colours(page: Page): Promise<Record<string, number>> {
  return page.evaluate(() => {
    const display = document.querySelector<HTMLCanvasElement>(".display canvas")!;
    const copy = document.createElement("canvas");
    copy.width = 1024;
    copy.height = 600;
    const context = copy.getContext("2d")!;
    context.drawImage(display, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    const counts: Record<string, number> = {};
    for (let at = 0; at < data.length; at += 4) {
      const colour = `${data[at]},${data[at + 1]},${data[at + 2]}`;
      counts[colour] = (counts[colour] ?? 0) + 1;
    }
    return counts;
  });
}

test("Debian's X server shows windows, and takes keys and the pointer", async ({ vm, site }) => {
  test.skip(!existsSync(`${GUEST}disk.ext4`), "npm run test:debian builds the guest");
  test.setTimeout(LIMIT_MS);
  const files = FILES.map(async (name) => [name, await readFile(GUEST + name)] as const);
  const server = await startOpenServer(Object.fromEntries(await Promise.all(files)));
  const address = new URLSearchParams({
    kernel: `${server.url}Image`,
    initrd: `${server.url}initrd.img`,
    disk: `${server.url}disk.ext4`,
    append: "console=ttyS0 quiet root=/dev/vda rw init=/root/devices tabvisor.x tabvisor.stay",
    display: "1024x600",
    ram: "512",
    relay: "none",
  });
  await vm.page.goto(`${site}?${address}`);
  await vm.see(/^@driver virtio_gpu virtio\d/m, LIMIT_MS);
  await vm.see(/^@driver virtio_input virtio\d virtio\d/m);
  await vm.see("@used x ok", LIMIT_MS);
  await vm.see(/@end[\s\S]*# $/, LIMIT_MS);

  // The terminal of 80 times 20 cells, and the pattern of the root window around it.
  const canvas = vm.page.locator(".display canvas");
  await expect.poll(async () => (await colours(vm.page))[IVORY]).toBeGreaterThan(80_000);
  const picture = test.info().outputPath("debian.png");
  await canvas.screenshot({ path: picture });
  await test.info().attach("Debian", { path: picture });

  const { width, height } = (await canvas.boundingBox())!;
  const at = (x: number, y: number) => ({ x: (x / 1024) * width, y: (y / 600) * height });
  await canvas.click({ position: at(300, 200) });
  await vm.page.keyboard.type("echo typed in x > /tmp/typed\n", { delay: 50 });
  const typed = "until [ -s /tmp/typed ]; do sleep 0.2; done; cat /tmp/typed";
  expect(await vm.run(typed, LIMIT_MS)).toContain("typed in x");

  await canvas.click({ position: at(XEV.x, XEV.y) });
  const pressed = "until grep -q ButtonRelease /tmp/xev.log; do sleep 0.2; done; cat /tmp/xev.log";
  const events = await vm.run(pressed, LIMIT_MS);
  expect(events).toContain("MotionNotify");
  const root = /ButtonPress[\s\S]*?root:\((\d+),(\d+)\)/.exec(events)!.slice(1).map(Number);
  expect(Math.hypot(root[0] - XEV.x, root[1] - XEV.y)).toBeLessThan(3);
  server.close();
});
