/** What to boot when a person picks or drops files. */
import type { BootConfig, SharedFile } from "../worker/protocol.ts";
import { diskNameOf } from "./boot-config.ts";
import { ConfigError } from "./config-error.ts";
import { type Role, sniffFile } from "./sniff.ts";

/** Files by what they are for. */
export type Picked = Partial<Record<Role, File>>;

/** Sorts dropped files by what they seem to be for; of two alike, the last counts. */
export async function sortFiles(files: Iterable<File>): Promise<Picked> {
  const picked: Picked = {};
  for (const file of files) picked[await sniffFile(file)] = file;
  return picked;
}

/** Files of a picked directory keep their places in it. */
export function sharedOf(files: Iterable<File>): SharedFile[] {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** What the form asks for: picked files take the place of what the machine has now. */
export function configOf(
  picked: Picked,
  append: string,
  ramMiB: number,
  current: BootConfig | undefined,
): BootConfig {
  const { kernel, initrd, firmware, disk } = picked;
  const isOther = kernel !== undefined || firmware !== undefined;
  const source = (file: File | undefined) => file && ({ kind: "file", file } as const);
  const kept = <T>(value: T | undefined) => (isOther ? undefined : value);
  const parts = {
    kernel: source(kernel) ?? kept(current?.kernel),
    initrd: source(initrd) ?? kept(current?.initrd),
    firmware: source(firmware) ?? kept(current?.firmware),
    disk: disk === undefined ? current?.disk : { name: nameOf(disk), base: source(disk)! },
    relay: current?.relay,
    memory: current?.memory,
    virtio: current?.virtio,
    display: current?.display,
    sound: current?.sound,
    pmem: current?.pmem,
  };
  if (parts.kernel === undefined && parts.firmware === undefined) {
    throw new ConfigError("There is nothing to boot.", "Pick a kernel or firmware.");
  }
  const present = Object.entries(parts).filter(([, value]) => value !== undefined);
  return { append, ramMiB, ...Object.fromEntries(present) };
}

/** The same file picked again finds the changes that were made over it. */
function nameOf(file: File): string {
  return diskNameOf(file.name, `${file.name} ${file.size} ${file.lastModified}`);
}
