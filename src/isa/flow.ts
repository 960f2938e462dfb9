/** How an instruction passes control on, found by asking its semantics. */
import { type I64, i64 } from "../wasm/expr.ts";
import type { Row } from "./row.ts";
import type { LoadWidth, StoreWidth, Target } from "./semantics.ts";

export type Flow =
  /** To the next instruction, or by an exception. */
  | "next"
  /** To pc + imm, or to the next one. */
  | "branch"
  /** To pc + imm, with a link. */
  | "jump"
  /** To an address in a register, with a link. */
  | "computed"
  /** Wherever the hart's own state says: CSR and system instructions. */
  | "hart";

const BY_METHOD: Partial<Record<keyof Target, Flow>> = {
  branch: "branch",
  jump: "jump",
  jumpTo: "computed",
  csr: "hart",
  system: "hart",
};

const MEMORY_METHODS: ReadonlySet<string> = new Set<keyof Target>([
  "load",
  "store",
  "amo",
  "loadReserved",
  "storeConditional",
  "cacheBlock",
]);

const RETURNS_STATEMENTS: ReadonlySet<string> = new Set([
  ...Object.keys(BY_METHOD),
  ...MEMORY_METHODS,
  "setX",
  "setF",
]);

/** Those that write rd besides `setX` and `setF`. */
const WRITING_METHODS: ReadonlySet<string> = new Set<keyof Target>([
  "setX",
  "setF",
  "jump",
  "jumpTo",
  "amo",
  "loadReserved",
  "storeConditional",
  "csr",
]);

/** A plain load or store, at rs1 + imm. */
export interface MemoryAccess {
  readonly width: LoadWidth | StoreWidth;
  readonly isStore: boolean;
}

interface Traits {
  readonly flow: Flow;
  readonly memory: boolean;
  readonly writes: boolean;
  readonly access: MemoryAccess | undefined;
}

function probe(row: Row): Traits {
  let flow: Flow = "next";
  let memory = false;
  let writes = false;
  let access: MemoryAccess | undefined;
  const asked = new Proxy({} as Target, {
    get:
      (_target, method) =>
      (...args: unknown[]) => {
        memory ||= MEMORY_METHODS.has(method as string);
        writes ||= WRITING_METHODS.has(method as string);
        flow = BY_METHOD[method as keyof Target] ?? flow;
        if (method === "load" || method === "store") {
          const width = args[0] as LoadWidth | StoreWidth;
          access = { width, isStore: method === "store" };
        }
        // What a load does with its value is part of the instruction.
        if (method === "load") (args[2] as (value: I64) => unknown)(i64.local());
        return RETURNS_STATEMENTS.has(method as string) ? [] : i64.local();
      },
  });
  row.semantics(asked);
  return { flow, memory, writes, access };
}

const TRAITS = new WeakMap<Row, Traits>();

function traitsOf(row: Row): Traits {
  let traits = TRAITS.get(row);
  if (traits === undefined) {
    traits = probe(row);
    TRAITS.set(row, traits);
  }
  return traits;
}

export const flowOf = (row: Row): Flow => traitsOf(row).flow;

/** Whether the instruction loads or stores, and so may fault. */
export const accessesMemory = (row: Row): boolean => traitsOf(row).memory;

export const accessOf = (row: Row): MemoryAccess | undefined => traitsOf(row).access;

/** Whether the instruction writes rd: some encodings have the field and no use for it. */
export const writesResult = (row: Row): boolean => traitsOf(row).writes;
