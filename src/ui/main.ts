/** The first code of the page: starts the machine, then loads the page around it. */
import { readBootConfig } from "./boot-config.ts";
import { ConfigError } from "./config-error.ts";
import { openMachine } from "./machine-link.ts";
import type { Startup } from "./session.ts";

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

// The Worker fetches the kernel while the browser fetches and runs the terminal.
const startup = begin();
const [{ mount }] = await Promise.all([import("./app.tsx"), htmlRead()]);
mount(startup, document.querySelector("#app")!);
