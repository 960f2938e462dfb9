/** The form for booting something else: files picked or dropped, a command line, memory. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { BootConfig } from "../worker/protocol.ts";
import { ConfigError, diskNameOf, MAX_RAM_MIB, MIN_RAM_MIB, readRam } from "./boot-config.ts";
import { formatBytes } from "./format.ts";
import { Dialog } from "./panels.tsx";
import type { Session } from "./session.ts";
import { type Role, sniffFile } from "./sniff.ts";

/** Files by what they are for. */
export type Picked = Partial<Record<Role, File>>;

const ROLES: readonly { role: Role; label: string; hint: string }[] = [
  { role: "kernel", label: "Kernel", hint: "Linux Image or ELF" },
  { role: "initrd", label: "Initramfs", hint: "cpio archive" },
  { role: "firmware", label: "Firmware", hint: "M-mode, such as OpenSBI" },
  { role: "disk", label: "Disk image", hint: "raw; changes are kept apart" },
];

/** Sorts dropped files by what they seem to be for; of two alike, the last counts. */
export async function sortFiles(files: Iterable<File>): Promise<Picked> {
  const picked: Picked = {};
  for (const file of files) picked[await sniffFile(file)] = file;
  return picked;
}

export interface OpenDialogProps {
  readonly session: Session;
  readonly open: boolean;
  /** What was dropped, if that is why the dialog is open. */
  readonly dropped: Picked;
  readonly onClose: () => void;
}

export function OpenDialog({ session, open, dropped, onClose }: OpenDialogProps): JSX.Element {
  return (
    <Dialog open={open} title="Boot something else" onClose={onClose}>
      <OpenForm session={session} dropped={dropped} onClose={onClose} />
    </Dialog>
  );
}

function OpenForm({ session, dropped, onClose }: Omit<OpenDialogProps, "open">): JSX.Element {
  const config = session.config.value;
  const [picked, setPicked] = useState<Picked>(dropped);
  const [append, setAppend] = useState(config?.append ?? "");
  const [ram, setRam] = useState(String(config?.ramMiB ?? ""));
  const [complaint, setComplaint] = useState("");
  const boot = (event: Event): void => {
    event.preventDefault();
    try {
      const next = configOf(picked, append, readRam(ram), config);
      onClose();
      void session.boot(next);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      setComplaint(error.message);
    }
  };
  return (
    <form onSubmit={boot}>
      {ROLES.map(({ role, label, hint }) => (
        <FileField
          key={role}
          label={label}
          hint={hint}
          file={picked[role]}
          onPick={(file) => setPicked({ ...picked, [role]: file })}
        />
      ))}
      <label class="field">
        <span>Command line</span>
        <input value={append} onInput={(event) => setAppend(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>Memory, {`${MIN_RAM_MIB} to ${MAX_RAM_MIB}`} MiB</span>
        <input
          value={ram}
          inputMode="numeric"
          onInput={(event) => setRam(event.currentTarget.value)}
        />
      </label>
      <p class="complaint" role="alert">
        {complaint}
      </p>
      <div class="choices">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" class="main">
          Boot
        </button>
      </div>
    </form>
  );
}

interface FileFieldProps {
  readonly label: string;
  readonly hint: string;
  readonly file: File | undefined;
  readonly onPick: (file: File | undefined) => void;
}

function FileField({ label, hint, file, onPick }: FileFieldProps): JSX.Element {
  const state = file === undefined ? hint : `${file.name}, ${formatBytes(file.size)}`;
  return (
    <label class="field file">
      <span>{label}</span>
      <span class="hint">{state}</span>
      <input
        type="file"
        aria-label={label}
        onChange={(event) => onPick(event.currentTarget.files?.[0])}
      />
    </label>
  );
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
  const kept = <T,>(value: T | undefined) => (isOther ? undefined : value);
  const parts = {
    kernel: source(kernel) ?? kept(current?.kernel),
    initrd: source(initrd) ?? kept(current?.initrd),
    firmware: source(firmware) ?? kept(current?.firmware),
    disk: disk === undefined ? current?.disk : { name: nameOf(disk), base: source(disk)! },
    relay: current?.relay,
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
