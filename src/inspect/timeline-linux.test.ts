/** A disk write of the embedded Linux, followed from its kick to the end of its interrupt. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sleep } from "../host/sleep.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "../machine/testing/linux-session.ts";
import { createCalls } from "./calls.ts";

describe.skipIf(!hasGuest)("the timeline of Linux (skipped until the guest is built)", () => {
  let session: LinuxSession;
  let calls: ReturnType<typeof createCalls>;

  beforeAll(async () => {
    session = new LinuxSession({ append: "console=hvc0 quiet tabvisor.disk=none" });
    await session.until(PROMPT);
    const clock = { nowMs: () => performance.now(), wallClockMs: () => Date.now() };
    calls = createCalls({ machine: session.machine, clock, sleep });
    calls.timeline("");
  }, LIMIT_MS);

  afterAll(() => session.machine.dispose());

  it("has a write from kick to complete, in order", { timeout: LIMIT_MS }, async () => {
    await session.command("dd if=/dev/zero of=/dev/vda bs=64k count=1 conv=fsync,notrunc");
    const { first, end, revision, mistake } = calls.timeline("dev:block len>4096 readable>4096");
    expect(mistake).toBeUndefined();
    expect(end).toBeGreaterThan(first);
    const [row] = calls.timelineRows(first, 1, revision);
    expect(row).toMatchObject({
      index: first,
      device: "blk0",
      slot: 1,
      outcome: "done",
      written: 1,
    });
    const { kick, pop, push, used, pulse, claim, complete } = row.times;
    const moments = [kick, pop, push, used, pulse, claim, complete];
    expect(moments).not.toContain(undefined);
    expect(moments).toEqual(moments.toSorted((a, b) => a! - b!));
    expect(row.latency).toBe(claim! - kick!);
    const detail = calls.timelineRequest(row.seq);
    expect(detail?.readable?.[0]).toBe(1);
    expect(detail?.written).toEqual(Uint8Array.of(0));
    expect(calls.timelineLatencies().phases.total.count).toBe(end - first);
    calls.timeline("dev:entropy");
    expect(calls.timelineRows(first, 1, revision)).toEqual([]);
  });

  it("records nothing while it is stopped", { timeout: LIMIT_MS }, async () => {
    calls.timelineRecord(false);
    const before = calls.timeline("");
    expect(before.isRecording).toBe(false);
    await session.command("dd if=/dev/vda of=/dev/null bs=64k count=1");
    expect(calls.timeline("")).toEqual(before);
    calls.timelineRecord(true);
    expect(calls.timeline("").isRecording).toBe(true);
  });

  it("rests while the inspector is closed", { timeout: LIMIT_MS }, async () => {
    const before = calls.timeline("");
    expect(before.isRecording).toBe(true);
    const { tap } = session.machine.slots;
    expect(tap.observers).toHaveLength(1);
    calls.timelineRest();
    expect(tap.observers).toEqual([]);
    await session.command("dd if=/dev/vda of=/dev/null bs=64k count=1");
    expect(calls.timeline("")).toEqual(before);
    await session.command("dd if=/dev/vda of=/dev/null bs=64k count=1");
    expect(calls.timeline("").end).toBeGreaterThan(before.end);
  });
});
