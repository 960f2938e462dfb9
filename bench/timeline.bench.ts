/**
 * `npm run bench:timeline`: what it costs to record every request. The embedded guest reads its disk
 * past the page cache, 4 KiB at a time, which is as many requests a second as it can make; runs with
 * and without the record alternate. Nothing is recorded while the inspector is closed, so that the
 * runs without are also what a machine costs to whom no inspector is shown.
 */
import { Timeline } from "../src/inspect/timeline/timeline.ts";
import { LinuxSession, PROMPT } from "../src/machine/testing/linux-session.ts";
import { median } from "./median.ts";

const WARM_UP_RUNS = 4;
const RUNS = 9;
/** Of 4 KiB: all of the test's disk. */
const READS = 512;
const ROUNDS = 8;

const session = new LinuxSession({ append: "console=hvc0 quiet tabvisor.disk=none" });
await session.until(PROMPT);
const clock = { nowMs: () => performance.now(), wallClockMs: () => Date.now() };
const { recorder } = new Timeline({ machine: session.machine, clock });

/** Microseconds of the processor for one request. */
async function run(): Promise<number> {
  const dd = `dd if=/dev/vda of=/dev/null bs=4k count=${READS} iflag=direct 2>/dev/null`;
  const start = process.cpuUsage();
  await session.command(`for i in $(seq ${ROUNDS}); do ${dd}; done`);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / (READS * ROUNDS);
}

const times = { without: [] as number[], with: [] as number[] };
// The host's engine translates the recorder's code meanwhile, and the machine the guest's.
recorder.start();
for (let i = 0; i < WARM_UP_RUNS; i++) await run();
recorder.stop();
for (let i = 0; i < RUNS; i++) {
  times.without.push(await run());
  recorder.start();
  times.with.push(await run());
  recorder.stop();
}
session.machine.dispose();

const without = median(times.without);
const cost = median(times.with) - without;
const percent = (100 * cost) / without;
process.stdout.write(
  `${without.toFixed(1)} µs a request, ${cost.toFixed(2)} µs more when recorded (${percent.toFixed(1)}%)\n`,
);
