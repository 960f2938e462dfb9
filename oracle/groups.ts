/** Every group of cases, in the order of the golden data. */
import type { Group } from "./cases.ts";
import { CSR_GROUPS } from "./csr-cases.ts";
import { ILLEGAL_GROUPS } from "./illegal-cases.ts";
import { ROW_GROUPS } from "./row-cases.ts";
import { SEQUENCE_GROUPS } from "./sequence-cases.ts";

export const GROUPS: readonly Group[] = [
  ...ROW_GROUPS,
  ...CSR_GROUPS,
  ...ILLEGAL_GROUPS,
  ...SEQUENCE_GROUPS,
];
