/** Which browsers the tests drive: those that are installed. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Names under which systems install each browser, and the variable that names another one. */
const BROWSERS = {
  chromium: {
    variable: "CHROMIUM",
    names: ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
  },
  firefox: { variable: "FIREFOX", names: ["firefox-esr"] },
} as const;

/** The path of a browser's program, or undefined if there is none. */
export function findBrowser(kind: keyof typeof BROWSERS): string | undefined {
  const { variable, names } = BROWSERS[kind];
  const given = process.env[variable];
  if (given !== undefined && given !== "") return given;
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** No graphics and nothing in the background; as root also no sandbox, which root cannot have. */
const CHROMIUM_ARGS: string[] = [
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How Chromium is started: the one that is installed, or else Playwright's own. */
export function chromiumOptions() {
  const executablePath = findBrowser("chromium");
  return { args: CHROMIUM_ARGS, ...(executablePath !== undefined && { executablePath }) };
}
