/**
 * A machine as it is described: by the parameters of the page's address, as a form, and as JSON. The
 * address is the one description, and `boot-config.ts` says what it means; here is what its fields are,
 * and how they look in the other two.
 */
import type { BootConfig } from "../worker/protocol.ts";
import { DEFAULT_APPEND, readBootConfig } from "./boot-config.ts";
import { ConfigError } from "./config-error.ts";
import { JsonError, type Place, readJsonFields } from "./json-fields.ts";

/** How a field's parameter looks in JSON. `repeated` is a list whose parameter is there many times. */
type FieldKind = "text" | "number" | "switch" | "list" | "repeated";

export interface Field {
  /** Also the name of the parameter. */
  readonly name: string;
  readonly label: string;
  readonly kind: FieldKind;
  /** What it is when it is empty. */
  readonly usual: string;
  /** What to write. */
  readonly hint: string;
}

export interface FieldGroup {
  readonly title: string;
  readonly fields: readonly Field[];
}

const field = (
  name: string,
  kind: FieldKind,
  label: string,
  usual: string,
  hint: string,
): Field => ({ name, kind, label, usual, hint });

/** All parameters that describe a machine. */
export const GROUPS: readonly FieldGroup[] = [
  {
    title: "Memory",
    fields: [
      field("ram", "number", "RAM, MiB", "256", "32 to 2048"),
      field("balloon", "number", "Balloon, MiB", "0", "none for a machine without"),
      field("hotplug", "text", "Memory to plug, MiB", "none", "SIZE, or SIZE,PLUGGED"),
      field("pmem", "text", "Persistent memory", "none", "a disk's name or an image's address"),
      field("dax", "number", "Window on shared files, MiB", "none", "for mount -o dax"),
    ],
  },
  {
    title: "Disk",
    fields: [
      field("disk", "text", "Disk", "default", "a name, an image's address, or none"),
      field("disksize", "number", "Size of a new disk, MiB", "1024", "or as large as its image"),
      field("diskstore", "text", "A new disk is kept in", "files", "or indexeddb, which is slower"),
    ],
  },
  {
    title: "Network",
    fields: [
      field("lan", "text", "LAN", "default", "machines on one LAN see each other"),
      field("relay", "text", "Relay", "this page's", "an address, or none"),
    ],
  },
  {
    title: "Boot",
    fields: [
      field("kernel", "text", "Kernel", "the embedded Linux", "an address"),
      field("initrd", "text", "Initramfs", "that of the embedded Linux", "an address"),
      field("firmware", "text", "Firmware", "none", "the address of what runs in M-mode"),
      field("append", "text", "Command line", DEFAULT_APPEND, "of the kernel"),
    ],
  },
  {
    title: "Devices",
    fields: [
      field("display", "text", "Display", "none", "1, fit, or WIDTHxHEIGHT"),
      field("sound", "switch", "Sound card", "", ""),
      field("crypto", "switch", "Crypto device", "", ""),
      field("rtc", "switch", "RTC device", "", ""),
      field(
        "share",
        "text",
        "Sharing of files",
        "virtiofs",
        "or 9p, for guests that have only that",
      ),
      field("ports", "list", "Console ports", "none", "names with commas between"),
      field("vsock", "number", "Sockets: the guest's CID", "none", "from 3 on"),
      field("virtio", "repeated", "Rules for virtio", "none", "blk0:packed,-EVENT_IDX net0:split"),
    ],
  },
];

const FIELDS = GROUPS.flatMap(({ fields }) => fields);

/** Whole numbers that come out as they were written. */
const WHOLE = /^(0|[1-9]\d{0,14})$/;

/** The parameters of `query` that describe a machine, and those alone. */
export function machineOf(query: URLSearchParams): URLSearchParams {
  const machine = new URLSearchParams();
  for (const { name, kind } of FIELDS) {
    const values = query.getAll(name);
    for (const value of kind === "repeated" ? values : values.slice(0, 1)) {
      machine.append(name, value);
    }
  }
  return machine;
}

/** The address of a machine on this page. */
export function addressOf(machine: URLSearchParams, page: URL): URL {
  const address = new URL(page.pathname, page);
  address.search = machine.toString();
  return address;
}

/** @throws ConfigError */
export function configOf(machine: URLSearchParams, page: URL): BootConfig {
  const address = addressOf(machine, page);
  return readBootConfig(address, new URL(".", address));
}

/** The machine as JSON: its fields have the names of the parameters. */
export function toJson(machine: URLSearchParams): string {
  const entries = FIELDS.filter(({ name }) => machine.has(name)).map((row) => [
    row.name,
    jsonValue(row, machine.getAll(row.name)),
  ]);
  return JSON.stringify(Object.fromEntries(entries), null, 2);
}

function jsonValue({ kind }: Field, values: readonly string[]): unknown {
  const [value] = values;
  switch (kind) {
    case "text":
      return value;
    case "number":
      return WHOLE.test(value) ? Number(value) : value;
    case "switch":
      return value === "1" || value === "0" ? value === "1" : value;
    case "list":
      return value === "" ? [] : value.split(",");
    case "repeated":
      return values;
  }
}

export interface Described {
  readonly machine: URLSearchParams;
  /** Where each field is in the text. */
  readonly places: ReadonlyMap<string, Place>;
}

/** Reads what `toJson` writes, and what a person makes of it. @throws JsonError */
export function fromJson(text: string): Described {
  const machine = new URLSearchParams();
  const places = new Map<string, Place>();
  for (const { name, value, place } of readJsonFields(text)) {
    const row = FIELDS.find((known) => known.name === name);
    if (row === undefined) {
      const names = FIELDS.map((known) => known.name).join(", ");
      throw new JsonError(`there is no field “${name}”; there are ${names}`, place);
    }
    for (const parameter of parametersOf(row, value, place)) machine.append(name, parameter);
    places.set(name, place);
  }
  // In one order, so that one machine has one address.
  return { machine: machineOf(machine), places };
}

function parametersOf({ name, kind }: Field, value: unknown, place: Place): readonly string[] {
  if (Array.isArray(value)) {
    if (kind === "repeated") return value as string[];
    const wrong = (value as string[]).find((item) => item === "" || item.includes(","));
    if (kind === "list" && wrong === undefined) return [value.join(",")];
    throw new JsonError(`“${name}” cannot be this list`, place);
  }
  if (kind === "list" || kind === "repeated") {
    throw new JsonError(`“${name}” is a list of strings, such as ["a", "b"]`, place);
  }
  if (typeof value === "boolean") {
    if (kind === "switch") return [value ? "1" : "0"];
    throw new JsonError(`“${name}” is not true or false`, place);
  }
  if (typeof value === "number") {
    if (kind === "number" && WHOLE.test(String(value))) return [String(value)];
    throw new JsonError(`“${name}” cannot be the number ${value}`, place);
  }
  return [value as string];
}

/** What is wrong with a machine, for a person at the form or at the text; undefined if it can be. */
export function complaintOf(
  machine: URLSearchParams,
  page: URL,
): { readonly text: string; readonly field?: string } | undefined {
  try {
    configOf(machine, page);
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { text: error.message, ...(error.field !== undefined && { field: error.field }) };
  }
}

/** What the form shows in a field: parameters that are lists have spaces between. */
export function inputOf({ name, kind }: Field, machine: URLSearchParams): string {
  return kind === "repeated" ? machine.getAll(name).join(" ") : (machine.get(name) ?? "");
}

/** The machine with what was typed into a field; nothing stands for what is usual. */
export function withInput(
  machine: URLSearchParams,
  { name, kind }: Field,
  input: string,
): URLSearchParams {
  const changed = new URLSearchParams(machine);
  changed.delete(name);
  const values = kind === "repeated" ? input.split(/\s+/) : [input];
  for (const value of values) if (value !== "") changed.append(name, value);
  return machineOf(changed);
}
