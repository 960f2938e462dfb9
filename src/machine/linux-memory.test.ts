/** The devices about memory in the embedded Linux. */
import { describe, expect, it } from "vitest";
import { BalloonDevice } from "../virtio/devices/balloon.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const MIB = 1024 * 1024;

/** A line of /proc/meminfo, in bytes. */
async function memory(session: LinuxSession, name: string): Promise<number> {
  const text = await session.command(`grep ${name}: /proc/meminfo`);
  return Number(/(\d+) kB/.exec(text)?.[1]) * 1024;
}

describe.skipIf(!hasGuest)("memory devices in Linux", () => {
  it("balloon: inflates, deflates, tells statistics and free pages", {
    timeout: 2 * LIMIT_MS,
  }, async () => {
    const balloon = new BalloonDevice("balloon0");
    const session = new LinuxSession({ attach: (machine) => machine.attach(balloon) });
    await session.until(PROMPT);
    const before = await memory(session, "MemFree");

    balloon.target = 48 * MIB;
    await session.runUntil(() => balloon.counters().actualPages === 48 * 256, "inflation");
    // With DEFLATE_ON_OOM Linux counts the balloon's memory as used, not as missing.
    expect(before - (await memory(session, "MemFree"))).toBeGreaterThan(40 * MIB);
    expect(balloon.heldBytes).toBe(48 * MIB);
    expect(balloon.counters().ignoredPages).toBe(0);

    balloon.target = 0;
    await session.runUntil(() => balloon.counters().actualPages === 0, "deflation");
    expect(balloon.heldBytes).toBe(0);
    expect(await memory(session, "MemFree")).toBeGreaterThan(before - 8 * MIB);

    const old = balloon.statistics;
    balloon.requestStatistics();
    await session.runUntil(() => balloon.statistics !== old, "statistics");
    expect(balloon.statistics.totalBytes).toBe(await memory(session, "MemTotal"));
    expect(balloon.statistics.freeBytes).toBeGreaterThan(before - 8 * MIB);

    balloon.requestHints();
    await session.runUntil(() => balloon.config.readByte(8) === 1, "the end of hints");
    expect(balloon.counters().hintedBytes).toBeGreaterThan(MIB);
    // Free pages are reported two seconds after they became free.
    await session.command("dd if=/dev/zero of=/tmp/big bs=1M count=20; rm /tmp/big; sleep 5");
    expect(balloon.counters().reportedBytes).toBeGreaterThan(16 * MIB);
  });
});
