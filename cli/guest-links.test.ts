import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Machine } from "../src/machine/machine.ts";
import type { VirtioDevice } from "../src/virtio/device.ts";
import { VsockDevice } from "../src/virtio/devices/vsock.ts";
import { VsockOp, VsockShutdown } from "../src/virtio/devices/vsock-packet.ts";
import { TestDriver } from "../src/virtio/testing/driver.ts";
import { type ReceivedPacket, VsockGuest } from "../src/virtio/testing/vsock-guest.ts";
import { GuestLinks } from "./guest-links.ts";

const { REQUEST, RESPONSE, RST, SHUTDOWN, RW } = VsockOp;
const bytes = (text: string) => new TextEncoder().encode(text);
const NONE = { ports: [], vsockListen: [], vsockConnect: [] };

let folder: string;
let links: GuestLinks | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "links-"));
});

afterEach(async () => {
  links?.close();
  await rm(folder, { recursive: true });
});

const at = (name: string) => ({ kind: "unix", path: join(folder, name) }) as const;

async function start(options: ConstructorParameters<typeof GuestLinks>[0]): Promise<VirtioDevice> {
  const devices: VirtioDevice[] = [];
  links = new GuestLinks(options);
  links.attach({ attach: (device: VirtioDevice) => devices.push(device) } as unknown as Machine);
  await links.open();
  return devices[0];
}

/** Everything that a socket received, and whether it has ended. */
function listen(socket: Socket) {
  const heard = { text: "", ended: false };
  socket.on("data", (data) => {
    heard.text += data;
  });
  socket.on("end", () => {
    heard.ended = true;
  });
  return heard;
}

async function until<T>(what: () => T | undefined | false): Promise<T> {
  for (let i = 0; i < 500; i++) {
    const found = what();
    if (found) return found;
    await sleep(5);
  }
  throw new Error("it did not come");
}

const next = (guest: VsockGuest): Promise<ReceivedPacket> => until(() => guest.received()[0]);

it("lets a client reach a port of the guest, and tells it of a refusal", async () => {
  const device = await start({ ...NONE, vsockConnect: [{ port: 80, where: at("s") }] });
  const guest = new VsockGuest(device as VsockDevice, false).offer(20);
  const client = connect({ path: join(folder, "s"), allowHalfOpen: true });
  const heard = listen(client);
  client.write("question");
  const request = await next(guest);
  expect(request).toMatchObject({ op: REQUEST, dstPort: 80 });
  guest.guestPort = 80;
  guest.hostPort = request.srcPort;
  guest.send({ op: RESPONSE });
  expect(new TextDecoder().decode((await next(guest)).data)).toBe("question");
  client.end();
  expect(await next(guest)).toMatchObject({ op: SHUTDOWN, flags: VsockShutdown.SEND });
  guest.send({ op: RW, data: bytes("answer") }, { op: SHUTDOWN, flags: VsockShutdown.BOTH });
  await until(() => heard.ended);
  expect(heard.text).toBe("answer");

  const second = listen(connect(join(folder, "s")));
  const again = await until(() => guest.received().find(({ op }) => op === REQUEST));
  guest.send({ op: RST, dstPort: again.srcPort });
  await until(() => second.ended);
  expect(device.counters?.().connections).toBe(0);
});

it("turns clients away while the guest has no driver", async () => {
  await start({ ...NONE, vsockConnect: [{ port: 80, where: at("s") }] });
  const client = connect(join(folder, "s"));
  await new Promise((resolve) => client.on("close", resolve));
});

it("connects the guest with a server of the host, or cuts it if there is none", async () => {
  const device = await start({ ...NONE, vsockListen: [{ port: 5000, where: at("s") }] });
  const guest = new VsockGuest(device as VsockDevice, false).offer(20);
  guest.send({ op: REQUEST });
  const replies = [await next(guest)];
  if (replies[0].op === RESPONSE) replies.push(await next(guest));
  expect(replies.at(-1)).toMatchObject({ op: RST });

  const server = createServer((socket) => void socket.end("greetings"));
  await new Promise<void>((resolve) => server.listen(join(folder, "s"), resolve));
  guest.send({ op: REQUEST });
  const packets: ReceivedPacket[] = [];
  await until(() => packets.push(...guest.received()) >= 3);
  expect(packets.map(({ op }) => op)).toEqual([RESPONSE, RW, SHUTDOWN]);
  expect(new TextDecoder().decode(packets[1].data)).toBe("greetings");
  server.close();
});

it("gives a console port to one client at a time, and output to a file", async () => {
  const path = join(folder, "log");
  const device = await start({
    ...NONE,
    ports: [
      { name: "a", where: at("a") },
      { name: "log", where: { kind: "file", path } },
    ],
  });
  const driver = new TestDriver(device).start();
  const control = (id: number, event: number) => {
    driver.queues[3].add([Uint8Array.of(id, 0, 0, 0, event, 0, 1, 0)], []);
    driver.queues[3].kick();
  };
  control(0, 0);
  for (const id of [1, 2]) for (const event of [3, 6]) control(id, event);
  const client = connect(join(folder, "a"));
  const heard = listen(client);
  client.write("in");
  const input = driver.queues[4].add([], [10]);
  driver.queues[4].kick();
  await until(() => driver.queues[4].poll().length);
  expect(driver.queues[4].written(input).subarray(0, 2)).toEqual(bytes("in"));
  const second = connect(join(folder, "a"));
  await new Promise((resolve) => second.on("close", resolve));
  for (const queue of [5, 7]) {
    driver.queues[queue].add([bytes("out")], []);
    driver.queues[queue].kick();
  }
  await until(() => heard.text === "out");
  await until(async () => (await readFile(path, "utf8").catch(() => "")) === "out");
});

it("has no devices that nobody asks for, and says what cannot be", async () => {
  expect(await start(NONE)).toBeUndefined();
  expect(await start({ ...NONE, vsockCid: 7 })).toBeInstanceOf(VsockDevice);
  links = new GuestLinks({ ...NONE, vsockConnect: [{ port: 1, where: at("no/such/folder") }] });
  await expect(links.open()).rejects.toThrow(/ENOENT|EACCES/);
});
