/** Errors of Node's file functions as those of a shared tree. */
import { Errno, type ErrnoName, HostError } from "../../src/virtio/devices/host-tree/errno.ts";

/** Runs `operation`. @throws HostError and nothing else */
export function guarded<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw hostErrorOf(error);
  }
}

export function hostErrorOf(error: unknown): HostError {
  if (error instanceof HostError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOTSUP") return new HostError("EOPNOTSUPP");
  return new HostError(code !== undefined && code in Errno ? (code as ErrnoName) : "EIO");
}
