import { describe, expect, it } from "vitest";
import { bit, bits, Feature, InterruptBit, Register } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import { NetDevice, type NetOptions, QUEUE_PAIRS_MAX } from "./net.ts";
import { NET_CONTROL_MAX } from "./net-control.ts";
import { NET_MERGE_MAX, NET_RECEIVE_BYTES_MAX, NET_RECEIVE_MAX } from "./net-receive-queue.ts";
import { NetFeature } from "./net-spec.ts";

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const NO_MERGE = ~bit(NetFeature.MRG_RXBUF);

const frame = (length: number, seed = 1) =>
  Uint8Array.from({ length }, (_, i) => (i * 3 + seed) & 0xff);

function create(accept = -1n, options: Partial<NetOptions> = {}) {
  const sent: Uint8Array[] = [];
  const backend = {
    takesPackets: false,
    full: false,
    send(data: Uint8Array) {
      // Lent for the call.
      sent.push(data.slice());
      return !backend.full;
    },
  };
  const device = new NetDevice("net0", backend, { mac: MAC, queuePairs: 1, ...options });
  const driver = new TestDriver(device).start({ accept });
  const [rx, tx] = driver.splitQueues;
  const control = driver.splitQueues.at(-1)!;
  const command = (...bytes: number[]) => {
    const request = control.add([Uint8Array.from(bytes)], [1]);
    control.kick();
    expect(control.poll()).toEqual([{ id: request.id, length: 1 }]);
    return control.written(request)[0];
  };
  return { device, driver, backend, sent, rx, tx, control, command };
}

describe("sending", () => {
  it("strips a header of 12 bytes, wherever it is cut", () => {
    const { tx, sent } = create();
    tx.add([new Uint8Array(5), new Uint8Array(7), frame(40), frame(60)], []);
    tx.kick();
    expect(tx.poll()).toHaveLength(1);
    expect(sent).toEqual([new Uint8Array([...frame(40), ...frame(60)])]);
  });

  it("strips a header of 10 bytes for a driver without VERSION_1 and MRG_RXBUF", () => {
    const { tx, sent } = create(NO_MERGE & ~bit(Feature.VERSION_1));
    tx.add([new Uint8Array(10), frame(60)], []);
    tx.kick();
    expect(sent).toEqual([frame(60)]);
  });

  it("drops what is no frame, and frames longer than the MTU allows", () => {
    const { device, tx, sent } = create();
    for (const length of [0, 11, 12, 12 + 13, 12 + 1519]) tx.add([new Uint8Array(length)], []);
    tx.kick();
    expect(tx.poll()).toHaveLength(5);
    expect(sent).toHaveLength(0);
    // A chain of no bytes is malformed and never reaches the device.
    expect(device.counters()).toMatchObject({ sendDropped: 4 });
    tx.add([new Uint8Array(12 + 1518)], []);
    tx.kick();
    expect(sent).toHaveLength(1);
  });

  it("leaves frames in the guest while the backend is full", () => {
    const { device, tx, backend, sent } = create();
    backend.full = true;
    for (let i = 0; i < 3; i++) tx.add([new Uint8Array(12), frame(60, i)], []);
    tx.kick();
    tx.kick();
    expect([sent.length, tx.poll().length]).toEqual([1, 1]);
    backend.full = false;
    device.drain();
    expect(sent).toEqual([frame(60, 0), frame(60, 1), frame(60, 2)]);
    expect(tx.poll()).toHaveLength(2);
  });
});

describe("receiving", () => {
  it("puts a frame behind a header that says one buffer", () => {
    const { device, driver, rx } = create(NO_MERGE);
    const request = rx.add([], [12, 1600]);
    rx.kick();
    device.receive(frame(100));
    expect(rx.poll()).toEqual([{ id: request.id, length: 112 }]);
    const data = rx.written(request);
    expect([...data.subarray(0, 12)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    expect(data.subarray(12, 112)).toEqual(frame(100));
    expect(driver.irq.pulses).toBe(1);
  });

  it("has a header of 10 bytes for a driver without VERSION_1 and MRG_RXBUF", () => {
    const { device, rx } = create(NO_MERGE & ~bit(Feature.VERSION_1));
    const request = rx.add([], [1600]);
    device.receive(frame(60));
    expect(rx.poll()).toEqual([{ id: request.id, length: 70 }]);
    expect(rx.written(request).subarray(10, 70)).toEqual(frame(60));
  });

  it("spreads a frame over merged buffers, which appear at once", () => {
    const { device, rx } = create();
    const requests = [rx.add([], [5]), rx.add([], [20]), rx.add([], [1000])];
    device.receive(frame(100));
    expect(rx.poll().map(({ length }) => length)).toEqual([5, 20, 87]);
    const data = requests.flatMap((request) => [...rx.written(request)]).slice(0, 112);
    expect(data[10]).toBe(3);
    expect(Uint8Array.from(data.slice(12))).toEqual(frame(100));
  });

  it("waits for more buffers when those there are too few", () => {
    const { device, rx } = create();
    rx.add([], [60]);
    device.receive(frame(100));
    expect(rx.poll()).toEqual([]);
    rx.add([], [60]);
    rx.kick();
    expect(rx.poll().map(({ length }) => length)).toEqual([60, 52]);
  });

  it("drops a frame that does not fit its buffer, and takes the next", () => {
    const { device, rx } = create(NO_MERGE);
    rx.add([], [64]);
    rx.add([], [200]);
    device.receive(frame(100));
    device.receive(frame(90));
    expect(rx.poll().map(({ length }) => length)).toEqual([0, 102]);
    expect(device.counters()).toMatchObject({ received: 1, receiveDropped: 1 });
  });

  it("merges a bounded number of buffers", () => {
    const { device, rx } = create();
    for (let i = 0; i < NET_MERGE_MAX; i++) rx.add([], [1]);
    device.receive(frame(100));
    expect(rx.poll()).toHaveLength(NET_MERGE_MAX);
    expect(device.counters()).toMatchObject({ receiveDropped: 1, receiveWaiting: 0 });
  });

  it("keeps a bounded number of frames for a guest without buffers", () => {
    const { device, rx } = create();
    for (let i = 0; i < NET_RECEIVE_MAX + 5; i++) device.receive(frame(60, i));
    expect(device.counters()).toMatchObject({ receiveWaiting: NET_RECEIVE_MAX, receiveDropped: 5 });
    const request = rx.add([], [1600]);
    rx.kick();
    expect(rx.written(request).subarray(12, 72)).toEqual(frame(60, 0));
  });

  it("drops frames that are none, too long, for no driver, or without a link", () => {
    const { device, driver } = create(-1n, { mtu: 1400 });
    for (const length of [0, 13, 1419]) device.receive(frame(length));
    device.setLink(false);
    device.receive(frame(60));
    device.setLink(true);
    driver.write(Register.Status, 0);
    device.receive(frame(60));
    expect(device.counters()).toMatchObject({ receiveDropped: 5, receiveWaiting: 0 });
  });

  it("forgets its frames and buffers on a reset", () => {
    const { device, driver, rx } = create();
    rx.add([], [60]);
    device.receive(frame(100));
    driver.start();
    expect(device.counters()).toMatchObject({ receiveWaiting: 0 });
    const [again] = driver.splitQueues;
    again.add([], [100]);
    again.kick();
    device.receive(frame(60));
    expect(again.poll()).toHaveLength(1);
    expect(rx.usedIdx).toBe(0);
  });
});

describe("large frames", () => {
  it("wait up to a number of bytes", () => {
    const { device } = create(-1n, { mtu: 65_535 });
    const count = Math.floor(NET_RECEIVE_BYTES_MAX / 65_536);
    for (let i = 0; i < count + 3; i++) device.receive(frame(65_536));
    expect(device.counters()).toMatchObject({ receiveWaiting: count, receiveDropped: 3 });
  });

  it("need an MTU and a number of queues that there can be", () => {
    for (const options of [{ mtu: 67 }, { mtu: 65_536 }, { queuePairs: 0 }, { queuePairs: 9 }]) {
      expect(() => create(-1n, options)).toThrow(RangeError);
    }
    expect(() => create(-1n, { mtu: 68, queuePairs: QUEUE_PAIRS_MAX })).not.toThrow();
  });
});

describe("network configuration", () => {
  it("shows address, link, MTU and speed, byte by byte too", () => {
    const { device, driver } = create(-1n, { mtu: 9000 });
    expect([0, 1, 2, 3, 4, 5].map((i) => driver.config(i, 1))).toEqual([...MAC]);
    expect(driver.config(6, 2)).toBe(1);
    expect(driver.config(10, 2)).toBe(9000);
    expect(driver.config(12, 4)).toBe(1000);
    device.setLink(false);
    device.setLink(false);
    expect(driver.config(6, 2)).toBe(0);
    expect(driver.transport.inspect().transport.configInterrupts).toBe(1);
  });

  it("asks for an announcement until it is acknowledged", () => {
    const { device, driver, command } = create();
    device.announce();
    expect(driver.acknowledge()).toBe(2);
    expect(driver.config(6, 2)).toBe(3);
    expect(command(3, 0)).toBe(0);
    expect(driver.config(6, 2)).toBe(1);
  });

  it("does not ask a driver that cannot announce", () => {
    const { device, driver } = create(~bit(NetFeature.GUEST_ANNOUNCE));
    device.announce();
    expect(driver.config(6, 2)).toBe(1);
  });

  it("refuses control features without a control queue", () => {
    const { driver } = create();
    expect(driver.negotiate(~bit(NetFeature.CTRL_VQ))).toBe(false);
  });

  it("comes back after a save with the addresses it had, and announces them when there is a link", () => {
    const { device, driver, command } = create();
    command(1, 1, 2, 9, 9, 9, 9, 9);
    const state = structuredClone(driver.transport.save());
    device.setLink(false);
    driver.acknowledge();
    driver.transport.load(state);
    // The guest hears of the link that it has now.
    expect(driver.acknowledge() & InterruptBit.CONFIG_CHANGE).toBe(InterruptBit.CONFIG_CHANGE);
    expect(driver.config(6, 2)).toBe(0);
    expect(driver.config(1, 1)).toBe(9);
    device.setLink(true);
    expect(driver.config(6, 2)).toBe(3);
    command(3, 0);
    device.setLink(false);
    device.setLink(true);
    expect(driver.config(6, 2)).toBe(1);
  });

  it("has the address of the card that was saved, also after a reset", () => {
    const { driver } = create();
    const other = create(-1n, { mac: Uint8Array.of(2, 7, 7, 7, 7, 7) });
    other.driver.transport.load(structuredClone(driver.transport.save()));
    other.driver.transport.reset();
    expect(other.driver.config(1, 1)).toBe(MAC[1]);
  });
});

describe("control queue", () => {
  it("sets the address until the next reset", () => {
    const { driver, command } = create();
    expect(command(1, 1, 2, 9, 9, 9, 9, 9)).toBe(0);
    expect(driver.config(1, 1)).toBe(9);
    driver.start();
    expect(driver.config(1, 1)).toBe(0);
  });

  it("acknowledges what it can do, and refuses nonsense", () => {
    const { command } = create(-1n, { queuePairs: 2 });
    for (const good of [
      [0, 0, 1],
      [0, 5, 0],
      [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, ...MAC],
      [2, 0, 5, 0],
      [2, 1, 0xff, 0x0f],
      [3, 0],
      [4, 0, 2, 0],
      [5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]) {
      expect([good, command(...good)]).toEqual([good, 0]);
    }
    for (const bad of [
      [0],
      [0, 9, 1],
      [0, 6, 1],
      [0, 0],
      [0, 0, 2],
      [0, 0, 1, 1],
      [1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
      [1, 0, 0, 0],
      [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      [1, 1, 2],
      [1, 2],
      [2, 0, 0, 0x10],
      [2, 0, 5],
      [2, 2, 5, 0],
      [3, 1],
      [4, 0, 0, 0],
      [4, 0, 3, 0],
      [4, 0, 1],
      [4, 1, 0, 0],
      [5, 0, 1, 0, 0, 0, 0, 0, 0, 0],
      [5, 0, 0, 0],
      [5, 1, 0, 0, 0, 0, 0, 0, 0, 0],
      [9, 9],
    ]) {
      expect([bad, command(...bad)]).toEqual([bad, 1]);
    }
  });

  it("refuses commands of features that were not negotiated", () => {
    const { command } = create(bits(NetFeature.CTRL_VQ, Feature.VERSION_1));
    for (const refused of [
      [0, 0, 1],
      [0, 2, 1],
      [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      [1, 1, ...MAC],
      [2, 0, 5, 0],
      [3, 0],
      [4, 0, 1, 0],
      [5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]) {
      expect([refused, command(...refused)]).toEqual([refused, 1]);
    }
  });

  it("refuses commands beyond its limit, and survives one without room to answer", () => {
    const { control, command } = create();
    expect(command(...new Uint8Array(NET_CONTROL_MAX + 1))).toBe(1);
    control.add([Uint8Array.of(0, 0, 1)], []);
    control.kick();
    expect(control.poll()).toMatchObject([{ length: 0 }]);
  });
});
