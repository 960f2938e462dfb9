import { describe, expect, it } from "vitest";
import { TestDriver } from "../testing/driver.ts";
import { NetDevice } from "./net.ts";
import { NET_FILTER_MAX } from "./net-filter.ts";

const MAC = [2, 0, 0, 0, 0, 1];
const OTHER = [2, 0, 0, 0, 0, 9];
const GROUP = [1, 0, 0x5e, 0, 0, 1];
const BROADCAST = [255, 255, 255, 255, 255, 255];

const [PROMISC, ALLMULTI, ALLUNI, NOMULTI, NOUNI, NOBCAST] = [0, 1, 2, 3, 4, 5];

function create() {
  const backend = { takesPackets: false, send: () => true };
  const device = new NetDevice("net0", backend, { mac: Uint8Array.from(MAC), queuePairs: 1 });
  const driver = new TestDriver(device).start();
  const [rx, , control] = driver.splitQueues;
  const command = (...bytes: number[]) => {
    const request = control.add([Uint8Array.from(bytes)], [1]);
    control.kick();
    expect(control.written(request)[0]).toBe(0);
  };
  /** Which of frames to these addresses get through. */
  const through = (...rest: number[]) =>
    [MAC, OTHER, GROUP, BROADCAST].map((to) => {
      rx.add([], [100]);
      device.receive(Uint8Array.from([...to, ...OTHER, ...rest, ...new Array(48).fill(0)]));
      return rx.poll().length === 1;
    });
  const table = (unicast: number[][], multicast: number[][]) => {
    const count = (list: number[][]) => [list.length & 255, list.length >> 8, 0, 0];
    command(1, 0, ...count(unicast), ...unicast.flat(), ...count(multicast), ...multicast.flat());
  };
  return { device, driver, command, through, table };
}

const ALL = [true, true, true, true];

describe("addresses", () => {
  it("all get through until the driver has said otherwise", () => {
    const { through, command, device } = create();
    expect(through(8, 0)).toEqual(ALL);
    command(0, PROMISC, 0);
    expect(through(8, 0)).toEqual([true, false, false, true]);
    expect(device.counters()).toMatchObject({ filtered: 2, received: 6 });
  });

  it("get through by mode", () => {
    for (const [mode, expected] of [
      [ALLMULTI, [true, false, true, true]],
      [ALLUNI, [true, true, false, true]],
      [NOBCAST, [true, false, false, false]],
      [NOUNI, [false, false, false, true]],
      [PROMISC, ALL],
    ] as const) {
      const { through, command } = create();
      command(0, PROMISC, 0);
      command(0, mode, 1);
      expect([mode, through(8, 0)]).toEqual([mode, expected]);
      command(0, PROMISC, 0);
      command(0, mode, 0);
      expect(through(8, 0)).toEqual([true, false, false, true]);
    }
    const { through, command } = create();
    command(0, PROMISC, 0);
    command(0, ALLMULTI, 1);
    command(0, NOMULTI, 1);
    expect(through(8, 0)).toEqual([true, false, false, true]);
  });

  it("get through by table, and all of them when it is too long", () => {
    const { through, command, table } = create();
    command(0, PROMISC, 0);
    table([OTHER], [GROUP]);
    expect(through(8, 0)).toEqual(ALL);
    table([], []);
    expect(through(8, 0)).toEqual([true, false, false, true]);
    const strangers = Array.from({ length: NET_FILTER_MAX + 1 }, (_, i) => [
      2,
      7,
      7,
      7,
      i >> 8,
      i & 255,
    ]);
    table(strangers.slice(1), strangers.slice(1));
    expect(through(8, 0)).toEqual([true, false, false, true]);
    table(strangers, strangers);
    expect(through(8, 0)).toEqual(ALL);
  });

  it("follow the guest's own", () => {
    const { through, command } = create();
    command(0, PROMISC, 0);
    command(1, 1, ...OTHER);
    expect(through(8, 0)).toEqual([false, true, false, true]);
  });
});

describe("VLANs", () => {
  it("get through when named", () => {
    const { through, command } = create();
    const [untagged, five, six] = [
      [8, 0],
      [0x81, 0, 0xe0, 5, 8, 0],
      [0x81, 0, 0, 6, 8, 0],
    ];
    expect(through(...five)[0]).toBe(true);
    command(0, PROMISC, 0);
    expect([untagged, five, six].map((tag) => through(...tag)[0])).toEqual([true, false, false]);
    command(2, 0, 5, 0);
    expect([untagged, five, six].map((tag) => through(...tag)[0])).toEqual([true, true, false]);
    command(2, 1, 5, 0);
    expect(through(...five)[0]).toBe(false);
  });
});

it("comes back after a save, and is forgotten by a reset", () => {
  const { device, driver, through, command, table } = create();
  command(0, PROMISC, 0);
  table([OTHER], []);
  const state = structuredClone(driver.transport.save());
  driver.transport.reset();
  expect(device.save().filter).not.toEqual(state.device?.filter);
  driver.transport.load(state);
  expect(device.save()).toEqual(state.device);
  expect(through(8, 0)).toEqual([true, true, false, true]);
});
