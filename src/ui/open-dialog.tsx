/** The form for booting something else: files picked or dropped, a command line, memory. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { MIN_RAM_MIB, readRam } from "./boot-config.ts";
import { ConfigError } from "./config-error.ts";
import { formatBytes } from "./format.ts";
import { MAX_RAM_MIB } from "./memory-config.ts";
import { Dialog } from "./panels.tsx";
import { configOf, type Picked } from "./picked-files.ts";
import type { Session } from "./session.ts";
import type { Role } from "./sniff.ts";

const ROLES: readonly { role: Role; label: string; hint: string }[] = [
  { role: "kernel", label: "Kernel", hint: "Linux Image or ELF" },
  { role: "initrd", label: "Initramfs", hint: "cpio archive" },
  { role: "firmware", label: "Firmware", hint: "M-mode, such as OpenSBI" },
  { role: "disk", label: "Disk image", hint: "raw; changes are kept apart" },
];

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
