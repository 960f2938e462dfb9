/** Writes the results as a table that a person reads, and keeps what people have written below it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { median } from "./median.ts";
import type { Startup } from "./startup.ts";
import type { Measured, System } from "./systems.ts";
import type { Workload } from "./workloads.ts";

/** Below this line the file belongs to people. */
const MARKER = "<!-- written by hand below -->";

/** By workload and system, the measurements of all runs. */
type Results = ReadonlyMap<string, ReadonlyMap<string, readonly Measured[]>>;

export interface Report {
  readonly workloads: readonly Workload[];
  readonly systems: readonly System[];
  readonly results: Results;
  readonly runs: number;
  /** In Chromium, if it was measured. */
  readonly startup: Startup | undefined;
}

/** Puts `text` above what people have written in the file. */
export function writeReport(path: string, text: string): void {
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  const kept = before.includes(MARKER) ? before.slice(before.indexOf(MARKER)) : `${MARKER}\n`;
  writeFileSync(path, `${text}\n${kept}`);
}

export function render({ workloads, systems, results, runs, startup }: Report): string {
  const names = systems.map(({ name }) => name);
  const rows = workloads.map(({ name, kind }) => [
    name,
    kind,
    ...names.map((system) => format(results.get(name)?.get(system))),
    ratio(results, name)?.toFixed(2) ?? "",
  ]);
  const means = (["compute", "storm"] as const).map((kind) => {
    const ratios = workloads.flatMap((workload) =>
      workload.kind === kind ? (ratio(results, workload.name) ?? []) : [],
    );
    return `- ${kind}: geometric mean ${geometricMean(ratios).toFixed(2)}, least ${Math.min(...ratios).toFixed(2)}`;
  });
  return [
    "# Side by side",
    "",
    `${dateAndMachine()}. Medians of ${runs} runs.`,
    "",
    ...systems.map(({ name, version }) => `- ${name}: ${version}`),
    ...(startup === undefined ? [] : [startupLine(startup)]),
    "",
    "Seconds, or work in a second where marked /s. The ratio is the speed in Chromium over that in QEMU.",
    "",
    ...table([["workload", "kind", ...names, "ratio"], ...rows], TEXT_COLUMNS),
    "",
    ...means,
    "",
  ].join("\n");
}

export function dateAndMachine(): string {
  const [cpu] = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  return `${new Date().toISOString().slice(0, 10)}, ${cpu.model.trim()}, ${cpus().length} cores, ${memory}`;
}

function startupLine({ promptMs, longestTaskMs }: Startup): string {
  const longest = longestTaskMs === 0 ? "less than 50 ms" : `${longestTaskMs.toFixed(0)} ms`;
  return `- navigation to shell prompt in Chromium, cold cache: ${promptMs.toFixed(0)} ms; longest task of the page's main thread until then: ${longest}`;
}

/** The first columns are text; the rest are numbers, which are set flush right. */
const TEXT_COLUMNS = 2;

/** Lines of a table whose first row is its head. */
export function table(rows: readonly (readonly string[])[], textColumns: number): string[] {
  const widths = rows[0].map((_, k) => Math.max(...rows.map((row) => row[k].length)));
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const [head, ...body] = rows.map((row) =>
    line(
      row.map((cell, k) => (k < textColumns ? cell.padEnd(widths[k]) : cell.padStart(widths[k]))),
    ),
  );
  const rule = widths.map((width, k) =>
    k < textColumns ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [head, line(rule), ...body];
}

function format(measured: readonly Measured[] | undefined): string {
  if (measured === undefined || measured.length === 0) return "";
  const value = median(measured.map((one) => one.value));
  return measured[0].isRate ? `${Math.round(value)}/s` : value.toFixed(2);
}

/** Speed in Chromium over speed in QEMU. */
function ratio(results: Results, workload: string): number | undefined {
  const [ours, theirs] = ["chromium", "qemu"].map((name) => results.get(workload)?.get(name) ?? []);
  if (ours.length === 0 || theirs.length === 0) return undefined;
  const [a, b] = [ours, theirs].map((list) => median(list.map(({ value }) => value)));
  return ours[0].isRate ? a / b : b / a;
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
