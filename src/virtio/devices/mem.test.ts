import { describe, expect, it } from "vitest";
import { WINDOW_BLOCK_BYTES as BLOCK } from "../../memory/memory-window.ts";
import { bits, Feature, InterruptBit, Status } from "../spec.ts";
import { RAM_BASE, TestDriver } from "../testing/driver.ts";
import { MEM_PLUG_MAX, MemDevice, MemRequest, MemResponse, MemState } from "./mem.ts";

const WINDOW = RAM_BASE + 64 * BLOCK;
const { PLUG, UNPLUG, UNPLUG_ALL, STATE } = MemRequest;
const { ACK, NACK, BUSY, ERROR } = MemResponse;

interface Options {
  readonly packed?: boolean;
  readonly blocks?: number;
  readonly requested?: number;
}

function create({ packed = false, blocks = 4, requested = blocks }: Options = {}) {
  let device!: MemDevice;
  const driver = new TestDriver(
    (memory, offset) => {
      const window = memory.addWindow({ base: WINDOW, size: blocks * BLOCK, offset });
      device = new MemDevice("mem0", memory, window);
      return device;
    },
    { packed, windowSize: blocks * BLOCK },
  );
  device.requested = requested * BLOCK;
  driver.start();
  /** Type of the response, with the state if there is one. */
  const ask = (type: number, gpa: number, blocks: number) => {
    const bytes = new DataView(new ArrayBuffer(24));
    bytes.setUint16(0, type, true);
    // Padding means nothing.
    bytes.setUint16(2, 0xffff, true);
    bytes.setBigUint64(8, BigInt(gpa), true);
    bytes.setUint16(16, blocks, true);
    bytes.setUint16(18, 0xffff, true);
    const [queue] = driver.queues;
    const request = queue.add([new Uint8Array(bytes.buffer)], [10]);
    queue.kick();
    expect(queue.poll()).toEqual([{ id: request.id, length: 10 }]);
    const response = new DataView(queue.written(request).buffer);
    const answer = response.getUint16(0, true);
    return type === STATE && answer === ACK ? `state ${response.getUint16(8, true)}` : answer;
  };
  const field = (offset: number) =>
    driver.config(offset, 4) + driver.config(offset + 4, 4) * 2 ** 32;
  return { device, driver, ask, plugged: () => field(40) / BLOCK, field };
}

const state = (of: keyof typeof MemState) => `state ${MemState[of]}`;

describe.each([false, true])("hot-plugged memory, packed rings %s", (packed) => {
  it("comes and goes in blocks, and is zero when it comes", () => {
    const { driver, ask, plugged } = create({ packed });
    expect(driver.memory.contains(WINDOW, 1)).toBe(false);
    expect(ask(PLUG, WINDOW, 2)).toBe(ACK);
    expect(plugged()).toBe(2);
    const view = driver.memory.view(WINDOW, 2 * BLOCK)!;
    driver.memory.write(WINDOW + 2 * BLOCK - 3, Uint8Array.of(1, 2, 3));
    expect(ask(UNPLUG, WINDOW + BLOCK, 1)).toBe(ACK);
    expect(driver.memory.contains(WINDOW + BLOCK - 1, 2)).toBe(false);
    // A device that was given the address before writes late.
    view[BLOCK] = 9;
    driver.announced.length = 0;
    expect(ask(PLUG, WINDOW + BLOCK, 1)).toBe(ACK);
    expect(driver.bytesAt(WINDOW + BLOCK, BLOCK).every((byte) => byte === 0)).toBe(true);
    expect(driver.announced).toContainEqual([WINDOW + BLOCK, 4096]);
    expect(ask(UNPLUG_ALL, 1, 0)).toBe(ACK);
    expect(plugged()).toBe(0);
    expect(driver.guardsIntact()).toBe(true);
  });

  it("tells the state of blocks", () => {
    const { ask } = create({ packed });
    expect(ask(STATE, WINDOW, 4)).toBe(state("UNPLUGGED"));
    ask(PLUG, WINDOW + BLOCK, 2);
    expect(ask(STATE, WINDOW, 4)).toBe(state("MIXED"));
    expect(ask(STATE, WINDOW + BLOCK, 2)).toBe(state("PLUGGED"));
    expect(ask(STATE, WINDOW + BLOCK, 3)).toBe(state("MIXED"));
    expect(ask(STATE, WINDOW + 3 * BLOCK, 1)).toBe(state("UNPLUGGED"));
  });
});

describe("hot-plugged memory", () => {
  it("says where it is and what is wanted", () => {
    const { device, driver, field } = create({ requested: 1 });
    expect([0, 16, 24, 32, 40, 48].map(field)).toEqual([
      BLOCK,
      WINDOW,
      4 * BLOCK,
      4 * BLOCK,
      0,
      BLOCK,
    ]);
    expect(driver.offered() & 7n).toBe(2n);
    driver.acknowledge();
    device.requested = 3 * BLOCK + 1;
    expect(field(48)).toBe(3 * BLOCK);
    expect(driver.acknowledge()).toBe(InterruptBit.CONFIG_CHANGE);
    device.requested = 2 ** 50;
    expect(field(48)).toBe(device.size);
    device.requested = -1;
    expect(field(48)).toBe(0);
    driver.writeConfig(48, 4, 99);
    expect(field(48)).toBe(0);
  });

  it.each([PLUG, UNPLUG, STATE])("refuses ranges that are not its blocks (request %s)", (type) => {
    const { ask, plugged } = create();
    for (const [gpa, blocks] of [
      [WINDOW, 0],
      [WINDOW + 1, 1],
      [WINDOW + BLOCK / 2, 1],
      [WINDOW - BLOCK, 1],
      [WINDOW - BLOCK, 2],
      [WINDOW + 4 * BLOCK, 1],
      [WINDOW + 3 * BLOCK, 2],
      [WINDOW, 5],
      [WINDOW, 0xffff],
      [0, 1],
      [2 ** 63, 1],
      [2 ** 64 - BLOCK, 1],
    ]) {
      expect(ask(type, gpa, blocks), `0x${gpa.toString(16)}+${blocks}`).toBe(ERROR);
    }
    expect(plugged()).toBe(0);
  });

  it("refuses to plug twice, to unplug twice and what it does not know", () => {
    const { device, ask, plugged } = create();
    expect(ask(PLUG, WINDOW + BLOCK, 1)).toBe(ACK);
    expect(ask(PLUG, WINDOW, 2)).toBe(ERROR);
    expect(ask(UNPLUG, WINDOW, 2)).toBe(ERROR);
    expect(ask(UNPLUG, WINDOW, 1)).toBe(ERROR);
    expect(ask(7, WINDOW, 1)).toBe(ERROR);
    expect(plugged()).toBe(1);
    expect(device.counters()).toMatchObject({ plugs: 1, unplugs: 0, refusals: 4 });
  });

  it("plugs no more than was asked for", () => {
    const { device, ask, plugged } = create({ requested: 2 });
    expect(ask(PLUG, WINDOW, 3)).toBe(NACK);
    expect(ask(PLUG, WINDOW, 2)).toBe(ACK);
    expect(ask(PLUG, WINDOW + 2 * BLOCK, 1)).toBe(NACK);
    device.requested = 0;
    expect(plugged()).toBe(2);
    expect(ask(UNPLUG, WINDOW, 2)).toBe(ACK);
    expect(ask(PLUG, WINDOW, 1)).toBe(NACK);
  });

  it("plugs so much at a kick", () => {
    const most = MEM_PLUG_MAX / BLOCK;
    const { ask } = create({ blocks: most + 1 });
    expect(ask(PLUG, WINDOW, most + 1)).toBe(BUSY);
    expect(ask(PLUG, WINDOW, most)).toBe(ACK);
    expect(ask(PLUG, WINDOW + MEM_PLUG_MAX, 1)).toBe(ACK);
  });

  it("answers nothing where there is no room, and does nothing", () => {
    const { driver, plugged } = create();
    const [queue] = driver.queues;
    const request = new Uint8Array(24);
    new DataView(request.buffer).setBigUint64(8, BigInt(WINDOW), true);
    request[16] = 1;
    queue.add([request], [9]);
    queue.add([request], []);
    queue.add([], [10]);
    queue.add([request.subarray(0, 17)], [10]);
    queue.kick();
    expect(queue.poll().map(({ length }) => length)).toEqual([0, 0, 10, 10]);
    expect(plugged()).toBe(0);
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("keeps its blocks through a reset of the device, but not of the machine", () => {
    const { device, driver, ask, plugged } = create();
    ask(PLUG, WINDOW, 3);
    driver.start();
    expect(plugged()).toBe(3);
    expect(ask(STATE, WINDOW, 3)).toBe(state("PLUGGED"));
    driver.transport.reset();
    device.systemReset();
    expect(plugged()).toBe(0);
    expect(driver.memory.contains(WINDOW, 1)).toBe(false);
  });

  it("serves only a driver that leaves unplugged memory alone", () => {
    const { driver } = create();
    driver.start({ accept: bits(Feature.VERSION_1) });
    expect(driver.status & Status.DEVICE_NEEDS_RESET).not.toBe(0);
    driver.start();
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("can hold the queue that unplugs it", () => {
    const { driver, ask, plugged } = create();
    ask(PLUG, WINDOW, 1);
    driver.negotiate();
    const [desc, avail, used, data] = [WINDOW, WINDOW + 0x1000, WINDOW + 0x2000, WINDOW + 0x3000];
    expect(driver.writeQueue(0, 4, desc, avail, used)).toBe(true);
    driver.addStatus(Status.DRIVER_OK);
    const { memory } = driver;
    for (const [i, gpa, length, flags] of [
      [0, data, 24, 1],
      [1, data + 64, 10, 2],
    ]) {
      memory.writeU32(desc + 16 * i, gpa % 2 ** 32);
      memory.writeU32(desc + 16 * i + 4, Math.floor(gpa / 2 ** 32));
      memory.writeU32(desc + 16 * i + 8, length);
      memory.writeU16(desc + 16 * i + 12, flags);
      memory.writeU16(desc + 16 * i + 14, 1);
    }
    memory.writeU16(data, UNPLUG_ALL);
    memory.writeU16(avail + 2, 1);
    driver.write(0x50, 0);
    expect(plugged()).toBe(0);
    driver.write(0x50, 0);
    expect(driver.guardsIntact()).toBe(true);
    driver.start();
    expect(ask(PLUG, WINDOW, 1)).toBe(ACK);
  });
});

it("is saved with what the host wants, beside its memory", () => {
  const { device, driver, ask, plugged, field } = create({ blocks: 4, requested: 2 });
  ask(PLUG, WINDOW + BLOCK, 1);
  const state = structuredClone(driver.transport.save());
  expect(device.ownMemory.presentRanges()).toEqual([{ base: WINDOW + BLOCK, size: BLOCK }]);
  device.requested = 0;
  driver.transport.load(state);
  expect([plugged(), field(48) / BLOCK]).toEqual([1, 2]);
  expect(ask(STATE, WINDOW + BLOCK, 1)).toBe(`state ${MemState.PLUGGED}`);
});
