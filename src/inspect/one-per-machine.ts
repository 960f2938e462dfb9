/** What a machine has one of, whoever looks and however often the inspector was opened. */
import type { Machine } from "../machine/machine.ts";
import type { Subject } from "./subject.ts";

/** `make` for the first look at a machine; later ones get the same. It goes with the machine. */
export function onePerMachine<T extends object, S extends Subject = Subject>(
  make: (subject: S) => T,
): (subject: S) => T {
  const made = new WeakMap<Machine, T>();
  return (subject) => {
    const one = made.get(subject.machine) ?? make(subject);
    made.set(subject.machine, one);
    return one;
  };
}
