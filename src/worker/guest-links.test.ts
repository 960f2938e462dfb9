import { afterEach, describe, expect, it } from "vitest";
import type { Machine } from "../machine/machine.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import type { VsockDevice } from "../virtio/devices/vsock.ts";
import { SEQ_EOM, VsockOp, VsockType } from "../virtio/devices/vsock-packet.ts";
import { TestDriver } from "../virtio/testing/driver.ts";
import { type ReceivedPacket, VsockGuest } from "../virtio/testing/vsock-guest.ts";
import { GuestLinks } from "./guest-links.ts";
import { MessageStreams } from "./message-streams.ts";
import type { StreamTarget } from "./protocol.ts";

const { REQUEST, RESPONSE, RST, RW } = VsockOp;
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) => new TextDecoder().decode(data);

const channels: MessagePort[] = [];

afterEach(() => {
  for (const port of channels.splice(0)) port.close();
});

function channel(): [MessagePort, MessagePort] {
  const { port1, port2 } = new MessageChannel();
  channels.push(port1, port2);
  return [port1, port2];
}

function create(config: ConstructorParameters<typeof GuestLinks>[0]) {
  const links = new GuestLinks(config);
  const devices: VirtioDevice[] = [];
  links.attach({ attach: (device: VirtioDevice) => devices.push(device) } as unknown as Machine);
  const connect = (target: StreamTarget) => {
    const [mine, theirs] = channel();
    const streams = new MessageStreams(mine);
    links.receive({ type: "connect", target, channel: theirs });
    return streams;
  };
  return { links, devices, connect };
}

async function until<T>(what: () => T | undefined): Promise<T> {
  for (let i = 0; i < 500; i++) {
    const found = what();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error("it did not come");
}

const next = (guest: VsockGuest): Promise<ReceivedPacket> => until(() => guest.received()[0]);

describe("sockets of the page", () => {
  it("connect to the guest, and hear of a refusal", async () => {
    const { devices, connect } = create({ vsockCid: 3 });
    const guest = new VsockGuest(devices[0] as VsockDevice, false).offer(40);
    const target = { kind: "vsock", port: 80, seqpacket: false } as const;
    const refused = connect(target);
    const request = await next(guest);
    guest.send({ op: RST, srcPort: 80, dstPort: request.srcPort });
    await expect(refused.opened).rejects.toThrow(/refused/);

    const streams = connect(target);
    const again = await next(guest);
    guest.guestPort = 80;
    guest.hostPort = again.srcPort;
    guest.send({ op: RESPONSE });
    await streams.opened;
    const writer = streams.writable.getWriter();
    const question = bytes("question");
    await writer.write(question);
    expect(question).toHaveLength(8);
    expect(text((await next(guest)).data)).toBe("question");
    guest.send({ op: RW, data: bytes("answer") }, { op: VsockOp.SHUTDOWN, flags: 2 });
    const reader = streams.readable.getReader();
    expect(text((await reader.read()).value)).toBe("answer");
    expect((await reader.read()).done).toBe(true);
    await writer.close();
    await until(() => guest.received().find(({ op, flags }) => op === 4 && flags === 3));
  });

  it("listen for the guest, and keep messages whole", async () => {
    const { links, devices } = create({ vsockCid: 3 });
    const guest = new VsockGuest(devices[0] as VsockDevice, false).offer(20);
    const [mine, theirs] = channel();
    links.receive({ type: "listen", port: 5000, seqpacket: true, channel: theirs });
    const arrived = new Promise<MessagePort>((resolve) => {
      mine.onmessage = ({ data }) => resolve(data);
    });
    const type = VsockType.SEQPACKET;
    guest.send({ op: REQUEST, type });
    const port = await arrived;
    channels.push(port);
    const streams = new MessageStreams(port);
    await streams.opened;
    guest.send(
      { op: RW, type, data: bytes("one") },
      { op: RW, type, data: bytes(" two"), flags: SEQ_EOM },
      { op: RW, type, data: bytes("three"), flags: SEQ_EOM },
    );
    const reader = streams.readable.getReader();
    expect(text((await reader.read()).value)).toBe("one two");
    expect(text((await reader.read()).value)).toBe("three");

    mine.postMessage("stop");
    await until(() => {
      guest.send({ op: REQUEST, type, srcPort: 7 });
      return guest.received().find(({ op, dstPort }) => op === RST && dstPort === 7);
    });
  });

  it("make the guest wait for a reader that does not read", async () => {
    const { devices, connect } = create({ vsockCid: 3 });
    const guest = new VsockGuest(devices[0] as VsockDevice, false).offer(60);
    const streams = connect({ kind: "vsock", port: 80, seqpacket: false });
    guest.guestPort = 80;
    guest.hostPort = (await next(guest)).srcPort;
    guest.send({ op: RESPONSE });
    await streams.opened;
    const data = new Uint8Array(16 * 1024);
    let sent = 0;
    let credit = 256 * 1024;
    let quiet = 0;
    while (quiet < 20 && sent < 4 << 20) {
      if (sent + data.length <= credit) {
        guest.send({ op: RW, data });
        sent += data.length;
        quiet = 0;
      }
      for (const { fwdCnt } of guest.received()) credit = 256 * 1024 + fwdCnt;
      await new Promise((resolve) => setTimeout(resolve, 1));
      quiet++;
    }
    // Once in the device, and once on the way to the page, with one piece in each hand.
    expect(sent).toBeGreaterThanOrEqual(512 * 1024);
    expect(sent).toBeLessThan(700 * 1024);
    expect(streams.readable.locked).toBe(false);
  });

  it("do not exist unless asked for", async () => {
    const { links, devices, connect } = create({});
    expect(devices).toEqual([]);
    const { opened } = connect({ kind: "vsock", port: 1, seqpacket: false });
    await expect(opened).rejects.toThrow(/no sockets/);
    await expect(connect({ kind: "port", name: "a" }).opened).rejects.toThrow(/no ports/);
    const [mine, theirs] = channel();
    links.receive({ type: "listen", port: 1, seqpacket: false, channel: theirs });
    await expect(new MessageStreams(mine).opened).rejects.toThrow(/no sockets/);
  });
});

describe("console ports of the page", () => {
  it("carry bytes both ways, one holder at a time, and are plugged in", async () => {
    const { devices, connect } = create({ ports: ["a"] });
    const driver = new TestDriver(devices[0]).start();
    const control = (id: number, event: number) => {
      driver.queues[3].add([Uint8Array.of(id, 0, 0, 0, event, 0, 1, 0)], []);
      driver.queues[3].kick();
    };
    control(0, 0);
    for (const event of [3, 6]) control(1, event);
    const streams = connect({ kind: "port", name: "a" });
    await streams.opened;
    await expect(connect({ kind: "port", name: "a" }).opened).rejects.toThrow(/open already/);
    const writer = streams.writable.getWriter();
    await writer.write(bytes("in"));
    const input = driver.queues[4].add([], [10]);
    driver.queues[4].kick();
    await until(() => driver.queues[4].poll()[0]);
    expect(text(driver.queues[4].written(input).subarray(0, 2))).toBe("in");
    driver.queues[5].add([bytes("out")], []);
    driver.queues[5].kick();
    expect(text((await streams.readable.getReader().read()).value)).toBe("out");
    await writer.close();

    await connect({ kind: "port", name: "new" }).opened;
    expect(devices[0].counters?.()).toMatchObject({ ports: 2 });
    await expect(connect({ kind: "port", name: "a/b" }).opened).rejects.toThrow(/name/);
  });
});
