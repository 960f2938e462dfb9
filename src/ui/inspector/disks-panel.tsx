/** The disks in this browser's storage. */
import "./disks-panel.css";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import {
  DISK_NAME_PATTERN,
  type DiskJob,
  type HostCalls,
  type ListedDisk,
} from "../../worker/protocol.ts";
import { EraseDialog } from "../dialog.tsx";
import { FileField, fileText } from "../form.tsx";
import { formatBytes } from "../format.ts";
import { saveBlob } from "../save-file.ts";
import { bound } from "./bound.ts";
import { Complaint, Empty, Section } from "./kit.tsx";
import { type Act, type PanelProps, useAct, useLook } from "./panel.ts";
import { connectHost, useRemote } from "./remote.ts";
import { StorageFacts } from "./storage-facts.tsx";

/** Each disk is opened to be looked at. */
const LIST_MS = 1500;
const JOBS_MS = 300;

export function DisksPanel({ session, go }: PanelProps): JSX.Element {
  const host = useRemote(session, connectHost);
  const { value: disks, error } = useLook(() => host.disks(), [host], LIST_MS).value;
  const jobs = useLook(() => host.diskJobs(), [host], JOBS_MS).value.value ?? [];
  const doomed = useSignal<string | undefined>(undefined);
  const { act, complaint } = useAct();
  if (disks === undefined) return <Empty>{error ?? ""}</Empty>;
  return (
    <section class="disks-panel" aria-label="Disks">
      <StorageFacts />
      <DiskTable
        disks={disks}
        onExport={(name, isPacked) => act(host.exportDisk(name, isPacked))}
        onBoot={(name) => go(`disk=${encodeURIComponent(name)}`, "machine")}
        onDelete={(name) => {
          doomed.value = name;
        }}
      />
      <Jobs host={host} jobs={jobs} act={act} />
      <Section title="Import an image">
        <ImportForm
          taken={disks.map(({ name }) => name)}
          onImport={(name, file) => act(host.importDisk(name, file))}
        />
      </Section>
      <Complaint text={complaint} />
      <EraseDialog
        open={doomed.value !== undefined}
        title={`Delete disk “${doomed.value}”?`}
        warning="Everything on it is gone for good. Export it first if you may want it again."
        action="Delete for good"
        onErase={() => act(host.deleteDisk(doomed.value!))}
        onClose={() => {
          doomed.value = undefined;
        }}
      />
    </section>
  );
}

interface DiskTableProps {
  readonly disks: readonly ListedDisk[];
  readonly onExport: (name: string, isPacked: boolean) => void;
  readonly onBoot: (name: string) => void;
  readonly onDelete: (name: string) => void;
}

function DiskTable({ disks, onExport, onBoot, onDelete }: DiskTableProps): JSX.Element {
  if (disks.length === 0) {
    return <Empty>No disks yet: a machine with a disk makes one, and so does Import.</Empty>;
  }
  return (
    <ul class="disk-list">
      {disks.map((disk) => {
        const { name, isLocked, isOurs, problem } = disk;
        const isElsewhere = isLocked && !isOurs;
        return (
          <li key={name} aria-label={`Disk ${name}`}>
            <div class="disk-name">
              <strong>{name}</strong>
              <span class="disk-use" data-use={useOf(disk)}>
                {useOf(disk)}
              </span>
            </div>
            <p class="disk-facts">
              {problem ?? `${formatBytes(disk.sizeBytes)}, ${formatBytes(disk.storedBytes)} stored`}
            </p>
            {disk.base !== undefined && (
              <p class="disk-facts" title={disk.base}>{`over ${disk.base.split(" ")[0]}`}</p>
            )}
            <div class="disk-actions">
              <button
                type="button"
                disabled={isElsewhere || problem !== undefined}
                onClick={() => onExport(name, false)}
              >
                Export .img
              </button>
              <button
                type="button"
                disabled={isElsewhere || problem !== undefined}
                onClick={() => onExport(name, true)}
              >
                Export .img.gz
              </button>
              <button
                type="button"
                disabled={isLocked || problem !== undefined || disk.base !== undefined}
                onClick={() => onBoot(name)}
              >
                Use…
              </button>
              <button type="button" disabled={isLocked} onClick={() => onDelete(name)}>
                Delete…
              </button>
            </div>
          </li>
        );
      })}
    </ul>
  );
}

function useOf({ isLocked, isOurs }: ListedDisk): string {
  if (isOurs) return "in use here";
  return isLocked ? "in use in another tab" : "free";
}

interface JobsProps {
  readonly host: HostCalls;
  readonly jobs: readonly DiskJob[];
  readonly act: Act;
}

/** A finished export waits to be saved, since only a person's click may give them a file. */
function Jobs({ host, jobs, act }: JobsProps): JSX.Element | null {
  if (jobs.length === 0) return null;
  const save = async ({ id, disk }: DiskJob): Promise<void> => {
    const file = await host.exported(id);
    saveBlob(file, `${disk}.img${file.type === "application/gzip" ? ".gz" : ""}`);
    await host.endDiskJob(id);
  };
  return (
    <ul class="job-list" aria-label="Exports and imports">
      {jobs.map((job) => (
        <li key={job.id}>
          <span class="job-title">{`${job.kind} ${job.disk}: ${stateOf(job)}`}</span>
          {job.state === "running" && (
            <progress
              aria-label={`${job.kind} of ${job.disk}`}
              {...(job.total > 0 && { value: job.done, max: job.total })}
            />
          )}
          {job.state === "done" && job.kind === "export" && (
            <button type="button" class="main" onClick={() => act(save(job))}>
              Save…
            </button>
          )}
          <button type="button" onClick={() => act(host.endDiskJob(job.id))}>
            {job.state === "running" ? "Cancel" : "Dismiss"}
          </button>
        </li>
      ))}
    </ul>
  );
}

function stateOf({ state, done, total, error }: DiskJob): string {
  if (state === "failed") return error ?? "failed";
  if (state === "done") return "done";
  return total > 0 ? `${formatBytes(done)} of ${formatBytes(total)}` : "beginning";
}

interface ImportFormProps {
  readonly taken: readonly string[];
  readonly onImport: (name: string, file: File) => void;
}

function ImportForm({ taken, onImport }: ImportFormProps): JSX.Element {
  const file = useSignal<File | undefined>(undefined);
  const name = useSignal("");
  const pick = (picked: File | undefined): void => {
    file.value = picked;
    name.value = picked?.name.replace(/(\.img|\.raw)?(\.gz)?$/, "") ?? "";
  };
  const begin = (event: Event): void => {
    event.preventDefault();
    onImport(name.value, file.value!);
    pick(undefined);
  };
  const isTaken = taken.includes(name.value);
  return (
    <form onSubmit={begin}>
      <FileField
        label="Image file"
        hint={file.value === undefined ? "raw, or gzip of it" : fileText(file.value)}
        onPick={([picked]) => pick(picked)}
      />
      <label class="field">
        <span>Name of the new disk</span>
        <input pattern={DISK_NAME_PATTERN} required {...bound(name)} />
      </label>
      <div class="choices">
        {isTaken && <span class="kit-complaint">There is a disk of that name.</span>}
        <button
          type="submit"
          class="main"
          disabled={file.value === undefined || isTaken || name.value === ""}
        >
          Import
        </button>
      </div>
    </form>
  );
}
