/** Guest registers of a region as WebAssembly locals, and their passage to and from the hart's state. */
import { type I64, i64, type Local, type Stmt, set } from "../../wasm/expr.ts";
import { F_BASE, X_BASE } from "../layout.ts";
import type { Instruction } from "./discover.ts";

class RegisterFile {
  readonly #base: number;
  readonly #locals = new Map<number, Local<"i64">>();
  readonly #written = new Set<number>();

  constructor(base: number) {
    this.#base = base;
  }

  /** Says that the region uses a register. All are known before the first `load` or `store`. */
  use(index: number, written: boolean): void {
    if (!this.#locals.has(index)) this.#locals.set(index, i64.local());
    if (written) this.#written.add(index);
  }

  read(index: number): I64 {
    return this.#local(index);
  }

  write(index: number, value: I64): Stmt {
    return set(this.#local(index), value);
  }

  /** Loads every register that the region uses. */
  load(): Stmt[] {
    return [...this.#locals].map(([index, local]) =>
      set(local, i64.load(0, this.#base + index * 8)),
    );
  }

  /** Stores every register that the region may have written. */
  store(): Stmt[] {
    return [...this.#written].map((index) =>
      i64.store(0, this.#local(index), this.#base + index * 8),
    );
  }

  /** @throws Error for a register that was not announced. */
  #local(index: number): Local<"i64"> {
    const local = this.#locals.get(index);
    if (local === undefined) throw new Error(`register ${index} is not in use`);
    return local;
  }
}

export interface Registers {
  readonly x: RegisterFile;
  readonly f: RegisterFile;
}

/** The registers that instructions name, by the fields of their rows. x0 is none. */
export function registersOf(instructions: Iterable<Instruction>): Registers {
  const registers = { x: new RegisterFile(X_BASE), f: new RegisterFile(F_BASE) };
  for (const { row, decoded } of instructions) {
    for (const { name } of row.pattern.fields) {
      const [, file, slot] = /^([rf])(d|s[123])$/.exec(name) ?? [];
      if (file === undefined) continue;
      const index = decoded[`r${slot}` as "rd" | "rs1" | "rs2" | "rs3"];
      if (file === "f") registers.f.use(index, slot === "d");
      else if (index !== 0) registers.x.use(index, slot === "d");
    }
  }
  return registers;
}
