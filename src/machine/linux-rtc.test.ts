/** The RTC device in a Linux that has a driver for it: the embedded one that `guest/newer/build` makes. */
import { describe, expect, it } from "vitest";
import { RtcDevice } from "../virtio/devices/rtc.ts";
import { isNewerGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const USER = new URL("./testing/rtc-user.c", import.meta.url);

/** A process of the guest may wait for its turn, and the clocks are read one after the other. */
const TOLERANCE_SECONDS = 2;

const sleep = (ms: number, callback: () => void) => {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
};

describe.skipIf(!isNewerGuest)("the RTC device in Linux (6.12 has no driver for it)", () => {
  it("is a clock with an alarm, and clocks of the network", { timeout: 2 * LIMIT_MS }, async () => {
    const nowMs = () => performance.now();
    const device = new RtcDevice("rtc0", { nowMs, wallClockMs: () => Date.now(), sleep });
    const session = new LinuxSession({ attach: (machine) => machine.attach(device) });
    await session.until(PROMPT);
    await session.command("while ! [ -e /dev/ptp2 ]; do usleep 100000; done");
    await session.compile(USER, "/tmp/rtc-user");
    const [wall, monotonic] = [Date.now() / 1000, nowMs() / 1000];
    const told = await session.output("/tmp/rtc-user");
    const spent = nowMs() / 1000 - monotonic;
    const number = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(told)?.[1]);
    for (const [name, start] of [
      ["rtc", wall],
      ["ptp 0", wall],
      ["ptp 1", monotonic],
      ["ptp 2", wall],
    ] as const) {
      expect(number(name), `${name} in ${told}`).toBeGreaterThan(start - TOLERANCE_SECONDS);
      expect(number(name), `${name} in ${told}`).toBeLessThan(start + spent + TOLERANCE_SECONDS);
    }
    expect(number("alarm") - number("rtc"), told).toBeGreaterThanOrEqual(2);
    expect(number("alarm") - number("rtc"), told).toBeLessThanOrEqual(2 + TOLERANCE_SECONDS);
    expect(device.counters()).toMatchObject({ refused: 0, expirations: 1, alarms: 0 });

    expect(await session.output("cat /sys/class/rtc/rtc1/name")).toContain("virtio");
    const read = await session.output("hwclock -u -r -f /dev/rtc1; date -u +%s");
    const [clock, seconds] = read.split("\n");
    const shown = Date.parse(`${clock.replace(/ *-?[\d.]+ seconds$/, "")} UTC`) / 1000;
    expect(Math.abs(shown - Number(seconds)), read).toBeLessThan(TOLERANCE_SECONDS);
  });
});
