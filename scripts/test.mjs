#!/usr/bin/env node
/**
 * `npm test`: installs what is missing, then checks types, style and layers, runs the unit tests and
 * boots the page in real browsers. The last line counts the tests.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arePackagesInstalled, BROWSERS, provideBrowser, run } from "./dependencies.mjs";

const CHECKS = [
  "check:types",
  "check:style",
  "check:layers",
  "check:dead",
  "check:devices",
  "check:guest",
];

/** Long enough to try some ten thousand guests. */
const FUZZ_SECONDS = "60";

const folder = mkdtempSync(join(tmpdir(), "tabvisor-test-"));
let passed = 0;
let failed = 0;

function heading(text) {
  process.stdout.write(`\n== ${text}\n`);
}

/** Adds up a report's counts; a run that failed without a failed test counts as one. */
function add(counts, status) {
  passed += counts.passed;
  failed += counts.failed === 0 && status !== 0 ? 1 : counts.failed;
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

function runChecks() {
  for (const check of CHECKS) {
    heading(check);
    if (run("npm", ["run", "--silent", check]) !== 0) failed += 1;
  }
}

function runUnitTests() {
  heading("unit tests");
  const path = join(folder, "unit.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${path}`];
  const status = run("npx", ["vitest", "run", ...reporters]);
  const report = readReport(path);
  add({ passed: report?.numPassedTests ?? 0, failed: report?.numFailedTests ?? 0 }, status);
}

/** Goes on from the guests that are committed; what it finds it prints, as short as it gets. */
function runFuzzer() {
  heading("fuzzing");
  const status = run("npm", ["run", "--silent", "fuzz", "--", "--seconds", FUZZ_SECONDS]);
  add({ passed: status === 0 ? 1 : 0, failed: 0 }, status);
}

function runEndToEndTests() {
  heading("end-to-end tests");
  const missing = provideBrowser(BROWSERS.chromium);
  if (missing !== undefined) {
    process.stdout.write(`${missing}\n`);
    failed += 1;
    return;
  }
  const noFirefox = provideBrowser(BROWSERS.firefox);
  if (noFirefox !== undefined) {
    process.stdout.write(`Firefox is left out. ${noFirefox}\n`);
    if (process.env.CI) failed += 1;
  }
  const path = join(folder, "e2e.json");
  const status = run("npx", ["playwright", "test", "--reporter=list,json"], {
    PLAYWRIGHT_JSON_OUTPUT_FILE: path,
  });
  const { expected = 0, flaky = 0, unexpected = 0 } = readReport(path)?.stats ?? {};
  add({ passed: expected + flaky, failed: unexpected }, status);
}

if (!arePackagesInstalled() && run("npm", ["ci"]) !== 0) failed += 1;
runChecks();
runUnitTests();
runFuzzer();
runEndToEndTests();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
