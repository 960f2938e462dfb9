/** The translator's view of an instruction: operands are known, registers are locals. */
import type { FSource, XSource } from "../../isa/semantics.ts";
import { bind, type I32, type I64, i32, i64, run, type Stmt } from "../../wasm/expr.ts";
import { type DataFunctions, HartTarget } from "../hart-target.ts";
import { get32, markFloatDirty } from "../state.ts";
import type { Instruction } from "./discover.ts";
import type { Registers } from "./registers.ts";

/** Where control goes from an instruction; each list of statements leaves the instruction. */
export interface Edges {
  readonly trap: readonly Stmt[];
  readonly attendLoad: readonly Stmt[];
  readonly attendStore: readonly Stmt[];
  /** The target of a branch or direct jump. */
  readonly taken: readonly Stmt[];
  /** A computed target. */
  readonly computed: (target: I64) => readonly Stmt[];
}

/** The dynamic rounding mode. */
const DYNAMIC = 7;

export class RegionTarget extends HartTarget {
  protected readonly core: DataFunctions;
  protected readonly trap: readonly Stmt[];
  protected readonly attendLoad: readonly Stmt[];
  protected readonly attendStore: readonly Stmt[];
  readonly #registers: Registers;
  readonly #instruction: Instruction;
  readonly #pageBase: I64;
  readonly #edges: Edges;

  constructor(
    core: DataFunctions,
    registers: Registers,
    instruction: Instruction,
    pageBase: I64,
    edges: Edges,
  ) {
    super();
    this.core = core;
    this.trap = edges.trap;
    this.attendLoad = edges.attendLoad;
    this.attendStore = edges.attendStore;
    this.#registers = registers;
    this.#instruction = instruction;
    this.#pageBase = pageBase;
    this.#edges = edges;
  }

  x(source: XSource): I64 {
    const index = this.#instruction.decoded[source];
    return index === 0 ? i64.const(0) : this.#registers.x.read(index);
  }

  setX(value: I64): Stmt[] {
    const { rd } = this.#instruction.decoded;
    if (rd !== 0) return [this.#registers.x.write(rd, value)];
    // Evaluated all the same: a floating-point function raises flags.
    return value.kind === "const" || value.kind === "local" ? [] : [run(value)];
  }

  f(source: FSource): I64 {
    const { rs1, rs2, rs3 } = this.#instruction.decoded;
    return this.#registers.f.read(source === "fs1" ? rs1 : source === "fs2" ? rs2 : rs3);
  }

  setF(value: I64): Stmt[] {
    return [this.#registers.f.write(this.#instruction.decoded.rd, value), markFloatDirty()];
  }

  rm(): I32 {
    const { rm } = this.#instruction.decoded;
    return rm === DYNAMIC ? get32("frm") : i32.const(rm);
  }

  imm(): I64 {
    return i64.const(this.#instruction.decoded.imm);
  }

  zimm(): I64 {
    return i64.const(this.#instruction.decoded.rs1);
  }

  pc(): I64 {
    return i64.add(this.#pageBase, this.#instruction.at);
  }

  nextPc(): I64 {
    return i64.add(this.#pageBase, this.#instruction.at + this.#instruction.decoded.length);
  }

  branch(cond: I32): Stmt[] {
    const [first, ...rest] = this.#edges.taken;
    if (first.kind === "br" && first.cond === undefined && rest.length === 0) {
      return [{ ...first, cond }];
    }
    return [{ kind: "if", cond, yes: this.#edges.taken, no: [], likely: undefined }];
  }

  jump(): Stmt[] {
    return [...this.setX(this.nextPc()), ...this.#edges.taken];
  }

  jumpTo(address: I64): Stmt[] {
    return bind(i64.and(address, -2), (target) => [
      ...this.setX(this.nextPc()),
      ...this.#edges.computed(target),
    ]);
  }

  /** @throws Error always: regions end before such instructions. */
  csr(): Stmt[] {
    throw new Error("a CSR instruction in a region");
  }

  /** @throws Error always: regions end before such instructions. */
  system(): Stmt[] {
    throw new Error("a system instruction in a region");
  }
}
