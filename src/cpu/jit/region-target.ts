/** The translator's view of an instruction: operands are known, registers are locals. */
import type { FPU_FUNCTIONS, FpuFunction } from "../../isa/fpu.ts";
import type { FSource, LoadWidth, StoreWidth, XSource } from "../../isa/semantics.ts";
import {
  bind,
  br,
  call,
  type Expr,
  type Func,
  type I32,
  type I64,
  i32,
  i64,
  type Label,
  type Local,
  run,
  type Stmt,
  set,
  when,
  whenLikely,
} from "../../wasm/expr.ts";
import { hostFusesMultiplyAdd } from "../fpu/host-fma.ts";
import { inlineFpu } from "../fpu/inline.ts";
import { BYTES, type DataFunctions, HartTarget } from "../hart-target.ts";
import { TLB } from "../layout.ts";
import { get32, put32, readFlags, writeFlags } from "../state.ts";
import { covers, hits, hostOf, tlbEntry } from "../tlb.ts";
import type { Instruction } from "./discover.ts";
import type { Registers } from "./registers.ts";
import { RegionStatus } from "./runtime.ts";
import type { Window, WindowUse } from "./windows.ts";

/** The functions of the core module that translated instructions call. */
export interface RegionFunctions extends DataFunctions {
  readonly regionLoad: Func<"i32">;
  readonly regionStore: Func<"i32">;
}

/** What all instructions of a region share. */
export interface RegionContext {
  readonly core: RegionFunctions;
  readonly registers: Registers;
  /** Guest address of the page that the region was found from. */
  readonly pageBase: I64;
  /** Address of the TLB tables for data. */
  readonly dataTlb: number;
  /** Whether the region retreats from whatever the TLB does not know, rather than asking the MMU. */
  readonly lean: boolean;
  /** `ExitInfo` of the instruction at which the region retreats. */
  readonly place: Local<"i32">;
}

/** Where control goes from an instruction; each list of statements leaves the instruction. */
export interface Edges {
  /** Leaves the region as `regionExit` and `regionStatus` say. */
  readonly leave: Label;
  /** `ExitInfo` of the instruction. */
  readonly exit: number;
  /** Leaves the region before the instruction that `place` names, whose `ExitInfo` is `retreatAt`. */
  readonly retreat: Label;
  readonly retreatAt: number;
  /** Whether the access retreated often by itself: it may be misaligned, within a page. */
  readonly isNarrow: boolean;
  /** The window that a load or store goes through, if there is one. */
  readonly windowUse: WindowUse | undefined;
  /** Set by a branch that is none: whether what it branches over counts for nothing. */
  readonly skip: Local<"i32"> | undefined;
  /** The target of a branch or direct jump. */
  readonly taken: readonly Stmt[];
  /** A computed target. */
  readonly computed: (target: I64) => readonly Stmt[];
}

/** The dynamic rounding mode. */
const DYNAMIC = 7;

export class RegionTarget extends HartTarget {
  protected readonly core: RegionFunctions;
  protected readonly dataTlb: I32;
  readonly #context: RegionContext;
  readonly #instruction: Instruction;
  readonly #edges: Edges;

  constructor(context: RegionContext, instruction: Instruction, edges: Edges) {
    super();
    this.core = context.core;
    this.dataTlb = i32.const(context.dataTlb);
    this.#context = context;
    this.#instruction = instruction;
    this.#edges = edges;
  }

  protected get trap(): readonly Stmt[] {
    const { exit, leave } = this.#edges;
    return [put32("regionExit", exit), put32("regionStatus", RegionStatus.trap), br(leave)];
  }

  x(source: XSource): I64 {
    return this.#context.registers.readX(this.#instruction.decoded[source]);
  }

  protected rs1(): I32 {
    return i32.const(this.#instruction.decoded.rs1);
  }

  setX(value: I64): Stmt[] {
    const { rd } = this.#instruction.decoded;
    const { registers } = this.#context;
    const { skip } = this.#edges;
    if (skip !== undefined) {
      return [registers.writeX(rd, i64.select(skip, registers.readX(rd), value))];
    }
    if (rd !== 0) return [registers.writeX(rd, value)];
    // Evaluated all the same: a floating-point function raises flags.
    return value.kind === "const" || value.kind === "local" ? [] : [run(value)];
  }

  f(source: FSource): I64 {
    const { rs1, rs2, rs3 } = this.#instruction.decoded;
    return this.#context.registers.readF(source === "fs1" ? rs1 : source === "fs2" ? rs2 : rs3);
  }

  setF(value: I64): Stmt[] {
    const { rd } = this.#instruction.decoded;
    return [this.#context.registers.writeF(rd, value), this.markFloatDirty()];
  }

  override fpu<N extends FpuFunction>(
    name: N,
    ...args: readonly Expr[]
  ): Expr<(typeof FPU_FUNCTIONS)[N]["result"]> {
    const inline = inlineFpu(name, args, {
      fflags: get32("fflags"),
      exact: () => this.core.fpu[name],
      fusedMultiplyAdd: hostFusesMultiplyAdd(),
    });
    if (inline === undefined) return super.fpu(name, ...args);
    return { kind: "sequence", type: inline.type, body: [this.markFloatDirty()], value: inline };
  }

  protected override markFloatDirty(): Stmt {
    return this.#context.registers.markFloatDirty();
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
    return i64.add(this.#context.pageBase, this.#instruction.at);
  }

  nextPc(): I64 {
    const { at, decoded } = this.#instruction;
    return i64.add(this.#context.pageBase, at + decoded.length);
  }

  branch(cond: I32): Stmt[] {
    if (this.#edges.skip !== undefined) return [set(this.#edges.skip, cond)];
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

  load(width: LoadWidth, address: I64, use: (value: I64) => readonly Stmt[]): Stmt[] {
    const { leave, exit, windowUse } = this.#edges;
    const size = BYTES[width];
    const slow = (va: I64): I32 => {
      const host = i32.local();
      const body = [
        set(host, call(this.core.regionLoad, va, size, exit)),
        br(leave, i32.eqz(host)),
      ];
      return i32.seq(body, host);
    };
    if (windowUse !== undefined) {
      const { window } = windowUse;
      const value = i64[width](window.read, this.#displacement(window));
      return [...this.#open(windowUse), ...bind(value, use)];
    }
    const table = this.#context.dataTlb + TLB.read;
    return bind(address, (va) =>
      bind(tlbEntry(i32.const(0), va), (entry) => {
        const hit = this.#hits(entry, va, size, table);
        if (this.#context.lean) {
          return [...this.#retreatUnless(hit), ...bind(i64[width](hostOf(entry, va, table)), use)];
        }
        return bind(i64[width](i32.if(hit, hostOf(entry, va, table), slow(va), true)), use);
      }),
    );
  }

  store(width: StoreWidth, address: I64, value: I64): Stmt[] {
    const { leave, exit, windowUse } = this.#edges;
    const size = BYTES[width];
    const slow = (va: I64): Stmt[] => [
      br(leave, call(this.core.regionStore, va, size, value, exit)),
    ];
    if (windowUse !== undefined) {
      const { window } = windowUse;
      return [
        ...this.#open(windowUse),
        i64[width](window.write, value, this.#displacement(window)),
      ];
    }
    const table = this.#context.dataTlb + TLB.write;
    return bind(address, (va) =>
      bind(tlbEntry(i32.const(0), va), (entry) => {
        const hit = this.#hits(entry, va, size, table);
        const fast = i64[width](hostOf(entry, va, table), value);
        if (this.#context.lean) return [...this.#retreatUnless(hit), fast];
        return [whenLikely(hit, [fast], slow(va))];
      }),
    );
  }

  #hits(entry: I32, va: I64, size: number, table: number): I32 {
    return this.#edges.isNarrow ? covers(entry, va, size, table) : hits(entry, va, size, table);
  }

  protected override atomicMiss(va: I64, size: number, access: number): I32 {
    if (!this.#context.lean) return super.atomicMiss(va, size, access);
    return i32.seq(this.#retreatUnless(i32.const(0)), 0);
  }

  /** Leaves the instruction to the interpreter, which fills the TLB or does what is to be done. */
  #retreatUnless(condition: I32): Stmt[] {
    const { retreat, retreatAt } = this.#edges;
    return [set(this.#context.place, retreatAt), br(retreat, i32.eqz(condition))];
  }

  /** From a window's lowest byte to this instruction's bytes. */
  #displacement({ low }: Window): number {
    return this.#instruction.decoded.imm - low;
  }

  /** Opens a window, or retreats. */
  #open({ window, open }: WindowUse): Stmt[] {
    if (open === undefined) return [];
    const { forStores, mayBeOpen } = open;
    const table = this.#context.dataTlb + (forStores ? TLB.write : TLB.read);
    const wanted = forStores ? window.write : window.read;
    const base = this.#context.registers.readX(window.base);
    const look = bind(i64.add(base, window.low), (va) =>
      bind(tlbEntry(i32.const(0), va), (entry) => [
        ...this.#retreatUnless(covers(entry, va, window.span, table)),
        set(wanted, hostOf(entry, va, table)),
        // What may be stored to may be loaded from: a PTE or PMP entry with W and without R is reserved.
        ...(forStores && window.read !== window.write ? [set(window.read, wanted)] : []),
      ]),
    );
    return mayBeOpen ? [when(i32.eqz(wanted), look)] : look;
  }

  /** Only of fflags: regions end before accesses to other CSRs. */
  csr(
    operand: "rs1" | "zimm",
    writes: "always" | "unless-zero",
    next: (old: I64, operand: I64) => I64,
  ): Stmt[] {
    const old = readFlags();
    // The field of rs1 holds the immediate of the forms that have one.
    if (writes === "unless-zero" && this.#instruction.decoded.rs1 === 0) return this.setX(old);
    const value = operand === "rs1" ? this.x("rs1") : this.zimm();
    return bind(old, (flags) => [
      writeFlags(next(flags, value)),
      this.markFloatDirty(),
      ...this.setX(flags),
    ]);
  }

  /** @throws Error always: regions end before such instructions. */
  system(): Stmt[] {
    throw new Error("a system instruction in a region");
  }
}
