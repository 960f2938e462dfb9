/**
 * What both tiers share of an instruction's effects: memory accesses through the TLB, atomics, and
 * calls of the floating-point unit. Where operands come from, and where control goes, is the tier's.
 */
import { FPU_FUNCTIONS, type FpuFunction } from "../isa/fpu.ts";
import type {
  CacheBlockOperation,
  FSource,
  LoadWidth,
  StoreWidth,
  SystemOperation,
  Target,
  XSource,
} from "../isa/semantics.ts";
import { rowNamed } from "../isa/table.ts";
import {
  type Arg,
  bind,
  call,
  type Expr,
  type Func,
  type I32,
  type I64,
  i32,
  i64,
  type Stmt,
  set,
  when,
} from "../wasm/expr.ts";
import { CacheBlock } from "./cache-block.ts";
import type { FpuFuncs } from "./fpu/index.ts";
import { TLB } from "./layout.ts";
import type { MmuFunctions } from "./mmu.ts";
import { Access } from "./pmp.ts";
import { Cause, get, get32, markFloatDirty, put, put32, recordFault } from "./state.ts";
import { hits, hostOf, tlbEntry } from "./tlb.ts";

/** The generated functions that data-path instructions call. */
export interface DataFunctions {
  readonly mmu: Pick<MmuFunctions, "atomicSlow" | "cacheBlock">;
  readonly fpu: FpuFuncs;
}

/** Place of rs1 in an instruction. */
const RS1_SHIFT = 15;

export const BYTES: Record<LoadWidth | StoreWidth, number> = {
  load8_s: 1,
  load8_u: 1,
  load16_s: 2,
  load16_u: 2,
  load32_s: 4,
  load32_u: 4,
  load: 8,
  store8: 1,
  store16: 2,
  store32: 4,
  store: 8,
};

export abstract class HartTarget implements Target {
  abstract x(source: XSource): I64;
  abstract setX(value: I64): Stmt[];
  abstract f(source: FSource): I64;
  abstract setF(value: I64): Stmt[];
  abstract rm(): I32;
  abstract imm(): I64;
  abstract zimm(): I64;
  abstract pc(): I64;
  abstract nextPc(): I64;
  abstract branch(cond: I32): Stmt[];
  abstract jump(): Stmt[];
  abstract jumpTo(address: I64): Stmt[];
  abstract csr(
    operand: "rs1" | "zimm",
    writes: "always" | "unless-zero",
    next: (old: I64, operand: I64) => I64,
  ): Stmt[];
  abstract system(operation: SystemOperation): Stmt[];
  /** The number of the register rs1. */
  protected abstract rs1(): I32;

  protected abstract readonly core: DataFunctions;
  /** Address of the TLB tables that loads and stores go through. */
  protected abstract readonly dataTlb: I32;
  /** An exception has been recorded. */
  protected abstract readonly trap: readonly Stmt[];

  nop(): Stmt[] {
    return [];
  }

  protected markFloatDirty(): Stmt {
    return markFloatDirty();
  }

  fpu<N extends FpuFunction>(
    name: N,
    ...args: readonly Expr[]
  ): Expr<(typeof FPU_FUNCTIONS)[N]["result"]> {
    const func: Func = this.core.fpu[name];
    // Exceptions accrue in fcsr, which counts as floating-point state.
    return {
      kind: "sequence",
      type: FPU_FUNCTIONS[name].result,
      body: [this.markFloatDirty()],
      value: call(func as Func<"i64">, ...(args as Arg<"i64">[])),
    } as unknown as Expr<(typeof FPU_FUNCTIONS)[N]["result"]>;
  }

  abstract load(width: LoadWidth, address: I64, use: (value: I64) => readonly Stmt[]): Stmt[];
  abstract store(width: StoreWidth, address: I64, value: I64): Stmt[];

  amo(bytes: 4 | 8, next: (old: I64, operand: I64) => I64): Stmt[] {
    const operand = bytes === 4 ? i64.extend32_s(this.x("rs2")) : this.x("rs2");
    return bind(this.x("rs1"), (va) => [
      ...this.#alignment(va, bytes, Cause.storeMisaligned),
      ...this.#atomicAddress(va, bytes, Access.write, (host) =>
        bind(loadBytes(host, bytes), (old) =>
          bind(operand, (value) => [storeBytes(host, bytes, next(old, value)), ...this.setX(old)]),
        ),
      ),
    ]);
  }

  loadReserved(bytes: 4 | 8): Stmt[] {
    return bind(this.x("rs1"), (va) => [
      ...this.#alignment(va, bytes, Cause.loadMisaligned),
      ...this.#atomicAddress(va, bytes, Access.read, (host) =>
        bind(loadBytes(host, bytes), (value) => [
          put32("reservationHost", host),
          put("reservationAddress", va),
          put("reservationValue", value),
          ...this.setX(value),
        ]),
      ),
    ]);
  }

  storeConditional(bytes: 4 | 8): Stmt[] {
    const failed = i32.local();
    return bind(this.x("rs1"), (va) => [
      ...this.#alignment(va, bytes, Cause.storeMisaligned),
      set(failed, 1),
      when(
        i32.and(i32.ne(get32("reservationHost"), 0), i64.eq(get("reservationAddress"), va)),
        this.#atomicAddress(va, bytes, Access.write, (host) => [
          when(
            i32.and(
              i32.eq(host, get32("reservationHost")),
              i64.eq(loadBytes(host, bytes), get("reservationValue")),
            ),
            [storeBytes(host, bytes, this.x("rs2")), set(failed, 0)],
          ),
        ]),
      ),
      put32("reservationHost", 0),
      ...this.setX(i64.extend_i32_u(failed)),
    ]);
  }

  cacheBlock(operation: CacheBlockOperation): Stmt[] {
    const { match } = rowNamed(`cbo.${operation}`).pattern;
    const bits = i32.or(i32.shl(this.rs1(), RS1_SHIFT), match);
    const ok = call(this.core.mmu.cacheBlock, CacheBlock[operation], this.x("rs1"), bits);
    return [when(i32.eqz(ok), this.trap)];
  }

  #alignment(va: I64, bytes: number, cause: number): Stmt[] {
    return [when(i32.and(i32.wrap_i64(va), bytes - 1), [...recordFault(cause, va), ...this.trap])];
  }

  #atomicAddress(
    va: I64,
    size: number,
    access: number,
    use: (host: I32) => readonly Stmt[],
  ): Stmt[] {
    const table = access === Access.write ? TLB.write : TLB.read;
    return bind(tlbEntry(this.dataTlb, va), (entry) => {
      const miss = this.atomicMiss(va, size, access);
      return bind(i32.if(hits(entry, va, size, table), hostOf(entry, va, table), miss, true), use);
    });
  }

  /** Host address for an atomic access to a page that the TLB does not know. */
  protected atomicMiss(va: I64, size: number, access: number): I32 {
    const host = i32.local();
    const body = [
      set(host, call(this.core.mmu.atomicSlow, va, size, access)),
      when(i32.eqz(host), this.trap),
    ];
    return i32.seq(body, host);
  }
}

const loadBytes = (host: I32, bytes: 4 | 8): I64 =>
  bytes === 4 ? i64.load32_s(host) : i64.load(host);

const storeBytes = (host: I32, bytes: 4 | 8, value: I64): Stmt =>
  bytes === 4 ? i64.store32(host, value) : i64.store(host, value);
