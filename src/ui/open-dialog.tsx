/** The form for files picked or dropped: to share them with the guest, or to boot something else. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { MIN_RAM_MIB, readRam } from "./boot-config.ts";
import { Dialog } from "./dialog.tsx";
import { Choices, FileField, fileText, TextField, useForm } from "./form.tsx";
import { LendFields, lend } from "./lend-fields.tsx";
import { MAX_RAM_MIB } from "./memory-config.ts";
import { configOf, type Picked, sharedOf } from "./picked-files.ts";
import type { Session } from "./session.ts";
import type { Role } from "./sniff.ts";

const ROLES: readonly { role: Role; label: string; hint: string }[] = [
  { role: "kernel", label: "Kernel", hint: "Linux Image or ELF" },
  { role: "initrd", label: "Initramfs", hint: "cpio archive" },
  { role: "firmware", label: "Firmware", hint: "M-mode, such as OpenSBI" },
  { role: "disk", label: "Disk image", hint: "raw; changes are kept apart" },
  { role: "saved", label: "Saved machine", hint: "all else is as it was saved" },
];

export interface Dropped {
  readonly files: readonly File[];
  /** Those that the browser can lend. */
  readonly directories: readonly FileSystemDirectoryHandle[];
  /** The files by what they seem to be for. */
  readonly roles: Picked;
}

export interface OpenDialogProps {
  readonly session: Session;
  readonly open: boolean;
  /** What was dropped, if that is why the dialog is open. */
  readonly dropped: Dropped;
  readonly onClose: () => void;
}

export function OpenDialog({ session, open, dropped, onClose }: OpenDialogProps): JSX.Element {
  return (
    <Dialog open={open} title="Share files, or boot something else" onClose={onClose}>
      <ShareFields session={session} dropped={dropped} onClose={onClose} />
      <OpenForm session={session} dropped={dropped.roles} onClose={onClose} />
    </Dialog>
  );
}

interface ShareFieldsProps {
  readonly session: Session;
  readonly dropped: Dropped;
  readonly onClose: () => void;
}

function ShareFields({ session, dropped, onClose }: ShareFieldsProps): JSX.Element {
  const share = (files: readonly File[]): void => {
    session.share(sharedOf(files));
    onClose();
  };
  const { files, directories } = dropped;
  if (files.length + directories.length > 0) {
    const shareAll = (): void => {
      for (const handle of directories) void lend(session, { handle, readOnly: false });
      share(files);
    };
    return (
      <button type="button" class="main" onClick={shareAll}>
        Share with the guest
      </button>
    );
  }
  return (
    <>
      <LendFields session={session} />
      <FileField
        label="Share files"
        hint="in /mnt/files; changes stay apart"
        picks="files"
        onPick={share}
      />
      <FileField
        label="Share a directory"
        hint="with all that is in it"
        picks="directory"
        onPick={share}
      />
    </>
  );
}

interface OpenFormProps {
  readonly session: Session;
  readonly dropped: Picked;
  readonly onClose: () => void;
}

function OpenForm({ session, dropped, onClose }: OpenFormProps): JSX.Element {
  const config = session.config.value;
  const [picked, setPicked] = useState<Picked>(dropped);
  const [append, setAppend] = useState(config?.append ?? "");
  const [ram, setRam] = useState(String(config?.ramMiB ?? ""));
  const { onSubmit, complaint } = useForm(() => {
    const next = configOf(picked, append, readRam(ram), config);
    onClose();
    void session.boot(next);
  });
  return (
    <form onSubmit={onSubmit}>
      {ROLES.map(({ role, label, hint }) => {
        const file = picked[role];
        return (
          <FileField
            key={role}
            label={label}
            hint={file === undefined ? hint : fileText(file)}
            onPick={([next]) => setPicked({ ...picked, [role]: next })}
          />
        );
      })}
      <TextField label="Command line" value={append} onInput={setAppend} />
      <TextField
        label={`Memory, ${MIN_RAM_MIB} to ${MAX_RAM_MIB} MiB`}
        value={ram}
        onInput={setRam}
        numeric
      />
      {complaint}
      <Choices submit="Boot" onCancel={onClose} />
    </form>
  );
}
