/** What the browser says is wrong, in the guest's words. */
import { type ErrnoName, HostError } from "../../virtio/devices/host-tree/errno.ts";

/** By the names of DOMExceptions; a TypeError is a name that the host cannot have. */
const ERRNOS: Readonly<Record<string, ErrnoName>> = {
  NotFoundError: "ENOENT",
  NotAllowedError: "EACCES",
  SecurityError: "EPERM",
  NoModificationAllowedError: "EBUSY",
  InvalidModificationError: "ENOTEMPTY",
  QuotaExceededError: "ENOSPC",
  TypeError: "EINVAL",
};

/** Whatever else is wrong is an I/O error. */
export function hostErrorOf(error: unknown): HostError {
  if (error instanceof HostError) return error;
  return new HostError(ERRNOS[nameOf(error)] ?? "EIO");
}

export function isNamed(error: unknown, name: string): boolean {
  return nameOf(error) === name;
}

/** `answer`, whose failure is one of the guest's. */
export async function guarded<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw hostErrorOf(error);
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : "";
}
