import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { ConfigFields } from "./config.ts";
import type { DeviceIo, VirtioDevice } from "./device.ts";
import { bit, bits, Feature, InterruptBit, MAGIC, Register, Status } from "./spec.ts";
import { RAM_BASE, TestDriver } from "./testing/driver.ts";

/** Records what the transport asks of it. */
class RecordingDevice implements VirtioDevice {
  readonly type = 42;
  readonly name = "recording";
  readonly features = bits(0, 1, 2, 70);
  readonly dependencies = [{ feature: 2, anyOf: [0, 1] }];
  readonly queueSizes = [16, 16];
  readonly config = new ConfigFields(11, (offset, size, value) => {
    this.log.push(`config ${offset} ${size} ${value}`);
  });
  readonly sharedMemory = [{ id: 1, base: 0x1_2340_0000, length: 0x2_0000_0000 }];
  readonly log: string[] = [];
  io: DeviceIo | undefined;
  failure: Error | undefined;
  activate(io: DeviceIo): void {
    this.io = io;
    this.log.push("activate");
  }
  notify(index: number): void {
    if (this.failure !== undefined) throw this.failure;
    this.log.push(`notify ${index}`);
  }
  reset(): void {
    this.io = undefined;
    this.log.push("reset");
  }
}

let device: RecordingDevice;
let driver: TestDriver;

beforeEach(() => {
  device = new RecordingDevice();
  driver = new TestDriver(device);
});

describe("identity", () => {
  it("stays through a reset", () => {
    for (let i = 0; i < 2; i++) {
      expect(driver.read(Register.MagicValue)).toBe(MAGIC);
      expect(driver.read(Register.Version)).toBe(2);
      expect(driver.read(Register.DeviceID)).toBe(42);
      expect(driver.read(Register.VendorID)).toBe(0x554d_4551);
      driver.write(Register.Status, 0);
    }
  });

  it("answers 0 to other widths and to what is not readable", () => {
    expect(driver.read(Register.MagicValue, 1)).toBe(0);
    expect(driver.read(Register.MagicValue, 2)).toBe(0);
    expect(driver.read(0x0c8)).toBe(0);
    driver.transport.write(Register.Status, 1, 1);
    expect(driver.status).toBe(0);
  });
});

describe("negotiation", () => {
  it("offers features in words of 32, and none past the last", () => {
    expect(driver.offered() & device.features).toBe(device.features);
    expect(driver.offered() & bit(Feature.VERSION_1)).toBeTruthy();
    for (const selector of [4, 0xffff_ffff]) {
      driver.write(Register.DeviceFeaturesSel, selector);
      expect(driver.read(Register.DeviceFeatures)).toBe(0);
    }
  });

  it("selects word 0 after a reset", () => {
    driver.write(Register.DeviceFeaturesSel, 1);
    driver.write(Register.Status, 0);
    expect(driver.read(Register.DeviceFeatures) & 7).toBe(7);
  });

  it("accepts a subset, also without VERSION_1, also again", () => {
    expect(driver.negotiate(bits(0, Feature.EVENT_IDX))).toBe(true);
    expect(driver.negotiate(bits(0, Feature.EVENT_IDX))).toBe(true);
    driver.start({ accept: bit(70) | bit(Feature.VERSION_1) });
    expect(device.io?.features).toBe(bit(70) | bit(Feature.VERSION_1));
  });

  it("refuses what was not offered", () => {
    driver.negotiate(0n);
    driver.write(Register.Status, 0);
    driver.addStatus(Status.DRIVER);
    driver.writeFeatures(bit(3));
    driver.addStatus(Status.FEATURES_OK);
    expect(driver.status).toBe(Status.DRIVER);
    expect(driver.transport.inspect().refusal).toMatch(/0x8 were not offered/);
    driver.writeFeatures(0n);
    driver.addStatus(Status.FEATURES_OK);
    expect(driver.status).toBe(Status.DRIVER | Status.FEATURES_OK);
  });

  it("refuses a feature without one that it needs", () => {
    expect(driver.negotiate(bit(2))).toBe(false);
    expect(driver.transport.inspect().refusal).toMatch(/feature 2 needs feature 0 or 1/);
    expect(driver.negotiate(bits(2, 1))).toBe(true);
  });

  it("replaces words, and only while negotiating", () => {
    driver.writeFeatures(bit(0));
    expect(driver.transport.inspect().driverFeatures).toBe(0n);
    driver.addStatus(Status.DRIVER);
    driver.writeFeatures(bits(0, 1));
    driver.writeFeatures(bit(1));
    driver.addStatus(Status.FEATURES_OK);
    driver.writeFeatures(bit(0));
    expect(driver.transport.inspect().driverFeatures).toBe(bit(1));
  });
});

describe("device status", () => {
  it("needs DRIVER before FEATURES_OK and FEATURES_OK before DRIVER_OK", () => {
    driver.write(Register.Status, Status.FEATURES_OK);
    expect(driver.status).toBe(0);
    driver.write(Register.Status, Status.DRIVER | Status.DRIVER_OK);
    expect(driver.status).toBe(Status.DRIVER);
    driver.write(Register.Status, 0xf);
    expect(driver.status).toBe(0xf);
    expect(device.log).toEqual(["activate"]);
  });

  it("activates once, whatever is written again", () => {
    driver.start();
    driver.write(Register.Status, 0xf);
    driver.write(Register.Status, 1);
    expect(driver.status).toBe(0xf);
    expect(device.log.filter((entry) => entry === "activate")).toHaveLength(1);
  });

  it("keeps FAILED until a reset", () => {
    driver.start();
    driver.addStatus(Status.FAILED);
    driver.queues[0].kick();
    expect(device.log.filter((entry) => entry.startsWith("notify"))).toHaveLength(2);
    driver.write(Register.Status, Status.ACKNOWLEDGE);
    expect(driver.status).toBe(0xf | Status.FAILED);
    driver.write(Register.Status, 0);
    expect(driver.status).toBe(0);
  });

  it("cannot be told by the driver to need a reset", () => {
    driver.write(Register.Status, Status.DEVICE_NEEDS_RESET);
    expect(driver.status).toBe(0);
  });

  it("is reset at once, with everything else", () => {
    driver.start();
    device.io?.configChanged();
    driver.write(Register.Status, 0);
    expect(driver.read(Register.InterruptStatus)).toBe(0);
    for (const index of [0, 1]) {
      driver.write(Register.QueueSel, index);
      expect(driver.read(Register.QueueReady)).toBe(0);
    }
    expect(device.log.at(-1)).toBe("reset");
    expect(driver.transport.inspect()).toMatchObject({ status: 0, driverFeatures: 0n });
  });
});

describe("queues", () => {
  it("polls every ready queue once after DRIVER_OK", () => {
    driver.negotiate();
    driver.setupQueue(1, 8);
    driver.write(Register.QueueNotify, 1);
    driver.addStatus(Status.DRIVER_OK);
    expect(device.log).toEqual(["reset", "activate", "notify 1"]);
    const { queues, transport } = driver.transport.inspect();
    expect(queues.map(({ kicks }) => kicks)).toEqual([0, 0]);
    expect(transport).toMatchObject({ ignoredKicks: 1 });
  });

  it("count the kicks of each", () => {
    driver.start();
    for (const index of [1, 0, 1]) driver.write(Register.QueueNotify, index);
    expect(driver.transport.inspect().queues.map(({ kicks }) => kicks)).toEqual([1, 2]);
  });

  it("ignores kicks of queues that do not exist or are not ready", () => {
    driver.negotiate();
    driver.setupQueue(0, 8);
    driver.addStatus(Status.DRIVER_OK);
    device.log.length = 0;
    for (const index of [1, 2, 0xffff_ffff]) driver.write(Register.QueueNotify, index);
    expect(device.log).toEqual([]);
  });

  it("finds the index below the data of NOTIFICATION_DATA, when negotiated", () => {
    driver.start();
    device.log.length = 0;
    driver.write(Register.QueueNotify, 0x8003_0001);
    expect(device.log).toEqual(["notify 1"]);
    driver.start({ accept: ~bit(Feature.NOTIFICATION_DATA) });
    device.log.length = 0;
    driver.write(Register.QueueNotify, 0x8003_0001);
    expect(device.log).toEqual([]);
  });

  it("reads 0 for a queue that does not exist", () => {
    driver.negotiate();
    driver.write(Register.QueueSel, 2);
    expect(driver.read(Register.QueueNumMax)).toBe(0);
    driver.write(Register.QueueReady, 1);
    expect(driver.read(Register.QueueReady)).toBe(0);
  });

  it("cannot be set up before FEATURES_OK or after DRIVER_OK", () => {
    const at = RAM_BASE + 0x8000;
    expect(driver.writeQueue(0, 8, at, at + 0x1000, at + 0x2000)).toBe(false);
    driver.negotiate();
    driver.addStatus(Status.DRIVER_OK);
    expect(driver.writeQueue(0, 8, at, at + 0x1000, at + 0x2000)).toBe(false);
  });

  it("keep their addresses while ready, and a second ready changes nothing", () => {
    driver.negotiate();
    const queue = driver.setupQueue(0, 8);
    driver.write(Register.QueueNum, 4);
    driver.write(Register.QueueDescLow, 0);
    driver.write(Register.QueueReady, 3);
    expect(driver.transport.inspect().queues[0].addresses).toEqual({
      size: 8,
      desc: queue.desc,
      driver: queue.avail,
      device: queue.used,
    });
  });

  it("use bit 0 of QueueReady, and stop before a write of 0 retires", () => {
    driver.start();
    driver.write(Register.QueueSel, 0);
    driver.write(Register.QueueReady, 2);
    expect(driver.read(Register.QueueReady)).toBe(0);
    expect(device.io?.queues[0].ready).toBe(false);
  });

  it("default to their maximum, and are unusable after a bad size", () => {
    driver.negotiate();
    const at = RAM_BASE + 0x8000;
    driver.write(Register.QueueDescLow, at);
    driver.write(Register.QueueDriverLow, at + 0x1000);
    driver.write(Register.QueueDeviceLow, at + 0x2000);
    driver.write(Register.QueueNum, 17);
    driver.write(Register.QueueReady, 1);
    expect(driver.read(Register.QueueReady)).toBe(0);
    driver.negotiate();
    driver.write(Register.QueueDescLow, at);
    driver.write(Register.QueueDriverLow, at + 0x1000);
    driver.write(Register.QueueDeviceLow, at + 0x2000);
    driver.write(Register.QueueReady, 1);
    expect(driver.transport.inspect().queues[0].addresses?.size).toBe(16);
  });

  it("can be reset alone, and set up anew", () => {
    driver.start();
    driver.write(Register.QueueSel, 1);
    driver.write(Register.QueueReset, 1);
    expect(driver.read(Register.QueueReset)).toBe(0);
    expect(driver.read(Register.QueueReady)).toBe(0);
    expect(device.io?.queues.map((queue) => queue.ready)).toEqual([true, false]);
    device.log.length = 0;
    driver.setupQueue(1, 4);
    expect(device.io?.queues[1].size).toBe(4);
    expect(device.log).toEqual(["notify 1"]);
  });

  it("cannot be reset alone unless negotiated", () => {
    driver.start({ accept: ~bit(Feature.RING_RESET) });
    driver.write(Register.QueueSel, 1);
    driver.write(Register.QueueReset, 1);
    expect(driver.read(Register.QueueReady)).toBe(1);
  });
});

describe("interrupts", () => {
  it("pulse for every event, and again when an acknowledge leaves a cause", () => {
    driver.start();
    device.io?.configChanged();
    device.io?.configChanged();
    expect(driver.irq.pulses).toBe(2);
    driver.write(Register.InterruptACK, InterruptBit.USED_BUFFER);
    expect(driver.irq.pulses).toBe(3);
    driver.write(Register.InterruptACK, InterruptBit.CONFIG_CHANGE);
    expect([driver.irq.pulses, driver.read(Register.InterruptStatus)]).toEqual([3, 0]);
  });

  it("hold a level wire high while a cause is left", () => {
    driver = new TestDriver(device, { trigger: "level" }).start();
    device.io?.configChanged();
    expect([driver.irq.level, driver.irq.pulses]).toEqual([true, 0]);
    driver.write(Register.InterruptACK, InterruptBit.USED_BUFFER);
    expect(driver.irq.level).toBe(true);
    driver.write(Register.InterruptACK, 0xffff_ffff);
    expect(driver.irq.level).toBe(false);
    device.io?.configChanged();
    driver.write(Register.Status, 0);
    expect(driver.irq.level).toBe(false);
  });

  it("do not come from a device of before a reset", () => {
    driver.start();
    const { io } = device;
    driver.start();
    io?.configChanged();
    io?.needsReset("late");
    expect([driver.irq.pulses, driver.status]).toEqual([0, 0xf]);
  });
});

describe("a failing device", () => {
  it("needs a reset, says why, and stops", () => {
    driver.start();
    device.io?.needsReset("first");
    device.io?.needsReset("second");
    expect(driver.status).toBe(0xf | Status.DEVICE_NEEDS_RESET);
    expect(driver.acknowledge()).toBe(InterruptBit.CONFIG_CHANGE);
    expect(driver.irq.pulses).toBe(1);
    expect(driver.transport.inspect().needsReset).toBe("first");
    device.log.length = 0;
    driver.queues[0].kick();
    expect(device.log).toEqual([]);
    driver.start();
    expect(driver.transport.inspect().needsReset).toBeUndefined();
  });

  it("that throws does not take the machine with it", () => {
    driver.start();
    device.failure = new Error("socket closed");
    driver.queues[0].kick();
    expect(driver.transport.inspect().needsReset).toBe("recording failed: socket closed");
  });

  it("that throws in its registers or in a reset does not either", () => {
    const failing = new RecordingDevice();
    const fail = () => {
      throw new Error("out of order");
    };
    const target = new TestDriver(failing);
    const attempts: [keyof VirtioDevice | "readByte" | "write", () => unknown][] = [
      ["readByte", () => target.config(0, 4)],
      ["write", () => target.writeConfig(0, 4, 1)],
      ["reset", () => target.write(Register.Status, 0)],
    ];
    for (const [method, access] of attempts) {
      target.start();
      Object.assign(method === "reset" ? failing : failing.config, { [method]: fail });
      access();
      expect(target.status & Status.DEVICE_NEEDS_RESET, method).toBeTruthy();
      expect(target.transport.inspect().needsReset).toBe("recording failed: out of order");
      if (method === "reset") Reflect.deleteProperty(failing, method);
      else Reflect.deleteProperty(failing.config, method);
    }
    target.start();
    expect(target.status).toBe(0xf);
  });

  it("still needs a reset after a save and a load", () => {
    driver.start();
    device.io?.needsReset("broken");
    driver.transport.load(structuredClone(driver.transport.save()));
    expect(driver.status).toBe(0xf | Status.DEVICE_NEEDS_RESET);
    expect(driver.transport.inspect().needsReset).toBe("broken");
  });
});

describe("a saved transport", () => {
  it("goes on half-way through negotiation and set-up", () => {
    driver.negotiate();
    driver.setupQueue(0, 8);
    const at = RAM_BASE + 0x8000;
    driver.write(Register.QueueSel, 1);
    driver.write(Register.QueueNum, 4);
    driver.write(Register.QueueDescLow, at);
    driver.write(Register.DeviceFeaturesSel, 1);
    const state = structuredClone(driver.transport.save());
    driver.write(Register.Status, 0);
    driver.transport.load(state);
    expect(driver.read(Register.DeviceFeatures) & 1).toBe(1);
    driver.write(Register.QueueDriverLow, at + 0x100);
    driver.write(Register.QueueDeviceLow, at + 0x200);
    driver.write(Register.QueueReady, 1);
    const { queues } = driver.transport.inspect();
    expect(queues.map(({ addresses }) => addresses?.size)).toEqual([8, 4]);
    expect(queues[1].addresses?.desc).toBe(at);
    driver.addStatus(Status.DRIVER_OK);
    expect(device.log.slice(-3)).toEqual(["activate", "notify 0", "notify 1"]);
  });

  it("goes on after features that were refused", () => {
    expect(driver.negotiate(bit(2))).toBe(false);
    driver.transport.load(driver.transport.save());
    expect(driver.transport.inspect().driverFeatures).toBe(bit(2));
    driver.writeFeatures(0n);
    driver.addStatus(Status.FEATURES_OK);
    expect(driver.status & Status.FEATURES_OK).toBeTruthy();
  });

  it("keeps a status with DRIVER_OK and FAILED", () => {
    driver.start();
    driver.addStatus(Status.FAILED);
    driver.transport.load(driver.transport.save());
    expect(driver.status).toBe(0xf | Status.FAILED);
  });
});

describe("configuration space", () => {
  it("is read at any width, in any state, with zeros past the end", () => {
    device.config.setU32(0, 0x1234_5678).setU32(7, 0xaabb_ccdd);
    expect(driver.config(0, 4)).toBe(0x1234_5678);
    expect([driver.config(0, 1), driver.config(2, 2)]).toEqual([0x78, 0x1234]);
    expect([driver.config(8, 4), driver.config(10, 1)]).toEqual([0xaa_bbcc, 0xaa]);
    expect([driver.config(11, 1), driver.config(0xe00, 4)]).toEqual([0, 0]);
  });

  it("is written inside its size alone", () => {
    driver.writeConfig(4, 4, 5);
    driver.writeConfig(8, 4, 5);
    driver.writeConfig(0x100, 1, 5);
    expect(device.log).toEqual(["config 4 4 5"]);
  });

  it("has a generation that changes with it", () => {
    const before = driver.read(Register.ConfigGeneration);
    device.config.setU8(0, 1);
    expect(driver.read(Register.ConfigGeneration)).not.toBe(before);
  });
});

describe("shared memory", () => {
  it("shows a region, and all ones for every other", () => {
    const words = () =>
      [Register.SHMLenLow, Register.SHMLenHigh, Register.SHMBaseLow, Register.SHMBaseHigh].map(
        (register) => driver.read(register),
      );
    expect(words()).toEqual(new Array(4).fill(0xffff_ffff));
    driver.write(Register.SHMSel, 1);
    expect(words()).toEqual([0, 2, 0x2340_0000, 1]);
  });
});

describe("a hostile guest", () => {
  const offset = fc.oneof(
    fc.constantFrom(...Object.values(Register)),
    fc.integer({ min: 0, max: 0xfff }),
  );
  const value = fc.oneof(
    fc.integer({ min: 0, max: 15 }),
    fc.constantFrom(RAM_BASE, RAM_BASE + 0x1000, RAM_BASE + 0xf_fff0, 0xffff_ffff),
    fc.integer({ min: 0, max: 0xffff_ffff }),
  );
  const access = fc.record({
    offset,
    size: fc.constantFrom(1, 2, 4),
    write: fc.boolean(),
    value,
  });

  it("gets an answer to every access and leaves nothing broken", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(access, { maxLength: 100 }), (started, accesses) => {
        const target = new TestDriver(new RecordingDevice());
        if (started) target.start();
        for (const { offset, size, write, value } of accesses) {
          const width = size as 1 | 2 | 4;
          if (write) target.transport.write(offset, width, value);
          const read = target.transport.read(offset, width);
          expect(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * width)).toBe(true);
        }
        target.transport.inspect();
        expect(target.guardsIntact()).toBe(true);
        target.start();
        expect(target.status).toBe(0xf);
      }),
      { numRuns: 200 },
    );
  });
});
