import { beforeAll, describe, expect, test } from "vitest";
import { COMPRESSED_ROWS, ROWS } from "../src/isa/table.ts";
import { type GroupRun, runGroups } from "./batches.ts";
import { hashRecord, readGolden } from "./golden.ts";
import { GROUPS, NEWER_GROUPS } from "./groups.ts";
import { RAM_SIZE } from "./layout.ts";
import { runOnHart } from "./on-hart.ts";
import { differences, report } from "./report.ts";

const REGENERATE = "run `npm run oracle`";
const CASES_PER_ROW = 200;
/** So many mismatches of a group are shown in full. */
const REPORTS_MAX = 3;
/** Groups that the translator runs too. */
const TRANSLATED = [
  "beq",
  "jalr",
  "lw",
  "sd",
  "amoadd.w",
  "c.jalr",
  "fadd.d",
  "fnmsub.s",
  "czero.eqz",
  "cbo.zero",
  "cbo.clean",
  "sequences",
];
const ALL = [...GROUPS, ...NEWER_GROUPS];

describe("against QEMU", () => {
  const golden = new Map(readGolden().groups.map((group) => [group.name, group]));
  const runs = new Map<string, GroupRun>();

  beforeAll(() => {
    for (const groups of [GROUPS, NEWER_GROUPS]) {
      for (const run of runGroups(groups, (image) => runOnHart(image, RAM_SIZE).memory)) {
        runs.set(run.group.name, run);
      }
    }
  }, 120_000);

  test("every row has enough cases", () => {
    for (const { name } of [...ROWS, ...COMPRESSED_ROWS]) {
      const count = golden.get(name)?.cases.length ?? 0;
      expect(count, `${name}: ${REGENERATE}`).toBeGreaterThanOrEqual(CASES_PER_ROW);
    }
  });

  test.each(ALL.map(({ name }) => name))("%s", (name) => compare(name, runs.get(name)));

  // All rows would take minutes: each case is new code to translate. Sequences have every row.
  test.each(TRANSLATED)(
    "%s, translated",
    (name) => {
      const groups = ALL.filter((group) => group.name === name);
      const execute = (image: Uint8Array) =>
        runOnHart(image, RAM_SIZE, { tier: "translator" }).memory;
      for (const run of runGroups(groups, execute)) compare(name, run);
    },
    120_000,
  );

  function compare(name: string, run: GroupRun | undefined): void {
    const expected = golden.get(name);
    if (run === undefined || expected === undefined) throw new Error(REGENERATE);
    const inputs = run.inputs.reduce(hashRecord, 0);
    if (inputs !== expected.inputs) throw new Error(`the cases have changed: ${REGENERATE}`);
    const wrong: number[] = [];
    for (const [k, input] of run.inputs.entries()) {
      if (differences(name, input, expected.cases[k], run.results[k]).length > 0) wrong.push(k);
    }
    const reports = wrong
      .slice(0, REPORTS_MAX)
      .map((k) => report(name, k, run.inputs[k], expected.cases[k], run.results[k]));
    if (wrong.length > 0) {
      throw new Error(`${wrong.length} of ${run.inputs.length} differ\n${reports.join("\n")}`);
    }
  }
});
