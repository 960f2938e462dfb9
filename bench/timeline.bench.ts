/**
 * `npm run bench:timeline`: what it costs to record requests. The embedded guest reads a disk past
 * the page cache, 4 KiB at a time, which is as many requests a second as it can make. Meanwhile the record
 * is switched on and off all the time, and what counts is how long the machine's thread is busy for a
 * request: first with somebody who looks at the record, so that every request is in it, then with nobody. Nothing is
 * recorded while the inspector is closed, so that the time without is also what a machine costs to whom no inspector is
 * shown.
 */
import { UNWATCHED_US } from "../src/inspect/timeline/allowance.ts";
import { Timeline } from "../src/inspect/timeline/timeline.ts";
import { LinuxSession, PROMPT } from "../src/machine/testing/linux-session.ts";
import { BlockDevice } from "../src/virtio/devices/block.ts";
import { MemoryBlockBackend } from "../src/virtio/devices/memory-block-backend.ts";
import { median } from "./median.ts";
import { costOf, fastest, formatCost, ownTime } from "./thread-time.ts";

/**
 * Half of them recorded: until the translator has nothing more to do, and the record has gone round, so that its
 * memory is there.
 */
const WARM_UP_REQUESTS = 320_000;
/**
 * Requests of a run, and pairs of runs. With somebody who looks, runs are so short that what else the computer
 * does is the same before and after a switch; with nobody they last some seconds, of each of which a part is recorded.
 */
const SCENES = {
  "looked at": { requests: 256, pairs: 601, isWatched: true },
  "not looked at": { requests: 65_536, pairs: 32, isWatched: false },
} as const;
/** More than are read. */
const SECTORS = 2 ** 31;

const session = new LinuxSession({
  append: "console=hvc0 quiet tabvisor.disk=none",
  attach: (machine) => {
    machine.attach(new BlockDevice("blk1", new MemoryBlockBackend({ sectors: SECTORS })));
  },
});
await session.until(PROMPT);
const { slots } = session.machine;
const disk = slots.occupied.find(({ transport }) => transport.name === "blk1")!.transport;
let skippedMs = 0;
const clock = { nowMs: () => performance.now() + skippedMs, wallClockMs: () => Date.now() };
const { recorder } = new Timeline({ machine: session.machine, clock });
/** Microseconds for a request, of all runs without and with. */
const times = { without: [] as number[], recorded: [] as number[] };

const served = () => disk.inspect().queues.reduce((sum, { completed }) => sum + completed, 0);

/** Microseconds of the processor for one request. */
async function run(isRecorded: boolean, requests: number, isWatched = true): Promise<number> {
  if (isRecorded) recorder.start();
  if (!isWatched) skippedMs += UNWATCHED_US / 1000 + 1;
  const [first, start] = [served(), ownTime()];
  await session.runUntil(() => served() >= first + requests, "end of requests");
  // Reads what has been noted, too.
  if (isRecorded) recorder.stop();
  const us = (ownTime() - start) / 1000 / (served() - first);
  times[isRecorded ? "recorded" : "without"].push(us);
  return us;
}

session.begin("dd if=/dev/vdb of=/dev/null bs=4k iflag=direct");
for (const isRecorded of [false, true]) await run(isRecorded, WARM_UP_REQUESTS / 2);
for (const [name, { requests, pairs, isWatched }] of Object.entries(SCENES)) {
  times.without.length = times.recorded.length = 0;
  const cost = await costOf(pairs, (isRecorded) => run(isRecorded, requests, isWatched));
  const us = Object.values(times).map(
    (all) => `${fastest(all).toFixed(1)}, ${median(all).toFixed(1)}`,
  );
  process.stdout.write(
    `${name}: µs a request in the fastest runs and in all, without ${us[0]}, recorded ${us[1]}\n` +
      `  more when recorded: ${formatCost(cost)}\n`,
  );
}
session.machine.dispose();
