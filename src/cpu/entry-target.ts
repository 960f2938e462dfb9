/** The interpreter's view of an instruction: operands come from a decoded entry at run time. */
import { FPU_FUNCTIONS, type FpuFunction } from "../isa/fpu.ts";
import type {
  FSource,
  LoadWidth,
  StoreWidth,
  SystemOperation,
  Target,
  XSource,
} from "../isa/semantics.ts";
import {
  type Arg,
  bind,
  call,
  callVoid,
  type Expr,
  type Func,
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
import type { HostFunctions } from "./imports.ts";
import { ENTRY, TLB, X_BASE } from "./layout.ts";
import { type MmuFunctions, recordFault } from "./mmu.ts";
import { Access } from "./pmp.ts";
import {
  Cause,
  get,
  get32,
  Mode,
  Mstatus,
  markFloatDirty,
  mip,
  put,
  put32,
  statusHas,
} from "./state.ts";
import { tlbEntry } from "./tlb.ts";
import type { TrapFunctions } from "./traps.ts";

/** The generated functions that instructions call. */
export interface CoreFunctions {
  readonly host: HostFunctions;
  readonly mmu: MmuFunctions;
  readonly csrs: CsrFunctions;
  readonly traps: TrapFunctions;
  readonly fpu: { readonly [K in FpuFunction]: Func<(typeof FPU_FUNCTIONS)[K]["result"]> };
}

/** What a handler does when it does not simply go on to the next entry. */
export interface Continuations {
  /** An exception has been recorded. */
  readonly trap: readonly Stmt[];
  /** Something outside needs the main loop's attention soon; the instruction itself goes on. */
  readonly attend: readonly Stmt[];
  /** The hart's state changed: go on at the state's pc. */
  readonly steer: readonly Stmt[];
  /** Goes to pc + imm; `near` handlers move within the slot. */
  readonly relative: readonly Stmt[];
  /** Goes to a computed address. */
  readonly absolute: (target: I64) => Stmt[];
}

const BYTES: Record<LoadWidth | StoreWidth, number> = {
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

const F_FIELD: Record<FSource, number> = { fs1: ENTRY.rs1, fs2: ENTRY.rs2, fs3: ENTRY.rs3 };

export class EntryTarget implements Target {
  readonly #core: CoreFunctions;
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
    this.#core = core;
    this.#entry = entry;
    this.#codeBase = codeBase;
    this.#length = length;
    this.#next = next;
  }

  x(source: XSource): I64 {
    return i64.load(i32.load16_u(this.#entry, source === "rs1" ? ENTRY.rs1 : ENTRY.rs2));
  }

  setX(value: I64): Stmt[] {
    return [i64.store(i32.load16_u(this.#entry, ENTRY.rd), value)];
  }

  f(source: FSource): I64 {
    return i64.load(i32.load16_u(this.#entry, F_FIELD[source]));
  }

  setF(value: I64): Stmt[] {
    return [i64.store(i32.load16_u(this.#entry, ENTRY.rd), value), markFloatDirty()];
  }

  fpu<N extends FpuFunction>(
    name: N,
    ...args: readonly Expr[]
  ): Expr<(typeof FPU_FUNCTIONS)[N]["result"]> {
    const func: Func = this.#core.fpu[name];
    // Exceptions accrue in fcsr, which counts as floating-point state.
    return {
      kind: "sequence",
      type: FPU_FUNCTIONS[name].result,
      body: [markFloatDirty()],
      value: call(func as Func<"i64">, ...(args as Arg<"i64">[])),
    } as unknown as Expr<(typeof FPU_FUNCTIONS)[N]["result"]>;
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
    return [...this.setX(this.nextPc()), ...this.#next.relative];
  }

  jumpTo(address: I64): Stmt[] {
    return bind(i64.and(address, -2), (target) => [
      ...this.setX(this.nextPc()),
      ...this.#next.absolute(target),
    ]);
  }

  load(width: LoadWidth, address: I64, use: (value: I64) => readonly Stmt[]): Stmt[] {
    const size = BYTES[width];
    return this.#hostAddress(address, size, TLB.read, this.#core.mmu.loadSlow, (host) =>
      use(i64[width](host)),
    );
  }

  store(width: StoreWidth, address: I64, value: I64): Stmt[] {
    const size = BYTES[width];
    return bind(address, (va) =>
      bind(tlbEntry(get32("dataTlb"), va), (entry) => [
        whenLikely(
          hits(entry, va, size, TLB.write),
          [i64[width](hostOf(entry, va, TLB.write), value)],
          [
            when(i32.eqz(call(this.#core.mmu.storeSlow, va, size, value)), this.#next.trap),
            when(get32("attention"), this.#next.attend),
          ],
        ),
      ]),
    );
  }

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

  csr(
    operand: "rs1" | "zimm",
    writes: "always" | "unless-zero",
    next: (old: I64, operand: I64) => I64,
  ): Stmt[] {
    const { csrs } = this.#core;
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
    const { traps, mmu, host } = this.#core;
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
      case "fence.i":
        // Stores drop what they overwrite from the decoded code at once, so nothing is stale.
        return [];
    }
  }

  nop(): Stmt[] {
    return [];
  }

  /** Raises an illegal instruction exception with the instruction's bits as tval. */
  #illegal(): Stmt[] {
    return [...illegalInstruction(this.#core, this.#entry), ...this.#next.trap];
  }

  #steerToNext(): Stmt[] {
    return [
      put("pc", i64.add(get("pc"), this.#length)),
      put32("attention", 1),
      ...this.#next.steer,
    ];
  }

  #alignment(va: I64, bytes: number, cause: number): Stmt[] {
    return [
      when(i32.and(i32.wrap_i64(va), bytes - 1), [...recordFault(cause, va), ...this.#next.trap]),
    ];
  }

  /** Finds the host address through the TLB or the slow path, and hands it on. */
  #hostAddress(
    address: I64,
    size: number,
    table: number,
    slow: Func<"i32">,
    use: (host: Local<"i32">) => readonly Stmt[],
  ): Stmt[] {
    const host = i32.local();
    return bind(address, (va) =>
      bind(tlbEntry(get32("dataTlb"), va), (entry) => [
        whenLikely(
          hits(entry, va, size, table),
          [set(host, hostOf(entry, va, table))],
          [
            set(host, call(slow, va, size)),
            when(i32.eqz(host), this.#next.trap),
            when(get32("attention"), this.#next.attend),
          ],
        ),
        ...use(host),
      ]),
    );
  }

  #atomicAddress(
    va: I64,
    size: number,
    access: number,
    use: (host: Local<"i32">) => readonly Stmt[],
  ): Stmt[] {
    const host = i32.local();
    const table = access === Access.write ? TLB.write : TLB.read;
    return bind(tlbEntry(get32("dataTlb"), va), (entry) => [
      whenLikely(
        hits(entry, va, size, table),
        [set(host, hostOf(entry, va, table))],
        [
          set(host, call(this.#core.mmu.atomicSlow, va, size, access)),
          when(i32.eqz(host), this.#next.trap),
        ],
      ),
      ...use(host),
    ]);
  }
}

/** Records an illegal instruction exception for the instruction of a decoded entry. */
export function illegalInstruction(core: CoreFunctions, entry: Expr<"i32">): Stmt[] {
  return recordFault(Cause.illegal, i64.extend_i32_u(call(core.host.rawBits, entry)));
}

/** The tag matches only an access that is aligned, and so within the page. */
const hits = (entry: I32, va: I64, size: number, table: number): I32 =>
  i64.eq(i64.load(entry, table), i64.and(va, -4096 | (size - 1)));

const hostOf = (entry: I32, va: I64, table: number): I32 =>
  i32.add(i32.wrap_i64(va), i32.load(entry, table + 8));

const loadBytes = (host: I32, bytes: 4 | 8): I64 =>
  bytes === 4 ? i64.load32_s(host) : i64.load(host);

const storeBytes = (host: I32, bytes: 4 | 8, value: I64): Stmt =>
  bytes === 4 ? i64.store32(host, value) : i64.store(host, value);
