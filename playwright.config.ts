import { existsSync } from "node:fs";
import { defineConfig, type Project } from "@playwright/test";
import { chromiumOptions, findBrowser } from "./e2e/browsers.ts";

const firefox = findBrowser("firefox");

/** Sandboxes need privileges that root in a container does not have. */
const projects: Project[] = [
  {
    name: "chromium",
    use: { browserName: "chromium", launchOptions: chromiumOptions() },
  },
];
if (firefox !== undefined && existsSync(firefox)) {
  projects.push({
    name: "firefox",
    // What differs between browsers; the rest of the page is the same in both.
    grep: /boot\.spec|@firefox/,
    use: {
      browserName: "firefox",
      channel: "moz-firefox",
      launchOptions: { executablePath: firefox },
    },
  });
}

export default defineConfig({
  testDir: "e2e",
  globalSetup: "./e2e/global-setup.ts",
  // Each test runs a machine that keeps one core busy while it boots.
  workers: 1,
  // A computer that does other work at the time may miss a deadline; a retry is listed as flaky.
  retries: 1,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  forbidOnly: process.env.CI !== undefined,
  reporter: "list",
  outputDir: "test-results",
  use: {
    viewport: { width: 1000, height: 640 },
    screenshot: "only-on-failure",
    actionTimeout: 15_000,
  },
  projects,
});
