/** All self-tests. */
import { csrTests } from "./csrs.ts";
import { delegationTests } from "./delegation.ts";
import { interruptTests } from "./interrupts.ts";
import { memoryTests } from "./memory.ts";
import { pagingExtensionTests } from "./paging-extensions.ts";
import { pmpTests } from "./pmp.ts";
import type { Selftest } from "./script.ts";
import { permissionTests } from "./sv39-permissions.ts";
import { walkTests } from "./sv39-walk.ts";
import { trapTests } from "./traps.ts";

export const SELFTESTS: readonly Selftest[] = [
  ...trapTests(),
  ...csrTests(),
  ...delegationTests(),
  ...permissionTests(),
  ...walkTests(),
  ...pagingExtensionTests(),
  ...pmpTests(),
  ...interruptTests(),
  ...memoryTests(),
];
