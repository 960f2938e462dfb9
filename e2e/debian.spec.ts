/** Debian's own kernel in the page, with all devices, and an X server; `npm run test:debian` builds it. */
import { existsSync } from "node:fs";
import { cp, link, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { type Site, startSite } from "../cli/start.ts";
import { DEBIAN_DRIVERS } from "../src/machine/testing/guest-drivers.ts";
import { Display } from "./display.ts";
import { DIST, expect, test } from "./fixtures.ts";
import type { Vm } from "./vm.ts";

const GUEST = fileURLToPath(new URL("../guest/debian/.cache/", import.meta.url));
const FILES = ["Image", "initrd.img", "disk.ext4"];
const LIMIT_MS = 600_000;
/** For each thing that the guest does meanwhile. */
const STEP_MS = 120_000;

/** A shell has its prompt again by then. */
const PROMPT_MS = 1500;

/** Text on the kernel's console, and the colours that the guest's `/root/x` asks for. */
const GREY = [170, 170, 170];
const IVORY = [251, 248, 239];
const NIGHT = [31, 42, 60];
const AMBER = [196, 120, 60];
/** What is typed has the root window take this colour. */
const SEAGREEN = [46, 139, 87];

/** Places on the display: in the terminal and on its title, and where there is no window. */
const TERMINAL = { x: 300, y: 300 };
const TITLE = { x: 300, y: 52 };
const ROOT = { x: 300, y: 600 };
/** How far the terminal is moved; it shows its lower edge then where there was none. */
const MOVE = { x: 40, y: 180 };

const TONE_HZ = 440;
const TONE = `perl -e 'print pack("s<2", (12000 * sin($_ * ${TONE_HZ} * 6.2831853 / 44100)) x 2) for 0 .. 132299'`;

/** The page with the guest's files beside it, since the page takes them from nowhere else. */
async function serve(): Promise<Site> {
  const root = `${GUEST}site`;
  await rm(root, { recursive: true, force: true });
  await cp(DIST, root, { recursive: true });
  for (const name of FILES) await link(GUEST + name, `${root}/${name}`);
  return startSite(root, { port: 0 });
}

async function attach(page: Page, name: string): Promise<void> {
  const body = await page.screenshot({ path: test.info().outputPath(`${name}.png`) });
  await test.info().attach(name, { body, contentType: "image/png" });
}

/** What the script of the guest that uses all devices expects of the host. */
async function answerGuest(page: Page): Promise<void> {
  const transfer = await page.evaluateHandle(() => {
    void window.tabvisor!.port("org.example.0");
    window.tabvisor!.vsock.listen(6000, ({ readable, writable }) => void readable.pipeTo(writable));
    const dropped = new DataTransfer();
    dropped.items.add(new File(["hello from the host\n"], "hello"));
    return dropped;
  });
  await page.locator(".guest-screen").dispatchEvent("drop", { dataTransfer: transfer });
  await page.getByRole("dialog").getByRole("button", { name: "Share with the guest" }).click();
}

/** The loudest frequency that the page plays, in Hz; 0 for silence. */
function pitch(page: Page): Promise<number> {
  return page.evaluate(() => {
    const { analyser } = window as unknown as { analyser?: AnalyserNode };
    if (analyser === undefined) return 0;
    const levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(levels);
    const loudest = levels.indexOf(Math.max(...levels));
    return levels[loudest] > -60 ? (loudest * analyser.context.sampleRate) / analyser.fftSize : 0;
  });
}

async function testDevices(vm: Vm): Promise<void> {
  await vm.see("Starting systemd-udevd", STEP_MS);
  await answerGuest(vm.page);
  await vm.see(/@end[\s\S]*#$/, STEP_MS);
  const output = await vm.text();
  for (const [driver, use] of Object.entries(DEBIAN_DRIVERS)) {
    // Files are shared by one of the two.
    if (use === "9p") continue;
    expect(output).toMatch(new RegExp(`^@driver ${driver} virtio\\d`, "m"));
    expect(output).toContain(`@used ${use} ok`);
  }
  expect(output).not.toContain("failed");
}

async function testConsole(vm: Vm, display: Display): Promise<void> {
  await vm.run("printf '\\033[2J\\033[H' > /dev/tty0; dmesg | tail -n 20 > /dev/tty0");
  await expect.poll(() => display.count(GREY)).toBeGreaterThan(5000);
  const [width, height] = await display.size();
  expect(await display.count([0, 0, 0])).toBeGreaterThan((width * height) / 2);
  await attach(vm.page, "console");
}

async function testDesktop(vm: Vm, display: Display): Promise<void> {
  await vm.run("/root/x", STEP_MS);
  await expect.poll(() => display.pixel(TERMINAL)).toEqual(IVORY);
  expect(await display.pixel(ROOT)).toEqual(NIGHT);
  await expect.poll(() => display.count(AMBER)).toBeGreaterThan(1000);
}

async function testKeys({ page }: Vm, display: Display): Promise<void> {
  await page.mouse.click(...(await display.at(TERMINAL)));
  for (const line of ["cat /etc/os-release", "uname -srm", "xsetroot -solid seagreen"]) {
    await page.keyboard.type(`${line}\n`, { delay: 40 });
    // What is typed before the prompt is there would be shown twice in the picture.
    await page.waitForTimeout(PROMPT_MS);
  }
  await expect.poll(() => display.pixel(ROOT)).toEqual(SEAGREEN);
}

async function testPointer({ page }: Vm, display: Display): Promise<void> {
  await attach(page, "desktop");
  const pointer = () => display.canvas.evaluate((canvas) => canvas.style.cursor);
  await page.mouse.move(...(await display.at(ROOT)));
  await expect.poll(pointer).toMatch(/^url\("data:image\/png.* 1 1, default$/);
  const arrow = await pointer();
  await page.mouse.move(...(await display.at(TERMINAL)));
  await expect.poll(pointer, "the terminal's pointer is a bar").not.toBe(arrow);
  const below = { x: TERMINAL.x, y: 40 + 18 * 18 + MOVE.y };
  expect(await display.pixel(below)).toEqual(SEAGREEN);
  await page.mouse.move(...(await display.at(TITLE)));
  await page.mouse.down();
  const target = { x: TITLE.x + MOVE.x, y: TITLE.y + MOVE.y };
  await page.mouse.move(...(await display.at(target)), { steps: 10 });
  await page.mouse.up();
  await expect.poll(() => display.pixel(below)).toEqual(IVORY);
  expect(await display.pixel(TITLE)).toEqual(SEAGREEN);
  await attach(page, "moved");
}

async function testSize({ page }: Vm, display: Display): Promise<void> {
  const [width, height] = await display.size();
  for (const [more, viewport] of [
    [1, { width: 2000, height: 1100 }],
    [-1, { width: 1600, height: 900 }],
  ] as const) {
    await page.setViewportSize(viewport);
    await expect.poll(() => display.size()).toEqual(await display.place());
    const [newWidth, newHeight] = await display.size();
    expect(Math.sign(newWidth - width)).toBe(more);
    expect(Math.sign(newHeight - height)).toBe(more);
    const corner = { x: newWidth - 5, y: newHeight - 5 };
    await expect.poll(() => display.pixel(corner)).toEqual(SEAGREEN);
  }
}

async function testSound(vm: Vm): Promise<void> {
  await vm.page.getByRole("button", { name: "Sound is off" }).click();
  expect(await pitch(vm.page)).toBe(0);
  await vm.run(`${TONE} > /tmp/tone`, STEP_MS);
  const playing = vm.run("aplay -q -D hw:0,0 -f S16_LE -r 44100 -c 2 /tmp/tone", STEP_MS);
  await expect.poll(async () => Math.abs((await pitch(vm.page)) - TONE_HZ)).toBeLessThan(8);
  await playing;
  await expect.poll(() => pitch(vm.page)).toBe(0);
}

/** Opens the page and goes through all that a person does with such a guest. */
async function useGuest(vm: Vm, site: Site): Promise<void> {
  const address = new URLSearchParams({
    kernel: "/Image",
    initrd: "/initrd.img",
    disk: "/disk.ext4",
    append: "console=tty0 console=ttyS0 quiet root=/dev/vda rw init=/root/devices tabvisor.stay",
    ...{ ram: "512", balloon: "32", pmem: "debian", ports: "org.example.0", vsock: "3" },
    ...{ display: "fit", sound: "1", crypto: "1", rtc: "1" },
  });
  await vm.page.setViewportSize({ width: 1800, height: 1000 });
  await vm.page.addInitScript((fftSize) => {
    const { connect } = AudioNode.prototype;
    // What goes to the loudspeaker is listened to.
    AudioNode.prototype.connect = function (this: AudioNode, ...to: unknown[]) {
      if (to[0] instanceof AudioDestinationNode) {
        const analyser = new AnalyserNode(this.context, { fftSize });
        Reflect.apply(connect, this, [analyser]);
        Object.assign(window, { analyser });
      }
      return Reflect.apply(connect, this, to);
    };
  }, 8192);
  await vm.page.goto(`${site.url}?${address}`);
  const display = new Display(vm.page);
  await test.step("devices", () => testDevices(vm));
  await test.step("kernel console", () => testConsole(vm, display));
  await test.step("desktop", () => testDesktop(vm, display));
  await test.step("keys", () => testKeys(vm, display));
  await test.step("pointer", () => testPointer(vm, display));
  await test.step("size", () => testSize(vm, display));
  await test.step("sound", () => testSound(vm));
  expect(vm.errors).toEqual([]);
}

test("Debian uses all devices in the page, and draws, hears and takes keys", async ({ vm }) => {
  test.skip(!existsSync(`${GUEST}disk.ext4`), "npm run test:debian builds the guest");
  test.setTimeout(LIMIT_MS);
  const site = await serve();
  try {
    await useGuest(vm, site);
  } finally {
    await site.close();
  }
});
