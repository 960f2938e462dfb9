/** Reads from the page's address which devices about memory the machine has. */
import type { MemoryConfig } from "../worker/protocol.ts";
import { ConfigError } from "./config-error.ts";

/** @throws ConfigError */
export function readMemory(query: URLSearchParams, ramMiB: number): MemoryConfig {
  const balloon = query.get("balloon");
  return balloon === "none" ? {} : { balloonMiB: readBalloon(balloon, ramMiB) };
}

/** The size of the balloon in MiB: less than RAM, or the guest would have none. @throws ConfigError */
export function readBalloon(value: string | null, ramMiB: number): number {
  if (value === null || value === "") return 0;
  const mib = readMib(value);
  if (mib < ramMiB) return mib;
  throw new ConfigError(
    `The balloon cannot take ${value} MiB.`,
    `Give balloon less than the machine's ${ramMiB} MiB, or none.`,
  );
}

/** NaN for what is not a number of MiB. */
export function readMib(value: string): number {
  return Number(/^(\d+)(M|MiB|MB)?$/i.exec(value)?.[1] ?? Number.NaN);
}
