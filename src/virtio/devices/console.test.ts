import { describe, expect, it } from "vitest";
import { Register, Status } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import { ConsoleDevice } from "./console.ts";
import { CONSOLE_CHAIN_MAX, CONSOLE_INPUT_MAX } from "./console-port.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

function create(ramSize?: number) {
  const output: Uint8Array[] = [];
  const backend = {
    full: false,
    write(data: Uint8Array) {
      output.push(data);
      return !backend.full;
    },
  };
  const device = new ConsoleDevice("console", backend, { size: { cols: 100, rows: 30 } });
  const driver = new TestDriver(device, ramSize === undefined ? {} : { ramSize });
  const shown = () => output.map(text).join("");
  return { device, driver, backend, output, shown };
}

describe("console", () => {
  it("sends what the guest writes", () => {
    const { driver, shown } = create();
    driver.start();
    const tx = driver.queues[1];
    tx.add([bytes("hello "), bytes("world")], []);
    tx.add([bytes("!")], [], { indirect: true });
    tx.kick();
    expect(shown()).toBe("hello world!");
    expect(tx.poll()).toHaveLength(2);
    expect(driver.irq.pulses).toBeGreaterThan(0);
  });

  it("tells a restored guest of another size of the terminal", () => {
    const { device, driver } = create();
    driver.start();
    const state = structuredClone(driver.transport.save());
    const { configInterrupts } = driver.transport.inspect().transport;
    driver.transport.load(state);
    expect(driver.transport.inspect().transport.configInterrupts).toBe(configInterrupts);
    const generation = driver.read(Register.ConfigGeneration);
    driver.transport.reset();
    device.resize(80, 24);
    driver.transport.load(state);
    expect(driver.transport.inspect().transport.configInterrupts).toBe(configInterrupts + 1);
    expect([driver.config(0, 2), driver.config(2, 2)]).toEqual([80, 24]);
    // A driver that was reading while the machine was saved reads again.
    expect(driver.read(Register.ConfigGeneration)).not.toBe(generation);
  });

  it("gives input to the guest, also input that came before the driver", () => {
    const { device, driver } = create();
    device.input(bytes("early "));
    driver.start();
    const rx = driver.queues[0];
    const first = rx.add([], [4, 100]);
    rx.kick();
    expect(rx.poll()).toEqual([{ id: first.id, length: 6 }]);
    expect(text(rx.written(first)).slice(0, 6)).toBe("early ");
    const second = rx.add([], [3]);
    const third = rx.add([], [3]);
    rx.kick();
    expect(rx.poll()).toEqual([]);
    device.input(bytes("late"));
    expect(rx.poll().map((u) => u.length)).toEqual([3, 1]);
    expect(text(rx.written(second))).toBe("lat");
    expect(text(rx.written(third)).slice(0, 1)).toBe("e");
  });

  it("lets a paste larger than its queue through without losing a byte", () => {
    const { device, driver } = create();
    driver.start({ queueSize: 4 });
    const rx = driver.queues[0];
    const paste = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) & 0xff);
    let sent = device.input(paste);
    expect(sent).toBe(CONSOLE_INPUT_MAX);
    device.onInputSpace = () => {
      sent += device.input(paste.subarray(sent));
    };
    const received: number[] = [];
    while (received.length < paste.length) {
      const request = rx.add([], [1000]);
      rx.kick();
      const used = rx.poll();
      if (used.length === 0) break;
      received.push(...rx.written(request).subarray(0, used[0].length));
    }
    expect(received).toHaveLength(paste.length);
    expect(received.every((byte, i) => byte === paste[i])).toBe(true);
  });

  it("stops taking output while the backend is full", () => {
    const { device, driver, backend, shown } = create();
    driver.start();
    const tx = driver.queues[1];
    backend.full = true;
    for (const part of ["a", "b", "c"]) tx.add([bytes(part)], []);
    tx.kick();
    tx.kick();
    expect(shown()).toBe("a");
    expect(tx.poll()).toHaveLength(1);
    backend.full = false;
    device.drain();
    expect(shown()).toBe("abc");
    expect(tx.poll()).toHaveLength(2);
  });

  it("writes emergency output before any configuration, at any width", () => {
    const { driver, shown } = create();
    driver.writeConfig(8, 4, 0x1234_5641);
    driver.writeConfig(8, 1, 0x42);
    driver.writeConfig(0, 4, 0x43);
    expect(shown()).toBe("AB");
    expect(driver.config(0, 2)).toBe(100);
  });

  it("announces a new size with a configuration change", () => {
    const { device, driver } = create();
    device.resize(90, 20);
    expect([driver.config(0, 2), driver.config(2, 1), driver.config(3, 1)]).toEqual([90, 20, 0]);
    expect(driver.irq.pulses).toBe(0);
    driver.start();
    const generation = driver.read(Register.ConfigGeneration);
    device.resize(132, 50);
    expect(driver.read(Register.ConfigGeneration)).not.toBe(generation);
    expect(driver.acknowledge()).toBe(2);
    expect(driver.config(0, 4)).toBe(132 | (50 << 16));
  });

  it("drops the input of a guest that resets the device", () => {
    const { device, driver } = create();
    driver.start();
    device.input(bytes("for the old driver"));
    driver.start();
    const rx = driver.queues[0];
    rx.add([], [100]);
    rx.kick();
    expect(rx.poll()).toEqual([]);
  });

  it("bounds the output of one chain", () => {
    const { device, driver, output } = create(4 * 1024 * 1024);
    driver.start();
    const tx = driver.splitQueues[1];
    const page = driver.allocate(1024 * 1024);
    for (let i = 0; i < 3; i++) {
      tx.setDescriptor(i, {
        address: page,
        length: 1024 * 1024,
        flags: i < 2 ? 1 : 0,
        next: i + 1,
      });
    }
    tx.offer(0);
    tx.kick();
    expect(output.reduce((sum, part) => sum + part.length, 0)).toBe(CONSOLE_CHAIN_MAX);
    expect(device.counters()).toMatchObject({ droppedBytes: 2 * 1024 * 1024 });
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("survives chains of the wrong direction", () => {
    const { device, driver, shown } = create();
    driver.start();
    const [rx, tx] = driver.splitQueues;
    device.input(bytes("x"));
    rx.add([bytes("readable")], []);
    rx.kick();
    tx.add([], [10]);
    tx.kick();
    expect(rx.poll()).toEqual([{ id: 0, length: 0 }]);
    expect(tx.poll()).toEqual([{ id: 0, length: 0 }]);
    expect(shown()).toBe("");
  });
});
