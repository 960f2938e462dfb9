/** Buttons that save the requests shown to a file. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { ExportKind, Remote } from "../../inspect/calls.ts";
import { saveBlob } from "../save-file.ts";

const KINDS: readonly { kind: ExportKind; label: string; file: string; about: string }[] = [
  { kind: "pcapng", label: "pcapng", file: "guest.pcapng", about: "Packets, for Wireshark" },
  { kind: "trace", label: "Trace", file: "guest-trace.json", about: "Requests, for Perfetto" },
  { kind: "json", label: "JSON", file: "guest-requests.json", about: "Requests, for programs" },
];

export function ExportButtons({ machine }: { machine: Remote }): JSX.Element {
  const isBusy = useSignal(false);
  const save = async (kind: ExportKind, file: string): Promise<void> => {
    isBusy.value = true;
    try {
      const pieces: BlobPart[] = [];
      await machine.timelineExport(kind);
      for (;;) {
        const piece = await machine.timelineExportNext();
        if (piece === undefined) break;
        pieces.push(piece as Uint8Array<ArrayBuffer>);
      }
      saveBlob(new Blob(pieces), file);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <fieldset class="timeline-tools" disabled={isBusy.value} aria-label="Save what is shown">
      {KINDS.map(({ kind, label, file, about }) => (
        <button key={kind} type="button" title={about} onClick={() => void save(kind, file)}>
          {label}
        </button>
      ))}
    </fieldset>
  );
}
