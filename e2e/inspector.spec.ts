import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";
import type { Vm } from "./vm.ts";

/** Both sets of colours, and the three ways in which the page is laid out. */
const LOOKS = [
  { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  { colorScheme: "dark", viewport: { width: 768, height: 1024 } },
  { colorScheme: "light", viewport: { width: 360, height: 740 } },
] as const;

/** Bars that are as wide as the page, whatever that is. */
const BARS = ["html", ".toolbar", ".workspace", ".inspector-bar", ".status"];

/** A panel has all it shows by then, and has asked for it a few times more. */
const SETTLE_MS = 1500;

declare global {
  interface Window {
    shifts: {
      readonly value: number;
      readonly sources: readonly { readonly node: Node | null }[];
    }[];
  }
}

const tabs = (page: Page) => page.getByRole("tab");
const content = (page: Page) => page.getByRole("tabpanel");
const terminal = (page: Page) => page.locator(".xterm-helper-textarea");

/** Ids and places of what axe finds serious; what is inside the terminal is xterm.js's. */
async function complaints(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).exclude(".xterm").analyze();
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`);
}

async function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(
    (bars) =>
      bars.filter((bar) => {
        const element = document.querySelector(bar);
        return element !== null && element.scrollWidth > element.clientWidth;
      }),
    BARS,
  );
}

/** Tabs of which a part is not inside their bar. */
async function outOfSight(page: Page): Promise<(string | null)[]> {
  return page.getByRole("tablist", { name: "Panels" }).evaluate((list) => {
    const bar = list.getBoundingClientRect();
    const isInside = ({ left, right, bottom }: DOMRect): boolean =>
      left >= bar.left && right <= bar.right && bottom <= bar.bottom;
    const all = [...list.querySelectorAll("[role=tab]")];
    return all
      .filter((tab) => !isInside(tab.getBoundingClientRect()))
      .map(({ textContent }) => textContent);
  });
}

async function openInspector(vm: Vm, url: string): Promise<void> {
  await vm.page.goto(url);
  await expect(tabs(vm.page).first()).toBeVisible();
}

for (const { colorScheme, viewport } of LOOKS) {
  test(`every panel is accessible, ${colorScheme}, ${viewport.width} pixels wide`, async ({
    vm,
    site,
  }) => {
    test.slow();
    const { page } = vm;
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    // The first of them while the guest boots.
    await openInspector(vm, `${site}#inspect=`);
    for (const tab of await tabs(page).all()) {
      await tab.click();
      await expect(tab).toHaveAttribute("aria-selected", "true");
      await expect(content(page).locator("> :not(h2)").first()).toBeVisible();
      await expect(content(page).getByRole("alert").filter({ hasText: /\S/ })).toHaveCount(0);
      const name = await tab.textContent();
      expect.soft(await complaints(page), `axe on ${name}`).toEqual([]);
      expect.soft(await tooWide(page), `overflow on ${name}`).toEqual([]);
      expect.soft(await outOfSight(page), `tabs out of sight on ${name}`).toEqual([]);
    }
    await vm.prompt();
    expect(vm.errors).toEqual([]);
  });
}

test("the bar of buttons is one line high at any width", async ({ vm, site }) => {
  const { page } = vm;
  await vm.boot(site);
  for (const width of [1600, 1221, 1220, 1000, 641, 640, 501, 500, 360]) {
    await page.setViewportSize({ width, height: 640 });
    const { height } = (await page.locator(".toolbar").boundingBox())!;
    expect.soft(height, `${width} pixels wide`).toBeLessThan(50);
    expect.soft(await tooWide(page), `${width} pixels wide`).toEqual([]);
  }
});

/** Of the cumulative layout shift (CLS), 0.1 is called good; this is a number that gets a digit more. */
const MAX_SHIFT = 0.005;

/** Rows that are there to move: the code around pc. */
const FOLLOWING = ".code-text, .code-bits";

/** What else moved though nobody had done anything: how much, and which elements. */
async function shifts(page: Page): Promise<{ sum: number; moved: string[] }> {
  return page.evaluate((following) => {
    const follows = (node: Node | null): boolean =>
      (node instanceof Element ? node : node?.parentElement)?.closest(following) != null;
    const seen = window.shifts
      .splice(0)
      .filter(({ sources }) => !sources.some(({ node }) => follows(node)));
    const sum = seen.reduce((total, { value }) => total + value, 0);
    return { sum, moved: seen.flatMap(({ sources }) => sources.map(({ node }) => textOf(node))) };
    function textOf(node: Node | null): string {
      const element = node instanceof Element ? node : node?.parentElement;
      return `${element?.tagName} ${element?.className}: ${node?.textContent?.slice(0, 40)}`;
    }
  }, FOLLOWING);
}

for (const { viewport } of LOOKS) {
  test(`nothing moves by itself in a panel, ${viewport.width} pixels wide`, async ({
    vm,
    site,
  }) => {
    test.slow();
    const { page } = vm;
    await page.addInitScript(() => {
      window.shifts = [];
      new PerformanceObserver((list) => {
        window.shifts.push(...(list.getEntries() as unknown as typeof window.shifts));
      }).observe({ type: "layout-shift" });
    });
    await page.setViewportSize(viewport);
    await vm.boot(`${site}#inspect=`);
    const work =
      "while :; do dd if=/dev/vda of=/dev/null bs=4k count=64 iflag=direct; sleep 0.2; done";
    await page.evaluate((line) => window.tabvisor?.send(line), `(${work}) 2> /dev/null &\r`);
    for (const tab of await tabs(page).all()) {
      const id = (await tab.getAttribute("id"))!.replace("inspector-tab-", "");
      await shifts(page);
      // What follows a click would not count.
      await vm.inspect(id);
      await expect(content(page).locator("> :not(h2)").first()).toBeVisible();
      await page.waitForTimeout(SETTLE_MS);
      const { sum, moved } = await shifts(page);
      expect.soft(sum, `${id}: ${moved.join("\n")}`).toBeLessThan(MAX_SHIFT);
    }
  });
}

test("the inspector opens from the address, and its places are addresses", async ({ vm, site }) => {
  const { page } = vm;
  await vm.boot(`${site}?relay=none#inspect=devices/2`);
  await expect(page.locator(".slot[aria-current]")).toContainText("rng0");
  await expect(content(page)).toContainText("VERSION_1");
  await expect(content(page).getByRole("listitem").getByText("DRIVER_OK")).toBeVisible();
  await page.getByRole("button", { name: /fs0/ }).click();
  await expect(page).toHaveURL(/#inspect=devices\/\d$/);
  await expect(content(page)).toContainText("“files”");
  await page.getByRole("tab", { name: "Interrupts" }).click();
  await content(page).getByRole("button", { name: "rng0" }).click();
  await expect(page).toHaveURL(/#inspect=devices\/2$/);
  await page.goto(`${site}?relay=none#inspect=devices/%`);
  await expect(content(page)).toContainText("This slot is empty");
  expect(vm.errors).toEqual([]);
});

test("keys open it, lead to it and back, and the terminal goes on", async ({ vm, site }) => {
  const { page } = vm;
  await vm.boot(`${site}?disk=none`);
  await terminal(page).focus();
  await page.keyboard.press("Control+Shift+L");
  await expect(tabs(page).first()).toBeFocused();
  await page.keyboard.press("ArrowRight");
  await expect(tabs(page).nth(1)).toBeFocused();
  await expect(tabs(page).nth(1)).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys of this page" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(terminal(page)).toBeFocused();
  await page.keyboard.press("Shift+F6");
  await expect(tabs(page).nth(1)).toBeFocused();
  await page.keyboard.press("Shift+F6");
  await expect(terminal(page)).toBeFocused();
  await page.keyboard.type("echo '? is typed'\n");
  await vm.see("\n? is typed");
  await page.keyboard.press("Control+Shift+L");
  await expect(page.locator(".inspector")).toHaveCount(0);
  await expect(terminal(page)).toBeFocused();
  expect(vm.errors).toEqual([]);
});

test("its line moves by keyboard, is remembered, and the guest hears of it", async ({
  vm,
  site,
}) => {
  const { page } = vm;
  await vm.boot(`${site}?disk=none#inspect=devices`);
  const columns = async () => Number((await vm.run("stty size")).split(" ")[1]);
  const before = await columns();
  const line = page.getByRole("separator", { name: "Terminal" });
  await line.focus();
  await page.keyboard.press("End");
  await expect(line).toHaveAttribute("aria-valuenow", "80");
  await expect.poll(columns).toBeGreaterThan(before);
  await page.keyboard.press("ArrowLeft");
  await page.reload();
  await expect(line).toHaveAttribute("aria-valuenow", "76");
  await line.dblclick();
  await expect(line).toHaveAttribute("aria-valuenow", "50");
});

test("on a small screen it covers the terminal, with a way back", async ({ vm, site }) => {
  const { page } = vm;
  await page.setViewportSize(LOOKS[2].viewport);
  await vm.boot(`${site}?disk=none`);
  await vm.button("Inspector").click();
  const box = await page.locator(".inspector").boundingBox();
  expect(box?.width).toBe(LOOKS[2].viewport.width);
  await vm.button("Back to the terminal").click();
  await expect(terminal(page)).toBeFocused();
  expect(await vm.run("echo fine")).toBe("fine");
});

test("a panel that fails takes nothing with it", async ({ vm, site }) => {
  const { page } = vm;
  const isPanel = /\/interrupts-panel-[^/]*\.js$/;
  const broken = 'export function InterruptsPanel() { throw new Error("broken"); }';
  await page.route(isPanel, (route) =>
    route.fulfill({
      contentType: "text/javascript",
      headers: { "Cross-Origin-Resource-Policy": "same-origin" },
      body: broken,
    }),
  );
  await vm.boot(`${site}?disk=none#inspect=interrupts`);
  await expect(content(page).getByRole("alert")).toContainText("This panel failed: broken");
  await page.getByRole("tab", { name: "Devices" }).click();
  await expect(content(page)).toContainText("rng0");
});

test("it finds the machine that was booted instead", async ({ vm, site }) => {
  const { page } = vm;
  await vm.boot(`${site}?disk=none&relay=none#inspect=devices`);
  await expect(content(page)).toContainText("hvc0");
  await vm.button("Open…").click();
  await page.getByRole("button", { name: "Boot", exact: true }).click();
  await vm.prompt();
  await expect(page.locator(".slot[aria-current]")).toContainText("hvc0");
  await expect(page.locator(".status-machine [aria-current]")).toHaveText("DRIVER_OK");
  expect(vm.errors).toEqual([]);
});
