/**
 * `npm run bench:timeline`: what it costs to record every request. The embedded guest reads a disk past
 * the page cache, 4 KiB at a time, which is as many requests a second as it can make; runs with and
 * without the record alternate, and the time that the machine's thread is busy counts. Nothing is recorded
 * while the inspector is closed, so that the runs without are also what a machine costs to whom no
 * inspector is shown.
 */
import { Timeline } from "../src/inspect/timeline/timeline.ts";
import { LinuxSession, PROMPT } from "../src/machine/testing/linux-session.ts";
import { BlockDevice } from "../src/virtio/devices/block.ts";
import { MemoryBlockBackend } from "../src/virtio/devices/memory-block-backend.ts";
import { median } from "./median.ts";
import { costOf, formatCost, OWN_THREAD, timeOf } from "./thread-time.ts";

/** Until the translator has nothing more to do. */
const WARM_UP_RUNS = 8;
const PAIRS = 15;
/** Of 4 KiB, by one process: a new one would be code to translate. */
const READS = 8192;
const SECTORS = READS * 8;

const session = new LinuxSession({
  append: "console=hvc0 quiet tabvisor.disk=none",
  attach: (machine) => {
    machine.attach(new BlockDevice("blk1", new MemoryBlockBackend({ sectors: SECTORS })));
  },
});
await session.until(PROMPT);
const clock = { nowMs: () => performance.now(), wallClockMs: () => Date.now() };
const { recorder } = new Timeline({ machine: session.machine, clock });
const without: number[] = [];

/** Microseconds of the processor for one request. */
async function run(isRecorded: boolean): Promise<number> {
  if (isRecorded) recorder.start();
  const start = timeOf(OWN_THREAD);
  await session.command(
    `dd if=/dev/vdb of=/dev/null bs=4k count=${READS} iflag=direct 2>/dev/null`,
  );
  const us = (timeOf(OWN_THREAD) - start) / 1000 / READS;
  recorder.stop();
  if (!isRecorded) without.push(us);
  return us;
}

for (let i = 0; i < WARM_UP_RUNS; i++) await run(i % 2 === 0);
without.length = 0;
const cost = await costOf(PAIRS, run);
session.machine.dispose();

const us = median(without);
const more = us * cost.median;
process.stdout.write(
  `${us.toFixed(1)} µs a request, ${more.toFixed(2)} µs more when recorded: ${formatCost(cost)}\n`,
);
