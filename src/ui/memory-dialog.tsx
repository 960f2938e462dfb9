/** What the guest's memory is used for, and how much of it there is to be. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { MemoryStats } from "../worker/protocol.ts";
import { Dialog } from "./dialog.tsx";
import { Choices, TextField, useForm } from "./form.tsx";
import { formatBytes } from "./format.ts";
import { readBalloon, readPlugged } from "./memory-config.ts";
import type { Session } from "./session.ts";

const MIB = 1 << 20;

export interface MemoryDialogProps {
  readonly session: Session;
  readonly open: boolean;
  readonly onClose: () => void;
}

export function MemoryDialog({ session, open, onClose }: MemoryDialogProps): JSX.Element {
  return (
    <Dialog open={open} title="Memory" onClose={onClose}>
      <MemoryForm session={session} onClose={onClose} />
    </Dialog>
  );
}

function MemoryForm({ session, onClose }: Omit<MemoryDialogProps, "open">): JSX.Element {
  const memory = session.stats.value.memory;
  const ramMiB = session.config.value?.ramMiB ?? 0;
  const most = memory?.hotplug && memory.hotplug.mostBytes / MIB;
  const [balloon, setBalloon] = useState(mibOf(memory?.balloon?.targetBytes));
  const [plugged, setPlugged] = useState(mibOf(memory?.hotplug?.requestedBytes));
  const { onSubmit, complaint } = useForm(() => {
    session.setMemory({
      balloonMiB: readBalloon(balloon, ramMiB),
      pluggedMiB: readPlugged(plugged, most ?? 0),
    });
    onClose();
  });
  return (
    <form onSubmit={onSubmit}>
      {memory !== undefined && <Use memory={memory} ramMiB={ramMiB} />}
      {memory?.balloon && (
        <TextField
          label="Balloon, MiB: taken from the guest"
          value={balloon}
          onInput={setBalloon}
          numeric
        />
      )}
      {most !== undefined && (
        <TextField
          label={`Plugged, MiB: added to the guest, up to ${most}`}
          value={plugged}
          onInput={setPlugged}
          numeric
        />
      )}
      {complaint}
      <Choices submit="Apply" onCancel={onClose} />
    </form>
  );
}

function Use({ memory, ramMiB }: { memory: MemoryStats; ramMiB: number }): JSX.Element {
  const { balloon, hotplug, freeBytes, availableBytes } = memory;
  const known = (bytes: number | undefined) =>
    bytes === undefined ? "not told" : formatBytes(bytes);
  const rows = [
    ["RAM", formatBytes(ramMiB * MIB)],
    ["Free", known(freeBytes)],
    ["Available to programs", known(availableBytes)],
    ...(balloon ? [["In the balloon", formatBytes(balloon.bytes)]] : []),
    ...(hotplug ? [["Plugged", formatBytes(hotplug.bytes)]] : []),
  ];
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const mibOf = (bytes = 0): string => String(Math.round(bytes / MIB));
