/** Flags of system calls on files as Linux on RISC-V has them, which the protocols carry. */
import { HostError } from "./errno.ts";
import type { OpenMode, RenameFlags, XattrFlags } from "./host-tree.ts";

const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDWR = 2;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

/** Mode bits of fallocate(2). */
export const FALLOC_KEEP_SIZE = 1;
export const FALLOC_PUNCH_HOLE = 2;
export const FALLOC_ZERO_RANGE = 0x10;

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

/** @throws HostError EINVAL */
export function openModeOf(flags: number): OpenMode {
  const access = flags & O_ACCMODE;
  if (access === O_ACCMODE) throw new HostError("EINVAL");
  return {
    read: access !== O_WRONLY,
    write: access === O_WRONLY || access === O_RDWR,
    truncate: (flags & O_TRUNC) !== 0 && access !== 0,
    append: (flags & O_APPEND) !== 0,
  };
}

/** @throws HostError EINVAL */
export function renameFlagsOf(flags: number): RenameFlags {
  const noReplace = (flags & RENAME_NOREPLACE) !== 0;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const isKnown = (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) === 0;
  if (!isKnown || (noReplace && exchange)) throw new HostError("EINVAL");
  return { noReplace, exchange };
}

/** @throws HostError EINVAL */
export function xattrFlagsOf(flags: number): XattrFlags {
  const create = (flags & XATTR_CREATE) !== 0;
  const replace = (flags & XATTR_REPLACE) !== 0;
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0 || (create && replace)) {
    throw new HostError("EINVAL");
  }
  return { create, replace };
}
