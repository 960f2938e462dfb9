/** At most one tab holds a disk at a time: Web Locks live exactly as long as the tab that took them. */

/** The part of `LockManager` that is used, so that tests can give their own. */
export interface Locks {
  request(
    name: string,
    options: { ifAvailable: boolean },
    held: (lock: object | null) => Promise<void> | undefined,
  ): Promise<void>;
}

/**
 * Takes the lock of disk `name`, or gives undefined when another tab holds it. The returned function
 * gives the lock back; a tab that is closed or killed gives it back by dying.
 */
export function lockDisk(name: string, locks: Locks): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const held = (lock: object | null): Promise<void> | undefined => {
      if (lock === null) {
        resolve(undefined);
        return undefined;
      }
      return new Promise((release) => resolve(release));
    };
    locks.request(`tabvisor-disk-${name}`, { ifAvailable: true }, held).catch(reject);
  });
}
