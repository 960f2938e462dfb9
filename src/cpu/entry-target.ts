/** The interpreter's view of an instruction: operands come from a decoded entry at run time. */
import type { FSource, LoadWidth, StoreWidth, SystemOperation, XSource } from "../isa/semantics.ts";
import {
  bind,
  call,
  callVoid,
  type Expr,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  letIn,
  type Stmt,
  set,
  when,
  whenLikely,
} from "../wasm/expr.ts";
import type { CsrFunctions } from "./csrs.ts";
import type { DecodeFunctions } from "./decode.ts";
import { BYTES, type DataFunctions, HartTarget } from "./hart-target.ts";
import type { HostFunctions } from "./imports.ts";
import type { RegionRuntime } from "./jit/runtime.ts";
import { ENTRY, F_BASE, TLB, X_BASE, X_SINK } from "./layout.ts";
import type { MmuFunctions } from "./mmu.ts";
import {
  Cause,
  get,
  get32,
  logCall,
  logJump,
  Mode,
  Mstatus,
  markFloatDirty,
  mip,
  put,
  put32,
  recordFault,
  statusHas,
} from "./state.ts";
import { hits, hostOf, tlbEntry } from "./tlb.ts";
import type { TrapFunctions } from "./traps.ts";

/** The generated functions that instructions call. */
export interface CoreFunctions extends DataFunctions {
  readonly host: HostFunctions;
  readonly decoder: DecodeFunctions;
  readonly mmu: MmuFunctions;
  readonly csrs: CsrFunctions;
  readonly regions: RegionRuntime;
  readonly traps: TrapFunctions;
}

/** What a handler does when it does not simply go on to the next entry. */
export interface Continuations {
  /** Where a load or store that the TLB has no answer to is executed instead; undefined: here. */
  readonly miss?: readonly Stmt[];
  /** An exception has been recorded. */
  readonly trap: readonly Stmt[];
  /** Something outside needs the main loop's attention soon; the instruction itself goes on. */
  readonly attend: readonly Stmt[];
  /** The hart's state changed: go on at the state's pc. */
  readonly steer: readonly Stmt[];
  /** Goes to pc + imm; `near` handlers move within the slot. */
  readonly relative: readonly Stmt[];
  /** From pc to where `relative` goes, in bytes. */
  readonly distance: I64;
  /** Goes to a computed address. */
  readonly absolute: (target: I64) => Stmt[];
}

export class EntryTarget extends HartTarget {
  protected readonly core: CoreFunctions;
  protected readonly dataTlb = get32("dataTlb");
  protected readonly trap: readonly Stmt[];
  readonly #entry: Local<"i32">;
  readonly #codeBase: I64;
  readonly #length: number;
  readonly #next: Continuations;

  constructor(
    core: CoreFunctions,
    entry: Local<"i32">,
    codeBase: I64,
    length: number,
    next: Continuations,
  ) {
    super();
    this.core = core;
    this.trap = next.trap;
    this.#entry = entry;
    this.#codeBase = codeBase;
    this.#length = length;
    this.#next = next;
  }

  x(source: XSource): I64 {
    return i64.load(i32.load16_u(this.#entry, source === "rs1" ? ENTRY.rs1 : ENTRY.rs2));
  }

  protected rs1(): I32 {
    return i32.shr_u(i32.sub(i32.load16_u(this.#entry, ENTRY.rs1), X_BASE), 3);
  }

  setX(value: I64): Stmt[] {
    return [i64.store(i32.load16_u(this.#entry, ENTRY.rd), value)];
  }

  f(source: FSource): I64 {
    if (source === "fs3") {
      return i64.load(i32.shl(i32.load8_u(this.#entry, ENTRY.rs3), 3), F_BASE);
    }
    return i64.load(i32.load16_u(this.#entry, source === "fs1" ? ENTRY.rs1 : ENTRY.rs2));
  }

  setF(value: I64): Stmt[] {
    return [i64.store(i32.load16_u(this.#entry, ENTRY.rd), value), markFloatDirty()];
  }

  rm(): I32 {
    return letIn(i32.load8_u(this.#entry, ENTRY.rm), (rm) =>
      i32.select(i32.eq(rm, 7), get32("frm"), rm),
    );
  }

  imm(): I64 {
    return i64.load32_s(this.#entry, ENTRY.imm);
  }

  zimm(): I64 {
    return i64.load16_u(this.#entry, ENTRY.rs1);
  }

  pc(): I64 {
    return i64.add(this.#codeBase, i64.extend_i32_u(i32.shr_u(this.#entry, 3)));
  }

  nextPc(): I64 {
    return i64.add(this.pc(), this.#length);
  }

  branch(cond: I32): Stmt[] {
    return [when(cond, this.#next.relative)];
  }

  jump(): Stmt[] {
    return [
      when(this.#isCall(), [logCall(i64.add(this.pc(), this.#next.distance))]),
      ...this.setX(this.nextPc()),
      ...this.#next.relative,
    ];
  }

  /** Whether a jump links to ra, as calls do by convention (Unprivileged ISA, 2.5.1). */
  #isCall(): I32 {
    return i32.eq(i32.load16_u(this.#entry, ENTRY.rd), X_BASE + 8);
  }

  jumpTo(address: I64): Stmt[] {
    const isJump = i32.and(
      i32.eq(i32.load16_u(this.#entry, ENTRY.rd), X_BASE + X_SINK * 8),
      i32.ne(i32.load16_u(this.#entry, ENTRY.rs1), X_BASE + 8),
    );
    return bind(i64.and(address, -2), (target) => [
      when(this.#isCall(), [logCall(target)], [when(isJump, logJump(this.pc(), target))]),
      ...this.setX(this.nextPc()),
      ...this.#next.absolute(target),
    ]);
  }

  load(width: LoadWidth, address: I64, use: (value: I64) => readonly Stmt[]): Stmt[] {
    const size = BYTES[width];
    const { miss } = this.#next;
    const slow = (va: I64): I32 => {
      if (miss !== undefined) return i32.seq(miss, 0);
      const host = i32.local();
      const body = [
        set(host, call(this.core.mmu.loadSlow, va, size)),
        when(i32.eqz(host), this.trap),
        when(get32("attention"), this.#next.attend),
      ];
      return i32.seq(body, host);
    };
    return bind(address, (va) =>
      bind(tlbEntry(this.dataTlb, va), (entry) => {
        const hit = hits(entry, va, size, TLB.read);
        return bind(i64[width](i32.if(hit, hostOf(entry, va, TLB.read), slow(va), true)), use);
      }),
    );
  }

  store(width: StoreWidth, address: I64, value: I64): Stmt[] {
    const size = BYTES[width];
    return bind(address, (va) =>
      bind(tlbEntry(this.dataTlb, va), (entry) => [
        whenLikely(
          hits(entry, va, size, TLB.write),
          [i64[width](hostOf(entry, va, TLB.write), value)],
          this.#next.miss ?? [
            when(i32.eqz(call(this.core.mmu.storeSlow, va, size, value)), this.trap),
            when(get32("attention"), this.#next.attend),
          ],
        ),
      ]),
    );
  }

  csr(
    operand: "rs1" | "zimm",
    writes: "always" | "unless-zero",
    next: (old: I64, operand: I64) => I64,
  ): Stmt[] {
    const { csrs } = this.core;
    const zeroField = operand === "rs1" ? X_BASE : 0;
    const field = i32.load16_u(this.#entry, ENTRY.rs1);
    const writesNow = writes === "always" ? i32.const(1) : i32.ne(field, zeroField);
    const number = i32.load(this.#entry, ENTRY.imm);
    const steers = i32.local();
    return bind(writesNow, (writing) =>
      bind(call(csrs.resolve, number, writing), (row) => [
        when(i32.eqz(row), this.#illegal()),
        ...bind(call(csrs.read, row, 0), (old) => [
          set(steers, 0),
          when(writing, [
            ...bind(operand === "rs1" ? this.x("rs1") : this.zimm(), (value) => [
              set(steers, call(csrs.write, row, next(call(csrs.read, row, 1), value))),
            ]),
          ]),
          ...this.setX(old),
        ]),
        when(steers, this.#steerToNext()),
      ]),
    );
  }

  system(operation: SystemOperation): Stmt[] {
    const mode = (): I32 => get32("mode");
    const illegalUnless = (legal: I32): Stmt => when(i32.eqz(legal), this.#illegal());
    /** S-mode may do it unless this bit of mstatus is set; M-mode always, U-mode never. */
    const supervisorUnless = (bit: number): Stmt =>
      illegalUnless(
        i32.or(i32.eq(mode(), Mode.M), i32.and(i32.eq(mode(), Mode.S), i32.eqz(statusHas(bit)))),
      );
    const { traps, mmu, host } = this.core;
    switch (operation) {
      case "ecall":
        return [
          when(i32.and(i32.eq(mode(), Mode.S), get32("ecallHandled")), [
            put("pc", i64.add(get("pc"), 4)),
            callVoid(host.ecall),
            put32("attention", 1),
            ...this.#next.steer,
          ]),
          ...recordFault(i32.add(mode(), Cause.ecallU), 0),
          ...this.#next.trap,
        ];
      case "ebreak":
        return [...recordFault(Cause.breakpoint, get("pc")), ...this.#next.trap];
      case "mret":
        return [
          illegalUnless(i32.eq(mode(), Mode.M)),
          callVoid(traps.machineReturn),
          put32("attention", 1),
          ...this.#next.steer,
        ];
      case "sret":
        return [
          supervisorUnless(Mstatus.TSR),
          callVoid(traps.supervisorReturn),
          put32("attention", 1),
          ...this.#next.steer,
        ];
      case "wfi":
        return [
          supervisorUnless(Mstatus.TW),
          when(i64.eqz(i64.and(mip(), get("mie"))), [put32("waiting", 1)]),
          ...this.#steerToNext(),
        ];
      case "sfence.vma":
        return [
          supervisorUnless(Mstatus.TVM),
          when(
            i32.eq(i32.load16_u(this.#entry, ENTRY.rs1), X_BASE),
            [callVoid(mmu.flushAll)],
            [callVoid(mmu.flushPage, this.x("rs1"))],
          ),
          ...this.#steerToNext(),
        ];
      case "sfence.inval":
        return [illegalUnless(i32.ne(mode(), Mode.U))];
      case "fence.i":
        // Stores drop what they overwrite from the decoded code at once. Only the page that executes
        // now may have given up its slot (see `CodeCache.releaseSlot`): look it up again.
        return this.#steerToNext();
    }
  }

  /** Raises an illegal instruction exception with the instruction's bits as tval. */
  #illegal(): Stmt[] {
    return [...illegalInstruction(this.core, this.#entry), ...this.#next.trap];
  }

  #steerToNext(): Stmt[] {
    return [
      put("pc", i64.add(get("pc"), this.#length)),
      put32("attention", 1),
      ...this.#next.steer,
    ];
  }
}

/** Records an illegal instruction exception for the instruction of a decoded entry. */
export function illegalInstruction(core: CoreFunctions, entry: Expr<"i32">): Stmt[] {
  return recordFault(Cause.illegal, i64.extend_i32_u(call(core.host.rawBits, entry)));
}
