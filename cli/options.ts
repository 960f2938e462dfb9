/** The command line of `tabvisor run`. */
import { parseArgs } from "node:util";
import { MAX_RAM_BYTES, MIN_RAM_BYTES } from "../src/machine/machine-types.ts";
import type { MemoryOptions } from "../src/machine/memory-devices.ts";
import type { Share } from "../src/machine/share.ts";
import { parseVirtioRule, type VirtioRule } from "../src/machine/virtio-rules.ts";

import { MEM_SECTION_BYTES } from "../src/virtio/devices/mem.ts";
import { LINK_OPTIONS, type LinkOptions, parseLinks } from "./link-options.ts";
import { UsageError } from "./usage-error.ts";

export { UsageError };

const MIB = 1024 * 1024;
const HOTPLUG_STEP_MIB = MEM_SECTION_BYTES / MIB;

export const RUN_HELP = `Usage: tabvisor run [options] [KERNEL]

Runs a virtual machine in the terminal. Without a kernel or firmware: the embedded Linux.

  --kernel FILE       Linux Image or ELF; gzip is unpacked. KERNEL alone means the same.
  --initrd FILE       initial RAM filesystem
  --append TEXT       kernel command line
  --firmware FILE     runs at reset in M-mode, such as OpenSBI; the kernel comes after it
  --dtb FILE          device tree instead of the generated one
  --ram MIB           RAM, 32 to 2048 (default 256); "512M" and "1G" also work
  --balloon MIB       a balloon, which takes that much memory from the guest; 0 takes none yet
  --hotplug-memory MIB[,PLUGGED]
                      memory that can be plugged while the machine runs, in steps of 128 MiB, and
                      how much of it is plugged at first (default 0)
  --disk FILE[,ro]    raw disk image; may be repeated. Make the file longer while the machine
                      runs (truncate -s 2G FILE), and the guest's disk grows.
  --pmem FILE[,ro]    raw disk image as memory of the guest, /dev/pmem0; may be repeated
  --net URL           connect the network card to a relay, such as ws://127.0.0.1:8086/lan/home
  --virtio RULE       what a device offers, such as blk0:packed,in-order,-EVENT_IDX; may be repeated
  --port NAME=WHERE   console port, in the guest /dev/virtio-ports/NAME. WHERE is unix:PATH or
                      tcp:[HOST:]PORT, where one client at a time may connect, or file:PATH for
                      the guest's output; may be repeated
  --vsock-listen PORT=WHERE   what the guest connects to at port PORT of CID 2 (vsock) reaches the
                      socket WHERE, which is unix:PATH or tcp:[HOST:]PORT; may be repeated
  --vsock-connect PORT=WHERE  whoever connects to the socket WHERE reaches port PORT of the guest
  --vsock-cid N       the guest's own CID (default 3)
  --display FILE      a display; its last picture is written there, as PNG or (.ppm) PPM;
                      FILE,800x600 says how large it is (default 1024x768)
  --sound FILE        a sound card; what it plays is written there, as WAV
  --crypto            a crypto device: ciphers, hashes and RSA for the guest's kernel
  --rtc               an RTC device, beside the clock of the board
  --gdb PORT          serves GDB at that port of 127.0.0.1 (0: any): target remote :PORT. Whoever can
                      connect there controls the guest
  --gdb-wait          holds the machine before its first instruction until GDB lets it go on
  --profile NAME      memory map: tabvisor (default) or qemu-virt
  --irq NAME          interrupt controller: plic (default) or aplic
  --share TAG=DIR     share a directory by virtio-fs; TAG=DIR,ro keeps the guest from changing it
  --share-9p TAG=DIR  the same by 9P2000.L, for guests without virtio-fs; both may be repeated
  --share-dax MIB     the guest can map files of each --share, in so much memory above RAM
                      (mount -t virtiofs -o dax TAG DIR)
  --save FILE         Ctrl-A S, or the signal SIGUSR2, saves the machine there and ends it
  --restore FILE      goes on where a machine was saved, with the same devices and unchanged disks
  --timeout SECONDS   give up after that time, with exit code 124
  --no-reboot         end when the guest restarts itself
  --stats             say at the end how long and how fast it ran
  --help              print this

Ctrl-A X ends the machine, Ctrl-A H shows more keys. The exit code is what the guest gave to its
test finisher, 0 after a power-off.
`;

interface DisplayOption {
  readonly path: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

interface DiskOption {
  readonly path: string;
  readonly readOnly: boolean;
}

export interface ShareOption extends Share {
  readonly path: string;
  readonly readOnly: boolean;
}

export interface RunOptions extends MemoryOptions {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly firmware?: string;
  readonly dtb?: string;
  readonly ramMiB?: number;
  readonly disks: readonly DiskOption[];
  readonly pmems: readonly DiskOption[];
  readonly net?: string;
  readonly virtio: readonly VirtioRule[];
  readonly links: LinkOptions;
  readonly display?: DisplayOption;
  readonly sound?: string;
  readonly crypto: boolean;
  readonly rtc: boolean;
  readonly profile: "tabvisor" | "qemu-virt";
  readonly irq: "plic" | "aplic";
  readonly shares: readonly ShareOption[];
  /** Size of each virtio-fs share's DAX window; absent for none. */
  readonly shareDaxMiB?: number;
  /** Port of 127.0.0.1 for GDB; 0 for a free one. */
  readonly gdbPort?: number;
  readonly gdbWaits: boolean;
  /** Where the machine is saved when somebody asks for it. */
  readonly save?: string;
  /** A saved machine to go on with, instead of booting. */
  readonly restore?: string;
  readonly timeoutSeconds?: number;
  readonly noReboot: boolean;
  readonly stats: boolean;
}

const OPTIONS = {
  kernel: { type: "string" },
  initrd: { type: "string" },
  append: { type: "string" },
  firmware: { type: "string" },
  dtb: { type: "string" },
  ram: { type: "string" },
  balloon: { type: "string" },
  "hotplug-memory": { type: "string" },
  disk: { type: "string", multiple: true },
  pmem: { type: "string", multiple: true },
  net: { type: "string" },
  virtio: { type: "string", multiple: true },
  ...LINK_OPTIONS,
  display: { type: "string" },
  sound: { type: "string" },
  crypto: { type: "boolean" },
  rtc: { type: "boolean" },
  profile: { type: "string" },
  irq: { type: "string" },
  share: { type: "string", multiple: true },
  "share-9p": { type: "string", multiple: true },
  "share-dax": { type: "string" },
  gdb: { type: "string" },
  "gdb-wait": { type: "boolean" },
  save: { type: "string" },
  restore: { type: "string" },
  timeout: { type: "string" },
  "no-reboot": { type: "boolean" },
  stats: { type: "boolean" },
  help: { type: "boolean" },
} as const;

/** @throws UsageError */
export function parseRunOptions(argv: readonly string[]): RunOptions | "help" {
  const { values, positionals } = parse(argv);
  if (values.help === true) return "help";
  const { initrd, append, firmware, dtb, net, sound, save, restore } = values;
  const kernels = [...positionals, ...(values.kernel === undefined ? [] : [values.kernel])];
  if (kernels.length > 1) throw new UsageError(`more than one kernel: ${kernels.join(", ")}`);
  return {
    ...defined({ kernel: kernels[0], initrd, append, firmware, dtb, net, sound, save, restore }),
    ...read("ramMiB", values.ram, parseRam),
    ...read("balloonMiB", values.balloon, (text) => parseMib("--balloon", text)),
    ...read("hotplug", values["hotplug-memory"], parseHotplug),
    disks: (values.disk ?? []).map(parseDisk),
    virtio: (values.virtio ?? []).map(readVirtioRule),
    links: parseLinks(values),
    ...read("display", values.display, parseDisplay),
    pmems: (values.pmem ?? []).map(parseDisk),
    crypto: values.crypto === true,
    rtc: values.rtc === true,
    profile: choose("--profile", values.profile, ["tabvisor", "qemu-virt"]),
    irq: choose("--irq", values.irq, ["plic", "aplic"]),
    ...read("shareDaxMiB", values["share-dax"], (text) => parseMib("--share-dax", text)),
    shares: [
      ...(values.share ?? []).map((text) => parseShare("virtiofs", text)),
      ...(values["share-9p"] ?? []).map((text) => parseShare("9p", text)),
    ],
    ...read("gdbPort", values.gdb, parsePort),
    gdbWaits: parseWait(values["gdb-wait"], values.gdb),
    ...read("timeoutSeconds", values.timeout, parseTimeout),
    noReboot: values["no-reboot"] === true,
    stats: values.stats === true,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** An option by its name here, if it was given. */
function read<K extends string, T>(
  name: K,
  text: string | undefined,
  parse: (text: string) => T,
): { readonly [key in K]?: T } {
  return text === undefined ? {} : ({ [name]: parse(text) } as { [key in K]: T });
}

/** Leaves out what is undefined. */
function defined<K extends string>(
  values: { [key in K]: string | undefined },
): {
  [key in K]?: string;
} {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [key in K]?: string };
}

function parseMib(option: string, text: string): number {
  const match = /^(\d+)(M|MiB|G|GiB)?$/i.exec(text);
  if (match === null) throw new UsageError(`${option} is not a size: ${text}`);
  return Number(match[1]) * (match[2]?.toUpperCase().startsWith("G") ? 1024 : 1);
}

function parseHotplug(text: string): { mib: number; pluggedMiB: number } {
  const [size, plugged = "0"] = text.split(",", 2);
  const mib = parseMib("--hotplug-memory", size);
  const pluggedMiB = parseMib("--hotplug-memory", plugged);
  if (mib === 0 || mib % HOTPLUG_STEP_MIB !== 0 || pluggedMiB > mib) {
    throw new UsageError(
      `--hotplug-memory is a multiple of ${HOTPLUG_STEP_MIB} MiB, and what is plugged a part of it`,
    );
  }
  return { mib, pluggedMiB };
}

function parseRam(text: string): number {
  const mib = parseMib("--ram", text);
  if (mib * MIB < MIN_RAM_BYTES || mib * MIB > MAX_RAM_BYTES) {
    throw new UsageError(`--ram is from ${MIN_RAM_BYTES / MIB} to ${MAX_RAM_BYTES / MIB} MiB`);
  }
  return mib;
}

function parseDisk(text: string): DiskOption {
  const readOnly = text.endsWith(",ro");
  return { path: readOnly ? text.slice(0, -3) : text, readOnly };
}

function readVirtioRule(text: string): VirtioRule {
  try {
    return parseVirtioRule(text);
  } catch (error) {
    throw new UsageError(`--virtio: ${(error as Error).message}`);
  }
}

function parseDisplay(text: string): DisplayOption {
  const [, path, width = "1024", height = "768"] = /^(.+?)(?:,(\d+)x(\d+))?$/.exec(text) ?? [];
  if (path === undefined) throw new UsageError("--display needs the name of a file");
  return { path, width: Number(width), height: Number(height) };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 0xffff)
    throw new UsageError(`--gdb is not a port: ${text}`);
  return port;
}

function parseWait(isWanted: boolean | undefined, gdb: string | undefined): boolean {
  if (isWanted === true && gdb === undefined) throw new UsageError("--gdb-wait needs --gdb PORT");
  return isWanted === true;
}

function parseTimeout(text: string): number {
  const seconds = Number(text);
  if (text === "" || !(seconds > 0)) throw new UsageError(`--timeout is not a time: ${text}`);
  return seconds;
}

function choose<T extends string>(
  option: string,
  value: string | undefined,
  choices: readonly [T, ...T[]],
): T {
  const found = value === undefined ? choices[0] : choices.find((choice) => choice === value);
  if (found === undefined) throw new UsageError(`${option} is ${choices.join(" or ")}`);
  return found;
}

function parseShare(protocol: ShareOption["protocol"], text: string): ShareOption {
  const match = /^([\w.-]{1,36})=(.+)$/.exec(text);
  if (match === null) throw new UsageError(`a share is not TAG=DIR: ${text}`);
  return { protocol, tag: match[1], ...parseDisk(match[2]) };
}
