import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { startRelay } from "../relay/server.ts";
import { isExpected } from "../src/machine/testing/programs.ts";
import { expect, test } from "./fixtures.ts";

const GDB = "gdb-multiarch";

/** The kernel's trap handler, at which the CPU of any guest comes by all the time: stvec. */
const COMMANDS = ["info threads", "hbreak *$stvec", "continue", "print $scause", "stepi", "detach"];

test("a breakpoint in the Control panel holds the guest, and a step moves it", async ({
  vm,
  site,
}) => {
  await vm.boot(`${site}?disk=none&net=none#inspect=control`);
  const { page } = vm;
  const panel = page.getByRole("tabpanel");
  const machine = page.getByLabel("Machine state");
  // A guest that still starts programs may be held in one, where no symbol is known.
  await expect(machine).toHaveText("Idle");
  await panel.getByRole("button", { name: "Hold" }).click();
  await expect(machine).toHaveText("Held");
  const state = panel.locator(".control-state");
  // A name before the address: the kernel's symbols have come.
  await expect(state.locator("code")).toContainText("(0x");
  const place = panel.getByLabel("Address or symbol of a new breakpoint");
  await place.fill("vfs_write");
  await place.press("Enter");
  await expect(panel.getByRole("checkbox", { name: /^vfs_write/ })).toBeChecked();
  await panel.getByRole("button", { name: "Continue" }).click();
  await vm.type("x");
  await expect(state).toContainText("at a breakpoint");
  await expect(state).toContainText("vfs_write (0x");
  const at = await state.locator("code").textContent();
  await place.focus();
  await page.keyboard.press("F11");
  await expect(state).toContainText("after a step");
  expect(await state.locator("code").textContent()).not.toBe(at);
  await panel.getByRole("button", { name: /^Remove/ }).click();
  await panel.getByRole("button", { name: "Continue" }).click();
  await vm.press("Control+c");
  expect(await vm.run("echo go on")).toContain("go on");
});

test("GDB reaches a page's guest through the relay", async ({ vm, site }) => {
  test.skip(!isExpected(GDB), "gdb-multiarch is not installed");
  const relay = await startRelay({ port: 0, gdbPort: 0, origins: [new URL(site).origin] });
  try {
    await vm.boot(`${site}?disk=none&relay=${relay.url}#inspect=control`);
    const gdb = vm.page.getByRole("region", { name: "GDB" });
    await gdb.getByRole("button", { name: "Serve" }).click();
    await expect(gdb).toContainText("Waiting");
    const target = `target remote :${relay.gdbPort}`;
    const { stdout } = await promisify(execFile)(
      GDB,
      ["-nx", "-batch", ...[target, ...COMMANDS].flatMap((command) => ["-ex", command])],
      { timeout: 30_000 },
    );
    expect(stdout).toContain("Thread 1 (Hart 0");
    expect(stdout).toMatch(/Breakpoint 1, 0x\w+ in/);
    expect(stdout).toContain("detached");
    await expect(gdb).toContainText("Waiting");
    expect(await vm.run("echo go on")).toContain("go on");
  } finally {
    await relay.close();
  }
});
