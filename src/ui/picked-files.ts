/** What to boot when a person picks or drops files. */
import type { BootConfig, ImageSource, SharedFile } from "../worker/protocol.ts";
import { diskNameOf, savedConfig } from "./boot-config.ts";
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
  if (picked.saved !== undefined) return savedConfig(sourceOf(picked.saved));
  const { saved: _saved, ...present }: Partial<BootConfig> = current ?? {};
  const { kernel: _kernel, initrd: _initrd, firmware: _firmware, ...machine } = present;
  // Another system does not boot with parts of this one.
  const isOther = picked.kernel !== undefined || picked.firmware !== undefined;
  const next: BootConfig = {
    ...(isOther ? machine : present),
    ...(picked.kernel && { kernel: sourceOf(picked.kernel) }),
    ...(picked.initrd && { initrd: sourceOf(picked.initrd) }),
    ...(picked.firmware && { firmware: sourceOf(picked.firmware) }),
    ...(picked.disk && { disk: { name: nameOf(picked.disk), base: sourceOf(picked.disk) } }),
    append,
    ramMiB,
  };
  if (next.kernel === undefined && next.firmware === undefined) {
    throw new ConfigError("There is nothing to boot.", "Pick a kernel or firmware.");
  }
  return next;
}

function sourceOf(file: File): ImageSource {
  return { kind: "file", file };
}

/** The same file picked again finds the changes that were made over it. */
function nameOf(file: File): string {
  return diskNameOf(file.name, `${file.name} ${file.size} ${file.lastModified}`);
}
