/**
 * `npm run bench:timeline`: what it costs to record requests. The embedded guest reads a disk past
 * the page cache, 4 KiB at a time, which is as many requests a second as it can make. Meanwhile the record
 * is switched on and off all the time, and what counts is how long the machine's thread is busy for a
 * request. Nothing is recorded while the inspector is closed, so that the time without is also what a machine costs to
 * whom no inspector is shown.
 *
 * - `recorded`: every request is in the record, as when somebody looks at it.
 * - `left out`: every panel has been shown and nobody looks any more, and so many have been recorded in this second
 *   that no more are.
 *
 * From both comes the last line: what panels that nobody looks at cost in all.
 */
import { createCalls } from "../src/inspect/calls.ts";
import { REQUESTS_PER_WINDOW, UNWATCHED_US } from "../src/inspect/timeline/allowance.ts";
import { LinuxSession, PROMPT } from "../src/machine/testing/linux-session.ts";
import { BlockDevice } from "../src/virtio/devices/block.ts";
import { MemoryBlockBackend } from "../src/virtio/devices/memory-block-backend.ts";
import type { VirtioObserver } from "../src/virtio/observer.ts";
import { median } from "./median.ts";
import { costOf, formatCost, ownTime } from "./thread-time.ts";

/**
 * Half of them recorded: until the translator has nothing more to do, and the record has gone round, so that its
 * memory is there.
 */
const WARM_UP_REQUESTS = 320_000;
/** So few that what else the computer does is the same before and after a switch. */
const REQUESTS = 256;
const PAIRS = 1201;
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
const { tap } = slots;
const { slot, transport: disk } = slots.occupied.find(
  ({ transport }) => transport.name === "blk1",
)!;
let skippedMs = 0;
const clock = { nowMs: () => performance.now() + skippedMs, wallClockMs: () => Date.now() };
// What has been left out once stays so: nothing comes later.
const calls = createCalls({ machine: session.machine, clock, sleep: () => () => {} });
/** Microseconds for a request, of all runs without a record. */
const without: number[] = [];

const served = () => disk.inspect().queues.reduce((sum, { completed }) => sum + completed, 0);

/** Microseconds of the processor for one request; who watches is told of them. */
async function run(
  requests: number,
  watching: readonly VirtioObserver[],
  isRecorded = false,
): Promise<number> {
  if (isRecorded) calls.timelineRecord(true);
  else tap.observers = watching;
  const [first, start] = [served(), ownTime()];
  await session.runUntil(() => served() >= first + requests, "end of requests");
  // Reads what has been noted, too.
  if (isRecorded) calls.timelineRecord(false);
  return (ownTime() - start) / 1000 / (served() - first);
}

session.begin("dd if=/dev/vdb of=/dev/null bs=4k iflag=direct");
for (const isRecorded of [false, true]) await run(WARM_UP_REQUESTS / 2, [], isRecorded);
const recorded = await costOf(PAIRS, async (isRecorded) => {
  const us = await run(REQUESTS, [], isRecorded);
  if (!isRecorded) without.push(us);
  return us;
});
process.stdout.write(`recorded ${formatCost(recorded)}\n`);
calls.timelineRecord(true);
calls.slotMap();
calls.device(slot);
calls.queues();
calls.queue(slot, 0);
calls.interrupts();
calls.cpuState();
calls.cpuTranslation();
skippedMs += UNWATCHED_US / 1000 + 1;
await run(REQUESTS_PER_WINDOW + 1, tap.observers);
const watching = tap.observers;
const { distributor } = session.machine.interrupts;
if (tap.ofRequests.length + distributor.observers.length > 0) throw new Error("somebody is told");
const leftOut = await costOf(PAIRS, (isLeftOut) => run(REQUESTS, isLeftOut ? watching : []));
process.stdout.write(`left out ${formatCost(leftOut)}\n`);
const us = median(without);
/** Of each second, if a request costs that much more when it is recorded and when it is left out. */
const inAll = (recordedMore: number, leftOutMore: number): string => {
  const share = (recordedMore * us * REQUESTS_PER_WINDOW) / 1e6 + leftOutMore;
  return `${(100 * share).toFixed(1)} %`;
};
const [from, to] = [0, 1].map((end) => inAll(recorded.interval[end], leftOut.interval[end]));
process.stdout.write(
  `without a record ${us.toFixed(1)} µs a request; recorded ${(recorded.median * us).toFixed(1)} µs more\n` +
    `nobody looks: ${inAll(recorded.median, leftOut.median)} (from ${from} to ${to})\n`,
);
session.machine.dispose();
