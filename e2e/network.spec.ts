import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "./fixtures.ts";
import { Vm } from "./vm.ts";

/** Waits until the guest has an address from the relay's gateway; gives it. */
async function address(vm: Vm): Promise<string> {
  const show = "ip -4 addr show dev eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'";
  await expect.poll(() => vm.run(show), { timeout: 20_000 }).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  return vm.run(show);
}

test("two tabs on one LAN reach each other", async ({ context, site }) => {
  const url = `${site}?disk=none&lan=pair`;
  const one = await new Vm(await context.newPage()).boot(url);
  const two = await new Vm(await context.newPage()).boot(url);
  const [first, second] = [await address(one), await address(two)];
  expect(first).not.toBe(second);
  expect(await one.run(`ping -c 3 -W 5 ${second}`)).toContain(" 0% packet loss");
  expect(await two.run(`ping -c 3 -W 5 ${first}`)).toContain(" 0% packet loss");
});

test("downloads 20 MB whole", async ({ vm, site }) => {
  const bytes = randomBytes(20 << 20);
  const server = createServer((_request, response) => response.end(bytes));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    await vm.boot(`${site}?disk=none&lan=download`);
    await address(vm);
    const { port } = server.address() as AddressInfo;
    const sum = await vm.run(`wget -q -O - http://10.0.2.2:${port}/file | sha256sum`, 60_000);
    expect(sum).toContain(createHash("sha256").update(bytes).digest("hex"));
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("shows the guest that the link is down without a relay", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none&relay=ws://127.0.0.1:9/`);
  await expect(vm.page.locator(".message")).toContainText("no network: no relay answers");
  expect(await vm.run("ip link set eth0 up; sleep 1; cat /sys/class/net/eth0/carrier")).toBe("0");
});
