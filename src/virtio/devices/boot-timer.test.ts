import { describe, expect, it } from "vitest";
import { Register, Status } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import { BootTimerDevice } from "./boot-timer.ts";

describe("boot timer", () => {
  it("reports what the guest writes, without a driver and with one", () => {
    const values: number[] = [];
    const device = new BootTimerDevice("boot", (value) => values.push(value));
    const driver = new TestDriver(device);
    expect(driver.read(Register.DeviceID)).toBe(0xffff_ff00);
    driver.writeConfig(0, 4, 123_456);
    driver.start();
    expect(driver.status & Status.DRIVER_OK).toBeTruthy();
    driver.writeConfig(0, 1, 1);
    driver.writeConfig(2, 2, 1);
    driver.write(Register.QueueNotify, 0);
    expect(values).toEqual([123_456, 1]);
    expect(device.counters()).toEqual({ writes: 2 });
  });
});
