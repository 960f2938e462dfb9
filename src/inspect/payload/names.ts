/** Numbers as people read them: by name, in the base that the field is known in. */
import { flagNames } from "../../virtio/spec.ts";
import { hex } from "../hex.ts";

export { hex };

/** How a value is shown. */
export type Show = (value: number) => string;

export const decimal: Show = (value) => String(value);
/** Permissions and flags of files. */
export const octal: Show = (value) => `0${value.toString(8)}`;

/** Names by number, of a table that has numbers by name. */
export function namesOf(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, value]) => [value, name]));
}

/** `IN (0)`; a number that has no name is shown as it is. */
export function named(names: ReadonlyMap<number, string>, plain: Show = decimal): Show {
  return (value) => {
    const name = names.get(value);
    return name === undefined ? plain(value) : `${name} (${plain(value)})`;
  };
}

/** The name alone, where there is one. */
export function nameOf(names: ReadonlyMap<number, string>, value: number, plain = decimal): string {
  return names.get(value) ?? plain(value);
}

/** A request's name as one word to filter by. */
export function opOf(names: ReadonlyMap<number, string>, value: number): string {
  return names.get(value)?.toLowerCase() ?? "unknown";
}

/** `SYN ACK (0x12)`: the bits by name, of a table that has masks by name. */
export function flags(table: Readonly<Record<string, number>>): Show {
  return (value) => {
    const names = flagNames(table, value).join(" ");
    return names === "" ? hex(value) : `${names} (${hex(value)})`;
  };
}

/** `1 byte`, `512 bytes`. */
export function bytesText(count: number | bigint): string {
  return `${count} ${Number(count) === 1 ? "byte" : "bytes"}`;
}
