/** The first code of the page: starts the machine, then loads the page around it. */
import { readBootConfig } from "./boot-config.ts";
import { ConfigError } from "./config-error.ts";
import { openMachine } from "./machine-link.ts";
import { nextTask } from "./next-task.ts";
import type { Startup } from "./session.ts";

/**
 * How long the page waits for the guest to run before it is put together, in ms: both at once take
 * longer on few processors. Who waits for a download sees the page meanwhile.
 */
const PAGE_MS = 250;

function begin(): Startup {
  const page = new URL(location.href);
  try {
    const config = readBootConfig(page, new URL(".", page));
    return { config, link: openMachine(config) };
  } catch (error) {
    if (error instanceof ConfigError) return { problem: error };
    throw error;
  }
}

/** This code does not wait for the HTML to be read to its end. */
async function htmlRead(): Promise<void> {
  if (document.readyState !== "loading") return;
  await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
}

async function begun({ link }: Startup): Promise<void> {
  if (link === undefined) return;
  await Promise.race([link.begun, new Promise((resolve) => setTimeout(resolve, PAGE_MS))]);
}

async function run(): Promise<void> {
  const startup = begin();
  await Promise.all([begun(startup), htmlRead()]);
  const { mount } = await import("./app.tsx");
  await nextTask();
  mount(startup, document.querySelector("#app")!);
}

// Not awaited: the page's other code imports from the file that this is bundled into.
void run();
