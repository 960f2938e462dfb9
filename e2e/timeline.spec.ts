import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { isExpected } from "../src/machine/testing/programs.ts";
import { expect, test } from "./fixtures.ts";

test("follows a write of dd to the end of its interrupt", async ({ vm, site }) => {
  await vm.boot(`${site}#inspect=timeline`);
  const { page } = vm;
  const list = page.getByRole("listbox", { name: "Requests" });
  await expect(list).toBeVisible();
  await vm.run("dd if=/dev/urandom of=/root/data bs=64k count=4 conv=fsync");
  await page.getByLabel("Filter").fill("dev:block readable>16k");
  const rows = list.getByRole("option");
  await expect(rows.first()).toContainText("blk0");
  await list.focus();
  await page.keyboard.press("Home");
  const detail = page.getByRole("region", { name: /^Request \d+$/ });
  for (const moment of ["kick", "pop", "push", "used", "pulse", "claim", "complete"]) {
    const row = detail.getByRole("row", { name: new RegExp(`^${moment} `) });
    await expect(row.getByRole("cell").first()).toHaveText(/^\d+\.\d{6} s$/);
  }
  await expect(detail.getByRole("tree")).toContainText("sector");
  await expect(page).toHaveURL(/#inspect=timeline\/%40\d+%20dev/);
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
