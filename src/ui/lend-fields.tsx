/** The part of the dialog about files that lends directories to the guest, in place. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import {
  canLend,
  forget,
  isGranted,
  type LentDirectory,
  pickDirectory,
  remember,
  remembered,
  requestAccess,
} from "./lent-directories.ts";
import type { Session } from "./session.ts";

/** Lends directories that the browser still grants from an earlier visit. */
export async function lendAgain(session: Session): Promise<void> {
  for (const directory of await remembered()) {
    if (await isGranted(directory)) session.lend(directory.handle, directory.readOnly);
  }
}

/** Lends a directory if the person agrees, and remembers it. To be called because of a click. */
export async function lend(session: Session, directory: LentDirectory): Promise<void> {
  if (await requestAccess(directory)) {
    session.lend(directory.handle, directory.readOnly);
    await remember(directory);
    return;
  }
  const what = `The browser does not let the guest use ${directory.handle.name}.`;
  session.notice.value = { what, advice: "Lend it again, and allow it when you are asked." };
}

export function LendFields({ session }: { readonly session: Session }): JSX.Element {
  const [mayChange, setMayChange] = useState(true);
  const [known, setKnown] = useState<readonly LentDirectory[]>([]);
  const lent = session.lent.value;
  useEffect(() => {
    void notLent(lent).then(setKnown);
  }, [lent]);
  if (!canLend()) {
    return (
      <p class="hint">
        This browser cannot lend a directory in place: it has no File System Access API, which
        Chrome and Edge have. What you share below is copied, and stays in this tab.
      </p>
    );
  }
  const pick = async (): Promise<void> => {
    const directory = await pickDirectory(!mayChange);
    if (directory !== undefined) await lend(session, directory);
  };
  const takeBack = (id: number, handle: FileSystemDirectoryHandle): void => {
    session.takeBack(id);
    void forget(handle);
  };
  return (
    <fieldset class="lend">
      <legend>Lend a directory, in place</legend>
      <label>
        <input
          type="checkbox"
          checked={mayChange}
          onChange={(event) => setMayChange(event.currentTarget.checked)}
        />{" "}
        The guest may change it
      </label>
      <button type="button" onClick={() => void pick()}>
        Lend a directory…
      </button>
      <ul>
        {lent.map(({ id, handle, readOnly, name }) => (
          <li key={id}>
            <span>
              {name === undefined ? handle.name : `/mnt/files/${name}`}
              {readOnly && ", read-only"}
            </span>
            <button type="button" onClick={() => takeBack(id, handle)}>
              Take back
            </button>
          </li>
        ))}
        {known.map((directory) => (
          <li key={directory.handle.name}>
            <span>{directory.handle.name}, lent before</span>
            <button type="button" onClick={() => void lend(session, directory)}>
              Lend again
            </button>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}

/** What was lent before and is not now. */
async function notLent(lent: Session["lent"]["value"]): Promise<LentDirectory[]> {
  const others: LentDirectory[] = [];
  for (const directory of await remembered()) {
    const same = await Promise.all(lent.map(({ handle }) => handle.isSameEntry(directory.handle)));
    if (!same.includes(true)) others.push(directory);
  }
  return others;
}
