/** What tests say of an operation of a host's tree. */
import { HostError } from "../devices/host-tree/errno.ts";

/** The name of the error that it ends in, or "nothing". */
export async function hostOutcome(operation: () => unknown): Promise<string> {
  try {
    await operation();
    return "nothing";
  } catch (error) {
    return error instanceof HostError ? error.message : String(error);
  }
}
