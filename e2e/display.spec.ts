import type { Page } from "@playwright/test";
import { Display } from "./display.ts";
import { expect, test } from "./fixtures.ts";

/** How many pixels of the display are not black. */
function litPixels(page: Page): Promise<number> {
  return page.evaluate(() => {
    const display = document.querySelector<HTMLCanvasElement>(".display canvas");
    if (display === null) return 0;
    const copy = document.createElement("canvas");
    copy.width = 640;
    copy.height = 480;
    const context = copy.getContext("2d")!;
    context.drawImage(display, 0, 0, 640, 480);
    const { data } = context.getImageData(0, 0, 640, 480);
    let lit = 0;
    for (let at = 0; at < data.length; at += 4)
      if (data[at] + data[at + 1] + data[at + 2] > 0) lit++;
    return lit;
  });
}

test("shows the guest's frame buffer and takes keys for it", async ({ vm, site }) => {
  await vm.boot(`${site}?display=640x480&disk=none&relay=none`);
  const canvas = vm.page.locator(".display canvas");
  await expect(vm.page.locator(".display-bar")).toContainText("640 × 480");
  // The shell's greeting and prompt, in white on black.
  await expect.poll(() => litPixels(vm.page)).toBeGreaterThan(500);
  await vm.run("while ! ps | grep -q '[s]h -l'; do usleep 100000; done");
  await canvas.click();
  await expect(canvas).toBeFocused();
  const before = await litPixels(vm.page);
  // Characters that need Shift: `type` would press their keys without it.
  await vm.page.keyboard.press("Shift+KeyA");
  await vm.page.keyboard.type("=");
  await vm.page.keyboard.press("Shift+Quote");
  await vm.page.keyboard.type("typed on");
  await vm.page.keyboard.press("Shift+Quote");
  await vm.page.keyboard.type("; echo ");
  await vm.page.keyboard.press("Shift+Digit4");
  await vm.page.keyboard.press("Shift+KeyA");
  await vm.page.keyboard.press("Shift+Period");
  await vm.page.keyboard.type("/tmp/typed");
  await expect.poll(() => litPixels(vm.page)).toBeGreaterThan(before);
  await vm.page.keyboard.press("Enter");
  expect(await vm.run("while [ ! -s /tmp/typed ]; do usleep 50000; done; cat /tmp/typed")).toBe(
    "typed on",
  );
  // The click went to the tablet too, and the way out of the display leads to the toolbar.
  expect(await vm.run("cat /proc/bus/input/devices")).toContain("tabvisor tablet");
  await canvas.focus();
  await vm.page.keyboard.press("Shift+F6");
  await expect(vm.page.locator(".toolbar button").first()).toBeFocused();
  expect(vm.errors).toEqual([]);
});

test("gets a display again after another boot", async ({ vm, site }) => {
  await vm.boot(`${site}?display=640x480&disk=none&relay=none`);
  await expect.poll(() => litPixels(vm.page)).toBeGreaterThan(500);
  await vm.button("Open…").click();
  await vm.page.getByRole("button", { name: "Boot", exact: true }).click();
  await vm.prompt();
  await expect.poll(() => litPixels(vm.page)).toBeGreaterThan(500);
});

test("gives the guest a display of the size of its place", async ({ vm, site }) => {
  await vm.boot(`${site}?display=fit&disk=none&relay=none`);
  const display = new Display(vm.page);
  const first = await display.place();
  await expect.poll(() => display.size()).toEqual(first);
  await vm.page.setViewportSize({ width: 900, height: 560 });
  const second = await display.place();
  expect(second).not.toEqual(first);
  await expect.poll(() => display.size()).toEqual(second);
  await expect.poll(() => litPixels(vm.page)).toBeGreaterThan(500);
  expect(vm.errors).toEqual([]);
});

test("is silent until sound is switched on", async ({ vm, site }) => {
  await vm.boot(`${site}?sound=1&disk=none&relay=none`);
  const button = vm.page.locator(".display .sound");
  await expect(button).toHaveText("Sound is off");
  await button.click();
  await expect(button).toHaveText("Sound is on");
  await vm.run("while [ ! -e /dev/snd/pcmC0D0p ]; do usleep 50000; done; modprobe snd-pcm-oss");
  // 8000 bytes are a second of sound, heard or not.
  const time = "cut -d' ' -f1 /proc/uptime";
  const output = await vm.run(`${time}; head -c 16000 /dev/urandom > /dev/dsp; ${time}`);
  const [start, end] = output.split("\n").map(Number);
  expect(end - start).toBeGreaterThan(1.7);
  await button.click();
  await expect(button).toHaveText("Sound is off");
  expect(vm.errors).toEqual([]);
});
