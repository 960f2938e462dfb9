/** Directories that a person lends to guests: to be picked, dropped, and offered again after a reload. */
import { createStore, get, set, type UseStore } from "idb-keyval";

/** How many are remembered: more than a person keeps. */
const REMEMBERED_MAX = 16;

const KEY = "lent";

export interface LentDirectory {
  readonly handle: FileSystemDirectoryHandle;
  readonly readOnly: boolean;
}

type Mode = "read" | "readwrite";

/** What not all browsers have, and TypeScript does not know. */
interface Picking {
  showDirectoryPicker?(options: { mode: Mode; id: string }): Promise<FileSystemDirectoryHandle>;
}

interface Asking {
  queryPermission?(descriptor: { mode: Mode }): Promise<PermissionState>;
  requestPermission?(descriptor: { mode: Mode }): Promise<PermissionState>;
}

const modeOf = (readOnly: boolean): Mode => (readOnly ? "read" : "readwrite");

/** Whether this browser lends directories at all. */
export function canLend(): boolean {
  return (window as Picking).showDirectoryPicker !== undefined;
}

/** Asks the person for a directory; undefined if none is picked. To be called because of a click. */
export async function pickDirectory(readOnly: boolean): Promise<LentDirectory | undefined> {
  try {
    const options = { mode: modeOf(readOnly), id: "lent" };
    const handle = await (window as Picking).showDirectoryPicker?.(options);
    return handle && { handle, readOnly };
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return undefined;
    throw error;
  }
}

/** Whether the browser lets the page use a directory now, without asking the person. */
export async function isGranted({ handle, readOnly }: LentDirectory): Promise<boolean> {
  const { queryPermission } = handle as Asking;
  if (queryPermission === undefined) return true;
  return (await queryPermission.call(handle, { mode: modeOf(readOnly) })) === "granted";
}

/** Has the browser ask the person, if it must. To be called because of a click. */
export async function requestAccess(directory: LentDirectory): Promise<boolean> {
  if (await isGranted(directory)) return true;
  const { handle, readOnly } = directory;
  const answer = await (handle as Asking).requestPermission?.({ mode: modeOf(readOnly) });
  return answer === "granted";
}

/** Those that were lent before; none where the browser keeps nothing. */
export async function remembered(): Promise<readonly LentDirectory[]> {
  try {
    return (await get<LentDirectory[]>(KEY, store())) ?? [];
  } catch {
    return [];
  }
}

/** To be offered again, in place of the same directory lent before. */
export async function remember(directory: LentDirectory): Promise<void> {
  await keep([directory, ...(await without(directory.handle))]);
}

export async function forget(handle: FileSystemDirectoryHandle): Promise<void> {
  await keep(await without(handle));
}

async function without(handle: FileSystemDirectoryHandle): Promise<LentDirectory[]> {
  const others: LentDirectory[] = [];
  for (const known of await remembered()) {
    if (!(await known.handle.isSameEntry(handle))) others.push(known);
  }
  return others;
}

/** A browser that keeps nothing has nothing to offer again. */
async function keep(directories: readonly LentDirectory[]): Promise<void> {
  await set(KEY, directories.slice(0, REMEMBERED_MAX), store()).catch(() => {});
}

let opened: UseStore | undefined;

function store(): UseStore {
  opened ??= createStore("tabvisor-lent", "directories");
  return opened;
}
