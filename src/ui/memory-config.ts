/** Reads from the page's address which devices about memory the machine has. */
import type { MemoryConfig } from "../worker/protocol.ts";
import { ConfigError, inField } from "./config-error.ts";

/** RAM and what is above it: more and wasm32 and the address map are at their end. */
export const MAX_RAM_MIB = 2048;

/** Linux plugs memory in sections of that many MiB. */
const HOTPLUG_STEP_MIB = 128;

/** Files are mapped in blocks of that many MiB. */
const DAX_STEP_MIB = 2;

/** @throws ConfigError */
export function readMemory(query: URLSearchParams, ramMiB: number): MemoryConfig {
  const balloon = query.get("balloon");
  const hotplug = query.get("hotplug");
  const dax = query.get("dax");
  return {
    ...(balloon !== "none" && {
      balloonMiB: inField("balloon", () => readBalloon(balloon, ramMiB)),
    }),
    ...(hotplug && { hotplug: inField("hotplug", () => readHotplug(hotplug, ramMiB)) }),
    ...(dax && { daxMiB: inField("dax", () => readDax(dax, ramMiB)) }),
  };
}

/** Size of the window in which files can be mapped: memory beside RAM. */
function readDax(value: string, ramMiB: number): number {
  const mib = readMib(value);
  if (mib > 0 && mib % DAX_STEP_MIB === 0 && ramMiB + mib <= MAX_RAM_MIB) return mib;
  throw new ConfigError(
    `Shared files cannot be mapped in ${value} MiB.`,
    `Give dax a multiple of ${DAX_STEP_MIB}, with RAM up to ${MAX_RAM_MIB} MiB.`,
  );
}

/** `SIZE` or `SIZE,PLUGGED`, both in MiB. */
function readHotplug(value: string, ramMiB: number): { mib: number; pluggedMiB: number } {
  const [size, plugged = "0"] = value.split(",", 2);
  const mib = readMib(size);
  if (!(mib > 0 && mib % HOTPLUG_STEP_MIB === 0 && ramMiB + mib <= MAX_RAM_MIB)) {
    throw new ConfigError(
      `The machine cannot have ${size} MiB of memory to plug.`,
      `Give hotplug a multiple of ${HOTPLUG_STEP_MIB}, with RAM up to ${MAX_RAM_MIB} MiB.`,
    );
  }
  return { mib, pluggedMiB: readPlugged(plugged, mib) };
}

/** What is plugged of `mostMiB`. @throws ConfigError */
export function readPlugged(value: string, mostMiB: number): number {
  const mib = readMib(value);
  if (mib <= mostMiB) return mib;
  throw new ConfigError(`${value} MiB cannot be plugged.`, `Give up to ${mostMiB} MiB.`);
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
