import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { buildInterpreter } from "../src/cpu/interpreter.ts";
import { DIST, expect, test } from "./fixtures.ts";
import { tasksDuring } from "./main-thread.ts";
import { startPlainHost } from "./plain-host.ts";
import { Vm } from "./vm.ts";

test("boots to a prompt and runs commands typed by hand", async ({ vm, site }) => {
  await vm.boot(site);
  await vm.type("uname -m");
  await vm.press("Enter");
  await vm.see("\nriscv64");
  await expect(vm.page.getByLabel("Machine state")).toHaveText(/Running|Idle/);
  expect(await vm.page.evaluate(() => crossOriginIsolated)).toBe(true);
  expect(vm.errors).toEqual([]);
});

/** Tasks of 50 ms are noticed. Of the processor, since on the clock others count too, and with room for that. */
const MAX_TASK_MS = 30;

test("leaves the page's thread free while the machine starts", async ({ vm, site, browser }) => {
  test.skip(browser.browserType().name() !== "chromium", "Chromium alone tells");
  const tasks = await tasksDuring(vm.page, async () => {
    await vm.boot(site);
  });
  expect(tasks.length).toBeGreaterThan(10);
  expect(Math.max(...tasks)).toBeLessThan(MAX_TASK_MS);
});

test("comes to rest when the guest has nothing to do", async ({ vm, site }) => {
  await vm.boot(site);
  await expect(vm.page.getByLabel("Machine state")).toHaveText("Idle");
});

test("works from a plain host, under a sub-path, without isolation and without a relay", async ({
  page,
}) => {
  const host = await startPlainHost(DIST);
  try {
    const vm = await new Vm(page).boot(host.url);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    expect(await vm.run("uname -m")).toBe("riscv64");
    await expect(page.locator(".message")).toContainText("no network");
    expect(host.missing).toEqual([]);
  } finally {
    host.close();
  }
});

test("comes with the interpreter that it would generate, and fetches it", async ({ vm, site }) => {
  const files = await readdir(join(DIST, "assets"));
  for (const kind of ["shared", "plain"]) {
    const file = files.filter((name) => name.startsWith(`interpreter-${kind}-`));
    const built = await readFile(join(DIST, "assets", file.join()));
    const wanted = buildInterpreter({ shared: kind === "shared", exact: false });
    expect(built.equals(wanted)).toBe(true);
  }
  const requests: string[] = [];
  vm.page.on("request", (request) => requests.push(request.url()));
  await vm.boot(site);
  expect(requests.filter((url) => url.includes("/interpreter-"))).toEqual([
    expect.stringMatching(/interpreter-shared-.*\.wasm$/),
  ]);
});

test("has no script that a strict policy forbids", async () => {
  const html = await readFile(join(DIST, "index.html"), "utf8");
  expect(html).toContain("script-src 'self' 'wasm-unsafe-eval';");
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
  expect(html).not.toMatch(/\son\w+=|<style|\sstyle=/);
});
