/** At most one tab holds a disk at a time: Web Locks live exactly as long as the tab that took them. */

const LOCK_PREFIX = "tabvisor-disk-";

/** The part of `LockManager` that is used, so that tests can give their own. */
export interface Locks {
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>;
  request(
    name: string,
    options: { signal: AbortSignal },
    held: (lock: unknown) => Promise<void>,
  ): Promise<void>;
}

/**
 * How long to wait for the lock, in ms. A page that is loaded again may be there before its
 * predecessor's Worker has ended; a tab that really uses the disk keeps it far longer.
 */
const LOCK_PATIENCE_MS = 1500;

/**
 * Takes the lock of disk `name`, or gives undefined when another tab holds it. The returned function
 * gives the lock back; a tab that is closed or killed gives it back by dying.
 */
export function lockDisk(
  name: string,
  locks: Locks,
  patienceMs: number = LOCK_PATIENCE_MS,
): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), patienceMs);
    const held = () => {
      clearTimeout(timer);
      return new Promise<void>((release) => resolve(release));
    };
    locks.request(LOCK_PREFIX + name, { signal: waiting.signal }, held).catch((error: unknown) => {
      if (waiting.signal.aborted) resolve(undefined);
      else reject(error);
    });
  });
}

/** The names of the disks that some tab holds, this one included. */
export async function lockedDisks(locks: Locks): Promise<ReadonlySet<string>> {
  const { held = [] } = await locks.query();
  const names = held.flatMap(({ name }) =>
    name?.startsWith(LOCK_PREFIX) ? [name.slice(LOCK_PREFIX.length)] : [],
  );
  return new Set(names);
}
