import { createHash } from "node:crypto";
import { expect, test } from "./fixtures.ts";

test("shows and takes UTF-8", async ({ vm, site }) => {
  await vm.boot(site);
  await vm.type("echo grüße-漢字-👍");
  await vm.press("Enter");
  await vm.see("\ngrüße-漢字-👍");
});

test("tells the guest its size, and again when the window changes", async ({ vm, site }) => {
  await vm.boot(site);
  const first = (await vm.run("stty size")).split(" ").map(Number);
  expect(first[0]).toBeGreaterThan(20);
  await vm.page.setViewportSize({ width: 600, height: 400 });
  await expect.poll(() => vm.run("stty size")).not.toBe(first.join(" "));
  const [rows, columns] = (await vm.run("stty size")).split(" ").map(Number);
  expect(rows).toBeLessThan(first[0]);
  expect(columns).toBeLessThan(first[1]);
});

test("takes a paste of 100 kB whole", async ({ vm, site, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await vm.boot(site);
  const line = (i: number) => `${i} ${"The quick brown fox jumps. ".repeat(3)}`;
  let text = "";
  for (let i = 0; text.length < 100_000; i++) text += `${line(i)}\n`;
  await vm.type("stty -echo; cat > /tmp/paste; stty echo; sha256sum /tmp/paste");
  await vm.press("Enter");
  await vm.page.evaluate((paste) => navigator.clipboard.writeText(paste), text);
  await vm.press("Control+Shift+V");
  await vm.press("Control+d");
  await vm.see(createHash("sha256").update(text).digest("hex"), 30_000);
});

test("stays responsive under endless output, and Ctrl-C ends it at once", async ({ vm, site }) => {
  await vm.boot(site);
  await vm.type("yes");
  await vm.press("Enter");
  await vm.see("y\ny\ny\ny\ny\ny\ny\ny\n");
  await vm.page.waitForTimeout(1500);
  const lag = await vm.page.evaluate(async () => {
    const start = performance.now();
    for (let i = 0; i < 20; i++) await new Promise(requestAnimationFrame);
    return (performance.now() - start) / 20;
  });
  expect(lag, "ms per frame").toBeLessThan(100);
  const start = Date.now();
  await vm.press("Control+c");
  await vm.see(/\^C\n.*# ?$/);
  expect(Date.now() - start).toBeLessThan(1500);
  expect(await vm.run("echo fine")).toBe("fine");
});
