/** Asks how large the disk is to be. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "./dialog.tsx";
import { Choices } from "./form.tsx";
import type { Session } from "./session.ts";

const GIB = 2 ** 30;

export interface GrowDialogProps {
  readonly session: Session;
  readonly open: boolean;
  readonly onClose: () => void;
}

export function GrowDialog({ session, open, onClose }: GrowDialogProps): JSX.Element {
  return (
    <Dialog open={open} title="Make the disk larger" onClose={onClose}>
      <GrowForm session={session} onClose={onClose} />
    </Dialog>
  );
}

function GrowForm({ session, onClose }: Omit<GrowDialogProps, "open">): JSX.Element {
  const capacity = session.stats.value.diskCapacity;
  const [gib, setGib] = useState(String(Math.ceil((2 * capacity) / GIB)));
  const grow = (event: Event): void => {
    event.preventDefault();
    onClose();
    // A whole number of sectors, whatever fraction was typed.
    session.growDisk(Math.ceil((Number(gib) * GIB) / 512) * 512);
  };
  return (
    <form onSubmit={grow}>
      <p>
        It has {capacity / GIB} GiB now, and takes room in this browser only as it is filled. It
        cannot be made smaller again. The guest sees the new size at once; <code>resize2fs</code>
        {" makes its file system as large."}
      </p>
      <label class="field">
        <span>New size in GiB</span>
        <input
          value={gib}
          type="number"
          min={capacity / GIB}
          step="any"
          required
          onInput={(event) => setGib(event.currentTarget.value)}
        />
      </label>
      <Choices submit="Grow" onCancel={onClose} />
    </form>
  );
}
