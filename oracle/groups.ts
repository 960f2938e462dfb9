/** Every group of cases, in the order of the golden data. */
import { ROWS } from "../src/isa/table.ts";
import type { Group } from "./cases.ts";
import { CSR_GROUPS } from "./csr-cases.ts";
import { ILLEGAL_GROUPS } from "./illegal-cases.ts";
import { isOnQemu } from "./qemu.ts";
import { ROW_GROUPS } from "./row-cases.ts";
import { SEQUENCE_GROUPS } from "./sequence-cases.ts";

const NEWER_NAMES = new Set(ROWS.filter((row) => !isOnQemu(row)).map(({ name }) => name));

/** Rows that only a newer QEMU has. They run apart: a batch shares the state that no case sets. */
export const NEWER_GROUPS: readonly Group[] = ROW_GROUPS.filter(({ name }) =>
  NEWER_NAMES.has(name),
);

export const GROUPS: readonly Group[] = [
  ...ROW_GROUPS.filter(({ name }) => !NEWER_NAMES.has(name)),
  ...CSR_GROUPS,
  ...ILLEGAL_GROUPS,
  ...SEQUENCE_GROUPS,
];
