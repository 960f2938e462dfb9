#!/usr/bin/env node
/** `npm start`: installs what is missing, builds the page, serves it with the relay. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Whether npm installed from exactly this lock file: it keeps a copy without the root's entry. */
function isInstalled() {
  try {
    const { packages: wanted } = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8"));
    const installed = readFileSync(`${root}node_modules/.package-lock.json`, "utf8");
    const { packages } = JSON.parse(installed);
    // Optional packages for other systems are in the lock but not installed.
    return Object.entries(wanted).every(
      ([path, { version, optional }]) =>
        path === "" || (packages[path]?.version ?? (optional ? version : undefined)) === version,
    );
  } catch {
    return false;
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

if (!isInstalled()) run("npm", ["ci"]);
const { register } = await import("tsx/esm/api");
register();
const { startMain } = await import("../cli/start.ts");
const argv = process.argv.slice(2);
if (!argv.includes("--help")) run(process.execPath, ["node_modules/vite/bin/vite.js", "build"]);
const code = await startMain(`${root}dist`, argv);
if (code !== undefined) process.exitCode = code;
