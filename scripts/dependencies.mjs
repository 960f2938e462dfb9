/** What has to be installed before anything else runs. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Whether npm installed from exactly this lock file: it keeps a copy without the root's entry. */
export function arePackagesInstalled() {
  try {
    const { packages: wanted } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
    const copy = readFileSync(join(ROOT, "node_modules/.package-lock.json"), "utf8");
    const { packages } = JSON.parse(copy);
    // Optional packages for other systems are in the lock but not installed.
    return Object.entries(wanted).every(
      ([path, { version, optional }]) =>
        path === "" || (packages[path]?.version ?? (optional ? version : undefined)) === version,
    );
  } catch {
    return false;
  }
}

/** Runs a program with its output shown; gives its exit status. */
export function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  if (error !== undefined) process.stderr.write(`${command}: ${error.message}\n`);
  return status ?? 1;
}

/** Browsers that the end-to-end tests drive; `e2e/browsers.ts` looks under the same names. */
export const BROWSERS = {
  chromium: {
    variable: "CHROMIUM",
    package: "chromium",
    programs: ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
  },
  firefox: { variable: "FIREFOX", package: "firefox-esr", programs: ["firefox-esr"] },
};

/**
 * Sees to it that a browser is there: one that is installed, else Debian's package if we are root.
 * Gives undefined when it is, else a sentence on what to install.
 */
export function provideBrowser({ variable, package: name, programs }) {
  const isThere = () => Boolean(process.env[variable]) || programs.some(isOnPath);
  if (isThere()) return undefined;
  if (process.getuid?.() === 0 && isOnPath("apt-get")) {
    process.stdout.write(`Installing ${name}\n`);
    run("apt-get", ["update", "-q"]);
    run("apt-get", ["install", "-y", "-q", "--no-install-recommends", name], {
      DEBIAN_FRONTEND: "noninteractive",
    });
    if (isThere()) return undefined;
  }
  return `The end-to-end tests need ${name}: install it, or name its program in ${variable}.`;
}

function isOnPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
