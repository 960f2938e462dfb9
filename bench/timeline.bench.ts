/**
 * `npm run bench:timeline`: what it costs to record every request. The embedded guest reads a disk past
 * the page cache, 4 KiB at a time, which is as many requests a second as it can make. Meanwhile the record
 * is switched on and off all the time, and what counts is how long the machine's thread is busy for a
 * request. Nothing is recorded while the inspector is closed, so that the time without is also what a
 * machine costs to whom no inspector is shown.
 */
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
/** So short that what else the computer does is the same before and after a switch. */
const REQUESTS = 256;
const PAIRS = 601;
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
const clock = { nowMs: () => performance.now(), wallClockMs: () => Date.now() };
const { recorder } = new Timeline({ machine: session.machine, clock });
/** Microseconds for a request, of all runs without and with. */
const times = { without: [] as number[], recorded: [] as number[] };

const served = () => disk.inspect().queues.reduce((sum, { completed }) => sum + completed, 0);

/** Microseconds of the processor for one request. */
async function run(isRecorded: boolean, requests = REQUESTS): Promise<number> {
  if (isRecorded) recorder.start();
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
times.without.length = times.recorded.length = 0;
const cost = await costOf(PAIRS, run);
session.machine.dispose();

for (const [name, all] of Object.entries(times)) {
  const us = [fastest(all), median(all)].map((time) => time.toFixed(1));
  process.stdout.write(
    `${name.padEnd(9)} ${us[0]} µs a request in the fastest runs, ${us[1]} in all\n`,
  );
}
process.stdout.write(`more when recorded: ${formatCost(cost)}\n`);
