/** What every part of the floating-point unit is built with: a module and the access to `fflags`. */
import { FFlags } from "../../isa/fpu.ts";
import { type Arg, type I32, i32, type Stmt } from "../../wasm/expr.ts";
import type { ModuleBuilder } from "../../wasm/module-builder.ts";

/** Reads and accrues the exception flags, wherever the hart keeps them. */
export interface FlagsAccess {
  read(): I32;
  accrue(flags: Arg<"i32">): Stmt;
}

export interface Unit {
  readonly module: ModuleBuilder;
  readonly flags: FlagsAccess;
}

/** Rounding modes (RISC-V Unprivileged ISA, table 29). */
export const Rounding = {
  nearestEven: 0,
  towardZero: 1,
  down: 2,
  up: 3,
  nearestMaxMagnitude: 4,
} as const;

/** Whether an inexact result would change no flag any more. */
export function inexactIsSet(flags: FlagsAccess): I32 {
  return i32.and(flags.read(), FFlags.NX);
}
