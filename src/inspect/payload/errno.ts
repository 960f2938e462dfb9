/** Error numbers as both file protocols carry them. */
import { Errno } from "../../virtio/devices/host-tree/errno.ts";
import { named, nameOf, namesOf } from "./names.ts";

const ERRORS = namesOf(Errno);

export const showErrno = named(ERRORS);

export function errnoName(errno: number): string {
  return nameOf(ERRORS, errno);
}
