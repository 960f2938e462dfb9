import { readFile } from "node:fs/promises";
import { expect, test } from "./fixtures.ts";

test("shows a kernel symbol in the code, and walks to its page", async ({ vm, site }) => {
  await vm.boot(site);
  const requests: string[] = [];
  vm.page.on("request", (request) => requests.push(request.url()));
  await vm.page.goto(`${site}#inspect=cpu`);
  const panel = vm.page.getByRole("tabpanel");
  // The guest idles: the code around its pc is the kernel's.
  await expect(panel.getByLabel("Disassembly")).toContainText(/idle/);
  await expect(panel.locator(".cpu-head")).toContainText("S-mode");
  await expect(panel.getByRole("table").first()).toContainText("do_idle");
  expect(requests.filter((url) => url.endsWith("System.map.gz"))).toHaveLength(1);

  await panel.getByRole("button", { name: "Page walk" }).click();
  await panel.getByLabel(/^Walk the page tables/).fill("do_idle");
  await panel.getByRole("button", { name: "Go" }).click();
  await expect(panel.getByRole("heading", { name: "Sv57: do_idle" })).toBeVisible();
  await expect(panel.getByText("S-mode may execute").locator("..")).toContainText("yes");
  await panel.getByText("Physical address").locator("..").getByRole("button").click();
  await expect(vm.page).toHaveURL(/#inspect=memory\/0x8/);
  await expect(panel.getByLabel("Hex view").locator(".hex-bytes mark")).toHaveCount(1);
  expect(vm.errors).toEqual([]);
});

test("goes to an address by a link, and finds text in memory", async ({ vm, site }) => {
  await vm.boot(`${site}#inspect=memory/0x80200000`);
  const panel = vm.page.getByRole("tabpanel");
  await expect(panel.getByLabel("Hex view")).toContainText("0080200000");
  await panel.getByLabel(/^Search memory/).fill('"Linux version 6"');
  await panel.getByRole("button", { name: "Search" }).click();
  await expect(panel.getByText(/in all of memory/)).toBeVisible();
  await panel.getByRole("list", { name: "Places found" }).getByRole("button").first().click();
  await expect(panel.getByLabel("Hex view")).toContainText("Linux");
});

test("changes a byte that the guest then reads, and takes it back", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none&relay=none#inspect=memory`);
  const { page } = vm;
  const panel = page.getByRole("tabpanel");
  const view = panel.getByLabel("Hex view");
  // The octal digit keeps the text out of everything but the file and the buffer of what writes it.
  await vm.run("printf '\\116eedle-%d\\n' 4711 > /tmp/found");
  await panel.getByLabel(/^Search memory/).fill('"Needle-4711"');
  await panel.getByRole("button", { name: "Search" }).click();
  await expect(panel.getByText(/in all of memory/)).toBeVisible();
  // The file has a page of its own.
  const places = panel.getByRole("list", { name: "Places found" });
  await places.getByRole("button", { name: /000$/ }).first().click();
  await expect(view.locator(".hex-bytes mark")).toHaveText("4e");
  await view.focus();
  await page.keyboard.type("5a");
  await expect(panel.getByText(/ was 4e and is 5a now/)).toBeVisible();
  expect(await vm.run("cat /tmp/found")).toBe("Zeedle-4711");
  await view.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.type("2D");
  await expect(panel.getByText(/ was 65 and is 2d now/)).toBeVisible();
  expect(await vm.run("cat /tmp/found")).toBe("Ze-dle-4711");
  await panel.getByRole("button", { name: "Undo" }).click();
  await view.focus();
  await page.keyboard.press("Control+z");
  await expect(panel.getByText(/ is 4e again/)).toBeVisible();
  await expect(panel.getByRole("button", { name: "Undo" })).toBeDisabled();
  expect(await vm.run("cat /tmp/found")).toBe("Needle-4711");

  await page.goto(`${site}?disk=none&relay=none#inspect=memory/0x10000000`);
  await expect(view).toContainText("0010000000");
  await view.focus();
  await page.keyboard.type("00");
  await expect(panel.getByText(/a register of uart: only RAM can be changed/)).toBeVisible();
  await page.getByRole("tab", { name: "Log" }).click();
  await expect(panel.getByText(/^changed 4e to 5a at 0x[0-9a-f]+000$/)).toBeVisible();
  expect(vm.errors).toEqual([]);
});

test("profiles a busy shell, and saves what it found", async ({ vm, site }) => {
  await vm.boot(`${site}#inspect=profile`);
  const panel = vm.page.getByRole("tabpanel");
  await panel.getByRole("button", { name: "Start" }).click();
  await vm.run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); (:); done & sleep 3; kill $!");
  await panel.getByRole("button", { name: "Stop" }).click();
  const graph = panel.getByRole("tree", { name: "Flame graph" });
  await expect(graph.getByRole("treeitem", { name: /^sh: / }).first()).toBeVisible();
  await expect(graph.getByRole("treeitem", { name: /^handle_exception: / }).first()).toBeVisible();

  await graph.focus();
  await vm.page.keyboard.press("ArrowDown");
  await vm.page.keyboard.press("Enter");
  await expect(graph.getByRole("treeitem").nth(1)).toHaveAttribute("aria-selected", "true");
  await vm.page.keyboard.press("Escape");
  await panel.getByLabel(/^Mark functions/).fill("handle_exception");
  await expect(panel.getByText(/found in \d/)).toBeVisible();

  const download = vm.page.waitForEvent("download");
  await panel.getByRole("button", { name: "Save JSON" }).click();
  const file = JSON.parse(await readFile(await (await download).path(), "utf8"));
  expect(file.$schema).toContain("speedscope");
  expect(file.profiles[0].weights.length).toBeGreaterThan(10);
});
