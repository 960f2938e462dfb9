/** The tables of `npm run bench:io`. */
import type { Counts } from "./io-counts.ts";
import type { IoSystem, IoWorkload } from "./io-workloads.ts";
import { median } from "./median.ts";
import { dateAndMachine, table } from "./report.ts";
import type { System } from "./systems.ts";

export interface IoReport {
  readonly workloads: readonly IoWorkload[];
  readonly systems: ReadonlyMap<IoSystem, System>;
  /** By name of workload and system. */
  readonly rates: ReadonlyMap<string, readonly number[]>;
  readonly counts: ReadonlyMap<string, Counts>;
  readonly runs: number;
}

const SHOWN: readonly IoSystem[] = ["chromium", "node", "qemu"];

export function renderIo({ workloads, systems, rates, counts, runs }: IoReport): string {
  const rate = (workload: IoWorkload, system: IoSystem): number | undefined => {
    const list = rates.get(`${workload.name} ${system}`);
    return list && median(list);
  };
  const rows = workloads.map((workload) => {
    const [page, node, qemu] = SHOWN.map((system) => rate(workload, system));
    // Like is compared with like: of a shared directory, 9P with 9P.
    const ours = node ?? page;
    return [
      workload.name,
      workload.unit,
      ...[page, node, qemu].map((value) => value?.toFixed(0) ?? ""),
      ours !== undefined && qemu !== undefined ? (ours / qemu).toFixed(2) : "",
    ];
  });
  const notified = workloads
    .filter((workload) => workload.counts !== undefined)
    .map(({ name }) => [
      name,
      ...(["chromium", "plain"] as const).flatMap((system) => {
        const seen = counts.get(`${name} ${system}`);
        return [seen?.kicks.toFixed(3) ?? "", seen?.interrupts.toFixed(3) ?? ""];
      }),
    ]);
  const versions = [...systems].filter(([name]) => SHOWN.includes(name));
  return [
    "# Devices side by side",
    "",
    `${dateAndMachine()}. Medians of ${runs} runs, which alternate between the systems.`,
    "",
    ...versions.map(([name, { version }]) => `- ${name}: ${version}`),
    "",
    "The ratio is the page's speed, or where there is one the headless runner's, over QEMU's.",
    "",
    ...table([["workload", "unit", ...SHOWN, "ratio"], ...rows], 2),
    "",
    "Notifications for each request or packet, in the page, with and without EVENT_IDX:",
    "",
    ...table(
      [["workload", "kicks", "interrupts", "kicks without", "interrupts without"], ...notified],
      1,
    ),
    "",
  ].join("\n");
}
