import { describe, expect, it } from "vitest";
import { bit, Feature, Status } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import type { DriverRequest } from "../testing/driver-queue.ts";
import { CONSOLE_PORTS_MAX, ConsoleDevice, ConsoleFeature } from "./console.ts";
import { ControlEvent } from "./console-control.ts";
import { CONSOLE_INPUT_MAX, type ConsolePort } from "./console-port.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

const CONTROL_RX = 2;
const CONTROL_TX = 3;

/** A backend that remembers what reached it. */
function recorder() {
  return {
    full: false,
    log: [] as string[],
    write(data: Uint8Array) {
      this.log.push(text(data));
      return !this.full;
    },
    guestOpened(open: boolean) {
      this.log.push(open ? "<open>" : "<close>");
    },
  };
}

/** The guest's side of the control queues and of ports. */
class Guest {
  readonly driver: TestDriver;
  #buffers: DriverRequest[] = [];

  constructor(device: ConsoleDevice, packed = false) {
    this.driver = new TestDriver(device, { packed, ramSize: 4 << 20 }).start({ queueSize: 32 });
  }

  /** Gives `count` buffers for control messages. */
  listen(count: number, size = 80): this {
    const queue = this.driver.queues[CONTROL_RX];
    for (let i = 0; i < count; i++) this.#buffers.push(queue.add([], [size]));
    queue.kick();
    return this;
  }

  say(id: number, event: number, value: number): this {
    const message = new Uint8Array(8);
    const view = new DataView(message.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    return this.sayBytes(message);
  }

  sayBytes(message: Uint8Array): this {
    const queue = this.driver.queues[CONTROL_TX];
    queue.add([message], []);
    queue.kick();
    queue.poll();
    return this;
  }

  /** The messages received since the last call: id, event, value, and what follows. */
  heard(): (readonly [number, number, number, string])[] {
    const queue = this.driver.queues[CONTROL_RX];
    return queue.poll().map(({ id, length }) => {
      const at = this.#buffers.findIndex((buffer) => buffer.id === id);
      const [buffer] = this.#buffers.splice(at, 1);
      const data = queue.written(buffer).subarray(0, length);
      if (length === 0) return [-1, -1, -1, ""] as const;
      const view = new DataView(data.buffer, 0, length);
      const payload = String.fromCharCode(...data.subarray(8));
      return [
        view.getUint32(0, true),
        view.getUint16(4, true),
        view.getUint16(6, true),
        payload,
      ] as const;
    });
  }

  write(port: ConsolePort, data: string): number {
    const queue = this.driver.queues[port.id === 0 ? 1 : 3 + 2 * port.id];
    queue.add([bytes(data)], []);
    queue.kick();
    return queue.poll().length;
  }

  read(port: ConsolePort, size: number): string {
    const queue = this.driver.queues[port.id === 0 ? 0 : 2 + 2 * port.id];
    const request = queue.add([], [size]);
    queue.kick();
    const used = queue.poll().find(({ id }) => id === request.id);
    return text(queue.written(request).subarray(0, used?.length ?? 0));
  }

  open(port: ConsolePort): this {
    return this.say(port.id, ControlEvent.PORT_OPEN, 1);
  }

  close(port: ConsolePort): this {
    return this.say(port.id, ControlEvent.PORT_OPEN, 0);
  }
}

const { DEVICE_READY, DEVICE_ADD, DEVICE_REMOVE, PORT_READY } = ControlEvent;
const { CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME } = ControlEvent;

function create(packed = false) {
  const console = recorder();
  const backend = recorder();
  const device = new ConsoleDevice("console", console, {
    size: { cols: 100, rows: 30 },
    ports: 3,
  });
  const port = device.addPort("org.example.0", backend);
  const guest = new Guest(device, packed).listen(16).say(0, DEVICE_READY, 1);
  return { device, guest, port, console, backend };
}

/** A device whose only port is open on both sides. */
function connected(packed = false) {
  const made = create(packed);
  made.guest.say(1, PORT_READY, 1).open(made.port);
  made.port.open();
  made.guest.heard();
  return made;
}

describe.each([false, true])("console ports (packed: %s)", (packed) => {
  it("are announced, named and opened", () => {
    const { guest, port } = create(packed);
    expect(guest.heard()).toEqual([
      [0, DEVICE_ADD, 1, ""],
      [1, DEVICE_ADD, 1, ""],
    ]);
    guest.say(0, PORT_READY, 1).say(1, PORT_READY, 1);
    expect(guest.heard()).toEqual([
      [0, CONSOLE_PORT, 1, ""],
      [0, RESIZE, 0, "\x64\0\x1e\0"],
      [0, PORT_OPEN, 1, ""],
      [1, PORT_NAME, 1, "org.example.0"],
    ]);
    port.open();
    port.open();
    expect(guest.heard()).toEqual([[1, PORT_OPEN, 1, ""]]);
    port.close();
    expect(guest.heard()).toEqual([[1, PORT_OPEN, 0, ""]]);
  });

  it("carry bytes both ways, each on its own queues", () => {
    const { device, guest, port, console, backend } = connected(packed);
    expect(guest.write(port, "to the host")).toBe(1);
    guest.say(0, PORT_READY, 1).say(0, PORT_OPEN, 1);
    device.input(bytes("typed"));
    expect(port.input(bytes("to the guest"))).toBe(12);
    expect(guest.read(port, 6)).toBe("to the");
    expect(guest.read(port, 100)).toBe(" guest");
    expect(guest.driver.queues[0].poll()).toEqual([]);
    expect(backend.log).toEqual(["<open>", "to the host"]);
    expect(console.log).toEqual(["<open>"]);
  });

  it("hold output back in the guest while the backend is full", () => {
    const { guest, port, backend } = connected(packed);
    backend.full = true;
    expect(guest.write(port, "a")).toBe(1);
    expect(guest.write(port, "b")).toBe(0);
    // A close comes after what was written before it.
    guest.close(port);
    expect(backend.log).toEqual(["<open>", "a"]);
    backend.full = false;
    port.drain();
    expect(backend.log).toEqual(["<open>", "a", "b", "<close>"]);
  });

  it("keep input for a guest that has not opened yet, and refuse more than a bound", () => {
    const { guest, port } = create(packed);
    guest.say(1, PORT_READY, 1);
    expect(port.input(bytes("nobody has it open"))).toBe(0);
    port.open();
    let space = 0;
    port.onInputSpace = () => space++;
    expect(port.input(new Uint8Array(CONSOLE_INPUT_MAX + 5).fill(0x61))).toBe(CONSOLE_INPUT_MAX);
    expect(guest.read(port, 100)).toBe("");
    guest.open(port);
    expect(guest.driver.queues[4].poll().map(({ length }) => length)).toEqual([100]);
    expect(space).toBe(1);
  });

  it("call back for more input only when the caller knows what was taken", () => {
    const { guest, port } = connected(packed);
    const queue = guest.driver.queues[4];
    const requests = Array.from({ length: 30 }, () => queue.add([], [4000]));
    const paste = Uint8Array.from({ length: 110_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    let sent = 0;
    port.onInputSpace = () => {
      sent += port.input(paste.subarray(sent));
    };
    port.onInputSpace();
    queue.kick();
    expect(sent).toBe(paste.length);
    const received = queue.poll().flatMap(({ length }, i) => {
      return [...queue.written(requests[i]).subarray(0, length)];
    });
    expect(received).toHaveLength(paste.length);
    expect(received.every((byte, i) => byte === paste[i])).toBe(true);
  });

  it("end after the input from before the close, and begin anew", () => {
    const { guest, port } = connected(packed);
    port.input(bytes("last words"));
    port.close();
    expect(port.input(bytes("too late"))).toBe(0);
    expect(guest.heard()).toEqual([]);
    let space = 0;
    port.onInputSpace = () => space++;
    port.open();
    expect(guest.read(port, 100)).toBe("last words");
    expect(port.hostOpen).toBe(true);
    expect(space).toBe(1);
    expect(guest.heard()).toEqual([
      [1, PORT_OPEN, 0, ""],
      [1, PORT_OPEN, 1, ""],
    ]);
  });

  it("do not wait for a guest that does not listen", () => {
    const { guest, port, backend } = connected(packed);
    port.input(bytes("unread"));
    port.close();
    guest.close(port);
    expect(guest.heard()).toEqual([[1, PORT_OPEN, 0, ""]]);
    guest.open(port);
    expect(guest.read(port, 10)).toBe("");
    // Nobody has the host's side open: output is discarded, and its buffers come back.
    expect(guest.write(port, "to nobody")).toBe(1);
    expect(backend.log).toEqual(["<open>", "<close>", "<open>"]);
  });

  it("come and go while the guest runs", () => {
    const { device, guest, port, backend } = connected(packed);
    const second = device.addPort("second", recorder());
    expect(guest.heard()).toEqual([[2, DEVICE_ADD, 1, ""]]);
    device.removePort(port);
    expect(guest.heard()).toEqual([[1, DEVICE_REMOVE, 1, ""]]);
    expect(backend.log).toEqual(["<open>", "<close>"]);
    expect(guest.write(port, "to a port that is gone")).toBe(1);
    device.removePort(port);
    expect(guest.heard()).toEqual([]);
    const again = device.addPort("again", recorder());
    expect([second.id, again.id]).toEqual([2, 1]);
    expect(device.counters()).toMatchObject({ ports: 3 });
  });

  it("survive control messages that make no sense", () => {
    const { device, guest, backend } = connected(packed);
    guest.sayBytes(new Uint8Array(7)).sayBytes(new Uint8Array(4000).fill(0xff));
    for (const id of [2, 3, 4, 0xffff_ffff]) guest.say(id, PORT_READY, 1).say(id, PORT_OPEN, 1);
    for (const event of [DEVICE_ADD, DEVICE_REMOVE, CONSOLE_PORT, RESIZE, PORT_NAME, 8, 0xffff]) {
      guest.say(1, event, 1);
    }
    const queue = guest.driver.queues[CONTROL_TX];
    queue.add([], [8]);
    queue.kick();
    expect(device.counters()).toMatchObject({ invalidControls: 2 + 8 + 7 + 1 });
    expect(backend.log).toEqual(["<open>"]);
    expect(guest.heard()).toEqual([]);
    expect(guest.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("keep few messages for a driver that takes none", () => {
    const device = new ConsoleDevice("console", recorder(), { ports: 2 });
    const port = device.addPort("a", recorder());
    const guest = new Guest(device, packed);
    for (let i = 0; i < 100; i++) {
      guest.say(0, DEVICE_READY, 1).say(1, PORT_READY, 1);
      port.open();
      port.close();
      device.removePort(device.addPort("b", recorder()));
      device.resize(i, i);
    }
    // Buffers too small for a message come back empty.
    guest.listen(2, 7).listen(16);
    const heard = guest.heard();
    expect(heard.slice(0, 2)).toEqual([
      [-1, -1, -1, ""],
      [-1, -1, -1, ""],
    ]);
    expect(heard.slice(2).map(([id, event]) => [id, event])).toEqual([
      [0, DEVICE_ADD],
      [1, DEVICE_ADD],
      [1, PORT_NAME],
      [1, PORT_OPEN],
      [0, RESIZE],
    ]);
  });

  it("are known again after a restore", () => {
    const { device, guest, port } = connected(packed);
    const gone = device.addPort("gone", recorder());
    guest.say(gone.id, PORT_READY, 1).open(gone);
    guest.heard();
    port.input(bytes("unread"));
    const state = structuredClone(guest.driver.transport.save());
    guest.driver.transport.reset();
    device.removePort(gone);
    const other = device.addPort("other", recorder());
    guest.driver.transport.load(state);
    expect(port.guestOpen).toBe(true);
    expect(guest.heard()).toEqual([
      [1, PORT_OPEN, 1, ""],
      [other.id, DEVICE_REMOVE, 1, ""],
      [other.id, DEVICE_ADD, 1, ""],
    ]);
    expect(guest.read(port, 100)).toBe("unread");
  });
});

describe("a console without ports", () => {
  it("offers none, and one that offers them serves drivers that want none", () => {
    expect(new ConsoleDevice("c", recorder()).queueSizes).toHaveLength(2);
    expect(new ConsoleDevice("c", recorder()).features & bit(ConsoleFeature.MULTIPORT)).toBe(0n);
    const backend = recorder();
    const device = new ConsoleDevice("c", backend, { ports: 1 });
    const driver = new TestDriver(device);
    expect(driver.config(4, 4)).toBe(2);
    driver.start({ accept: bit(Feature.VERSION_1) });
    driver.queues[1].add([bytes("plain")], []);
    driver.queues[1].kick();
    driver.queues[CONTROL_TX].add([new Uint8Array(8)], []);
    driver.queues[CONTROL_TX].kick();
    expect(driver.queues[CONTROL_TX].poll()).toEqual([]);
    expect(backend.log).toEqual(["<open>", "plain"]);
  });

  it("may be ports alone, and still takes emergency output", () => {
    const device = new ConsoleDevice("ports", undefined, { ports: 1 });
    const driver = new TestDriver(device).start();
    driver.writeConfig(8, 4, 0x41);
    driver.queues[1].add([bytes("nobody reads this")], []);
    driver.queues[1].kick();
    expect(driver.queues[1].poll()).toHaveLength(1);
    expect(device.input(bytes("x"))).toBe(0);
    expect(device.counters()).toMatchObject({ emergencyBytes: 1, ports: 0 });
  });

  it("has a bounded number of ports with proper names", () => {
    expect(() => new ConsoleDevice("c", recorder(), { ports: CONSOLE_PORTS_MAX + 1 })).toThrow(
      RangeError,
    );
    const device = new ConsoleDevice("c", recorder(), { ports: 2 });
    for (const name of ["", "a/b", "a b", "x".repeat(64), "ü"]) {
      expect(() => device.addPort(name, recorder()), name).toThrow(RangeError);
    }
    device.addPort("a", recorder());
    expect(() => device.addPort("a", recorder())).toThrow(/already/);
    device.addPort("b", recorder());
    expect(() => device.addPort("c", recorder())).toThrow(/only 2/);
  });
});
