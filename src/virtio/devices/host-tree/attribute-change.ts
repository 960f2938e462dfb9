/** What a guest asks to have changed of a file: fields, and bits that say which of them count. */
import { type AttributeChange, PERMISSIONS, type Timestamp } from "./host-tree.ts";

/** Bits that both protocols have from Linux's `ATTR_MODE` and those after it. */
export const ChangeBit = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
} as const;

/** The fields whose bits are set in `valid`. */
export function changeOf(valid: number, fields: Required<AttributeChange>): AttributeChange {
  const { mode, uid, gid, size, atime, mtime } = fields;
  return {
    ...((valid & ChangeBit.MODE) !== 0 && { mode: mode & PERMISSIONS }),
    ...((valid & ChangeBit.UID) !== 0 && { uid }),
    ...((valid & ChangeBit.GID) !== 0 && { gid }),
    ...((valid & ChangeBit.SIZE) !== 0 && { size }),
    ...((valid & ChangeBit.ATIME) !== 0 && { atime: checkedTime(atime) }),
    ...((valid & ChangeBit.MTIME) !== 0 && { mtime: checkedTime(mtime) }),
  };
}

/** A time as the guest gives it, whose nanoseconds may be any number. */
function checkedTime(time: Timestamp | "now"): Timestamp | "now" {
  return time === "now" ? time : { sec: time.sec, nsec: Math.min(time.nsec, 999_999_999) };
}
