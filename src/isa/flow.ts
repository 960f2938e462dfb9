/** How an instruction passes control on, found by asking its semantics. */
import { i64 } from "../wasm/expr.ts";
import type { Row } from "./row.ts";
import type { Target } from "./semantics.ts";

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

function probe(row: Row): Flow {
  let flow: Flow = "next";
  const asked = new Proxy({} as Target, {
    get: (_target, method) => () => {
      const found = BY_METHOD[method as keyof Target];
      if (found === undefined) return i64.local();
      flow = found;
      return [];
    },
  });
  row.semantics(asked);
  return flow;
}

const FLOWS = new WeakMap<Row, Flow>();

export function flowOf(row: Row): Flow {
  const known = FLOWS.get(row);
  if (known !== undefined) return known;
  const flow = probe(row);
  FLOWS.set(row, flow);
  return flow;
}
