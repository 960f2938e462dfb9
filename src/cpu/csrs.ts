/** The control and status registers: one row each (Privileged Architecture, chapter 2). */
import {
  type Arg,
  bind,
  block,
  brTable,
  call,
  callVoid,
  type Func,
  type I32,
  type I64,
  i32,
  i64,
  label,
  ret,
  type Stmt,
  when,
} from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import { FFLAGS } from "./handlers.ts";
import type { HostFunctions } from "./imports.ts";
import { CSR_MAP_BASE, PMP, PMP_ENTRIES, type WideField } from "./layout.ts";
import type { MmuFunctions } from "./mmu.ts";
import {
  get,
  get32,
  Menvcfg,
  Mode,
  Mstatus,
  markFloatDirty,
  mip,
  put,
  put32,
  readFlags,
  SENVCFG,
  statusHas,
  writeFlags,
} from "./state.ts";
import type { TrapFunctions } from "./traps.ts";
import { SatpMode } from "./walk.ts";

export interface CsrRow {
  readonly number: number;
  readonly name: string;
  /** The value read; `forModify` is nonzero when a set or clear computes its new value from it. */
  readonly read: (forModify: I32) => I64;
  readonly write?: (value: I64) => Stmt[];
  /** Nonzero where the access is legal, beyond the rules that the number itself encodes. */
  readonly guard?: () => I32;
  /** The write may change what is fetched, translated or pending next. */
  readonly steers?: boolean;
}

const SSTATUS = Mstatus.SIE | Mstatus.SPIE | Mstatus.SPP | Mstatus.FS | Mstatus.SUM | Mstatus.MXR;
const MSTATUS =
  SSTATUS |
  Mstatus.MIE |
  Mstatus.MPIE |
  Mstatus.MPP |
  Mstatus.MPRV |
  Mstatus.TVM |
  Mstatus.TW |
  Mstatus.TSR;

const SUPERVISOR_INTERRUPTS = 0x222;
const ALL_INTERRUPTS = 0xaaa;
const SSIP = 1 << 1;
const STIP = 1 << 5;
const SEIP = 1 << 9;
/** Exceptions that may be delegated: all but those of M-mode itself and reserved ones. */
const DELEGABLE = 0xb3ff;
/** RV64IMAFDC with S and U. */
const MISA = (2n << 62n) | 0x14112dn;

const merge = (old: I64, value: I64, mask: Arg<"i64">): I64 =>
  i64.or(
    i64.and(old, i64.xor(typeof mask === "object" ? mask : i64.const(mask), -1)),
    i64.and(value, mask),
  );

/** A register that holds whatever is written. */
const plain = (number: number, name: WideField): CsrRow => ({
  number,
  name,
  read: () => get(name),
  write: (value) => [put(name, value)],
});

/** A register of whose bits some can be written. */
const masked = (number: number, name: WideField, mask: number | bigint): CsrRow => ({
  ...plain(number, name),
  write: (value) => [put(name, i64.and(value, mask))],
  steers: true,
});

const constant = (number: number, name: string, value: number | bigint): CsrRow => ({
  number,
  name,
  read: () => i64.const(value),
});

/** A constant that accepts and ignores writes. */
const ignored = (number: number, name: string, value: number | bigint): CsrRow => ({
  ...constant(number, name, value),
  write: () => [],
});

/** Reserved vector modes leave the register alone (WARL, 3.1.7). */
const trapVector = (number: number, name: "mtvec" | "stvec"): CsrRow => ({
  ...plain(number, name),
  write: (value) => [when(i64.lt_u(i64.and(value, 3), 2), [put(name, value)])],
});

/** Exception program counters are even: IALIGN is 16 with C. */
const exceptionPc = (number: number, name: "mepc" | "sepc"): CsrRow => ({
  ...plain(number, name),
  write: (value) => [put(name, i64.and(value, -2))],
});

/** A user counter is readable below M if mcounteren allows it, and in U if scounteren does too. */
const counterGuard = (bit: number): I32 =>
  i32.or(
    i32.eq(get32("mode"), Mode.M),
    i32.and(
      i32.shr_u(get32("mcounteren"), bit),
      i32.or(i32.eq(get32("mode"), Mode.S), i32.shr_u(get32("scounteren"), bit)),
    ),
  );
const counter = (number: number, name: string, bit: number, read: () => I64): CsrRow => ({
  number,
  name,
  read,
  guard: () => i32.and(counterGuard(bit), 1),
});

/** Retired before the instruction that asks: the main loop has counted that one already. */
const instret = (): I64 =>
  i64.sub(i64.sub(get("instretAnchor"), i64.extend_i32_s(get32("budget"))), 1);
const cycle = (): I64 => i64.add(instret(), get("cycleOffset"));

const floatRow = (
  number: number,
  name: string,
  read: () => I64,
  write: (value: I64) => Stmt[],
): CsrRow => ({ number, name, read, write, guard: () => i32.ne(statusHas(Mstatus.FS), 0) });

/** Whether Sstc lets S-mode have stimecmp (Sstc 2). */
const sstcEnabled = (): I32 => i64.ne(i64.and(get("menvcfg"), Menvcfg.STCE), 0);

function statusRows(mmu: MmuFunctions, traps: TrapFunctions): CsrRow[] {
  const replace = (next: I64): Stmt[] =>
    bind(next, (value) => [
      // MXR is part of what a cached read permission means.
      when(i64.ne(i64.and(i64.xor(value, get("mstatus")), Mstatus.MXR), 0), [
        callVoid(mmu.flushAll),
      ]),
      put("mstatus", value),
      callVoid(traps.updateContexts),
    ]);
  const dirty = (value: I64): I64 =>
    i64.or(value, i64.select(i64.eq(i64.and(value, Mstatus.FS), Mstatus.FS), Mstatus.SD, 0));
  const legalMpp = (value: I64): I64 =>
    i64.select(
      i64.eq(i64.and(value, Mstatus.MPP), 2 << 11),
      merge(value, get("mstatus"), Mstatus.MPP),
      value,
    );
  return [
    {
      number: 0x300,
      name: "mstatus",
      read: () => bindValue(get("mstatus"), dirty),
      write: (value) => replace(merge(get("mstatus"), legalMpp(value), MSTATUS)),
      steers: true,
    },
    {
      number: 0x100,
      name: "sstatus",
      read: () =>
        bindValue(get("mstatus"), (status) =>
          dirty(i64.and(status, BigInt(SSTATUS) | (2n << 32n))),
        ),
      write: (value) => replace(merge(get("mstatus"), value, SSTATUS)),
      steers: true,
    },
  ];
}

/** Evaluates once for a use in several places of an expression. */
function bindValue(value: I64, use: (bound: I64) => I64): I64 {
  const local = i64.local();
  return i64.seq([{ kind: "set", local, value }], use(local));
}

function interruptRows(): CsrRow[] {
  /** What software may write in mip: STIP only while stimecmp does not drive it. */
  const writableMip = (): I32 => i32.select(sstcEnabled(), SSIP | SEIP, SSIP | STIP | SEIP);
  const pending = (forModify: I32): I64 =>
    // SEIP reads as wire or software bit, but only the software bit takes part in a
    // read-modify-write (3.1.9), or the wire would be latched.
    i64.select(
      forModify,
      i64.extend_i32_u(i32.or(i32.and(get32("mipLines"), ~SEIP), get32("mipSoft"))),
      mip(),
    );
  const writeSoft = (value: I64, mask: I32): Stmt =>
    put32(
      "mipSoft",
      i32.or(i32.and(get32("mipSoft"), i32.xor(mask, -1)), i32.and(i32.wrap_i64(value), mask)),
    );
  return [
    masked(0x303, "mideleg", SUPERVISOR_INTERRUPTS),
    masked(0x302, "medeleg", DELEGABLE),
    masked(0x304, "mie", ALL_INTERRUPTS),
    {
      number: 0x344,
      name: "mip",
      read: pending,
      write: (value) => bind(writableMip(), (mask) => [writeSoft(value, mask)]),
      steers: true,
    },
    {
      number: 0x104,
      name: "sie",
      read: () => i64.and(get("mie"), get("mideleg")),
      write: (value) => [put("mie", merge(get("mie"), value, get("mideleg")))],
      steers: true,
    },
    {
      number: 0x144,
      name: "sip",
      read: (forModify) => i64.and(pending(forModify), get("mideleg")),
      write: (value) =>
        bind(i32.and(i32.wrap_i64(get("mideleg")), SSIP), (mask) => [writeSoft(value, mask)]),
      steers: true,
    },
  ];
}

function counterRows(host: HostFunctions): CsrRow[] {
  const time = (): I64 => i64.trunc_f64_u(call(host.time));
  const narrow = (number: number, name: "mcounteren" | "scounteren"): CsrRow => ({
    number,
    name,
    read: () => i64.extend_i32_u(get32(name)),
    write: (value) => [put32(name, i32.wrap_i64(value))],
  });
  const rows: CsrRow[] = [
    counter(0xc00, "cycle", 0, cycle),
    counter(0xc01, "time", 1, time),
    counter(0xc02, "instret", 2, instret),
    narrow(0x306, "mcounteren"),
    narrow(0x106, "scounteren"),
    ignored(0x320, "mcountinhibit", 0),
    {
      number: 0xb00,
      name: "mcycle",
      read: cycle,
      write: (value) => [
        put(
          "cycleOffset",
          i64.sub(value, i64.sub(get("instretAnchor"), i64.extend_i32_s(get32("budget")))),
        ),
      ],
    },
    {
      number: 0xb02,
      name: "minstret",
      read: instret,
      // The write takes the place of this instruction's own increment (3.1.10); mcycle is unmoved.
      write: (value) =>
        bind(i64.add(value, i64.extend_i32_s(get32("budget"))), (anchor) => [
          put("cycleOffset", i64.add(get("cycleOffset"), i64.sub(get("instretAnchor"), anchor))),
          put("instretAnchor", anchor),
        ]),
    },
  ];
  for (let k = 3; k < 32; k++) {
    rows.push(
      counter(0xc00 + k, `hpmcounter${k}`, k, () => i64.const(0)),
      ignored(0xb00 + k, `mhpmcounter${k}`, 0),
      ignored(0x320 + k, `mhpmevent${k}`, 0),
    );
  }
  return rows;
}

const MENVCFG = BigInt(SENVCFG) | Menvcfg.ADUE | Menvcfg.PBMTE | Menvcfg.STCE;

/** The value with the old CBIE if the new one is reserved. */
const legalCbie = (value: I64, field: "menvcfg" | "senvcfg"): I64 =>
  i64.select(
    i64.eq(i64.and(value, Menvcfg.CBIE), 2 << 4),
    merge(value, get(field), Menvcfg.CBIE),
    value,
  );

function timerRows(host: HostFunctions, mmu: MmuFunctions): CsrRow[] {
  return [
    {
      ...plain(0x14d, "stimecmp"),
      write: (value) => [put("stimecmp", value), callVoid(host.timerChanged)],
      guard: () =>
        i32.or(
          i32.eq(get32("mode"), Mode.M),
          i32.and(sstcEnabled(), i32.and(i32.shr_u(get32("mcounteren"), 1), 1)),
        ),
      steers: true,
    },
    {
      ...plain(0x30a, "menvcfg"),
      write: (value) => [
        // What PBMTE lets a page table say is part of what is cached.
        when(i64.ne(i64.and(i64.xor(value, get("menvcfg")), Menvcfg.PBMTE), 0), [
          callVoid(mmu.flushAll),
        ]),
        put("menvcfg", i64.and(legalCbie(value, "menvcfg"), MENVCFG)),
        // From now on STIP is the timer's alone, whatever software has set (Sstc 2).
        when(sstcEnabled(), [put32("mipSoft", i32.and(get32("mipSoft"), ~STIP))]),
        callVoid(host.timerChanged),
      ],
      steers: true,
    },
    {
      ...plain(0x10a, "senvcfg"),
      write: (value) => [put("senvcfg", i64.and(legalCbie(value, "senvcfg"), SENVCFG))],
    },
  ];
}

function floatRows(traps: TrapFunctions): CsrRow[] {
  const frm = (): I64 => i64.extend_i32_u(get32("frm"));
  const setFrm = (value: I64): Stmt => put32("frm", i32.and(i32.wrap_i64(value), 7));
  const after = (): Stmt[] => [markFloatDirty(), callVoid(traps.updateContexts)];
  return [
    floatRow(FFLAGS, "fflags", readFlags, (value) => [writeFlags(value), markFloatDirty()]),
    floatRow(0x002, "frm", frm, (value) => [setFrm(value), ...after()]),
    floatRow(
      0x003,
      "fcsr",
      () => i64.or(i64.shl(frm(), 5), readFlags()),
      (value) => [writeFlags(value), setFrm(i64.shr_u(value, 5)), ...after()],
    ),
  ];
}

/** Sv39, Sv48 or Sv57. */
const isTranslating = (mode: I64): I32 =>
  i64.le_u(i64.sub(mode, SatpMode.sv39), SatpMode.sv57 - SatpMode.sv39);

function translationRows(mmu: MmuFunctions, traps: TrapFunctions): CsrRow[] {
  const mode = (value: I64): I64 => i64.shr_u(value, 60);
  // ASIDs are not implemented: the field reads zero.
  const stored = (value: I64): I64 => i64.and(value, (0xfn << 60n) | ((1n << 44n) - 1n));
  return [
    {
      ...plain(0x180, "satp"),
      write: (value) => [
        // A write with an unsupported mode has no effect at all (10.1.11).
        when(i32.or(i64.eqz(mode(value)), isTranslating(mode(value))), [
          // A change of mode takes effect at once, without an SFENCE.VMA.
          when(i64.ne(mode(value), mode(get("satp"))), [callVoid(mmu.flushAll)]),
          put("satp", stored(value)),
          callVoid(traps.updateContexts),
        ]),
      ],
      guard: () =>
        i32.eqz(i32.and(i32.eq(get32("mode"), Mode.S), i32.ne(statusHas(Mstatus.TVM), 0))),
      steers: true,
    },
  ];
}

function pmpRows(host: HostFunctions): CsrRow[] {
  const rows: CsrRow[] = [];
  const write = (id: number) => (value: I64) => [
    put("scratch", value),
    callVoid(host.pmpWrite, id),
  ];
  for (let register = 0; register < PMP_ENTRIES / 4; register += 2) {
    rows.push({
      number: 0x3a0 + register,
      name: `pmpcfg${register}`,
      read: () => i64.load(0, PMP.cfg + register * 4),
      write: write(register),
      steers: true,
    });
  }
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    rows.push({
      number: 0x3b0 + entry,
      name: `pmpaddr${entry}`,
      read: () => i64.load(0, PMP.addr + entry * 8),
      write: write(0x10 + entry),
      steers: true,
    });
  }
  return rows;
}

export function csrRows(host: HostFunctions, mmu: MmuFunctions, traps: TrapFunctions): CsrRow[] {
  return [
    constant(0xf11, "mvendorid", 0),
    constant(0xf12, "marchid", 0),
    constant(0xf13, "mimpid", 0),
    { number: 0xf14, name: "mhartid", read: () => get("mhartid") },
    constant(0xf15, "mconfigptr", 0),
    ignored(0x301, "misa", MISA),
    ...statusRows(mmu, traps),
    ...interruptRows(),
    trapVector(0x305, "mtvec"),
    trapVector(0x105, "stvec"),
    plain(0x340, "mscratch"),
    plain(0x140, "sscratch"),
    exceptionPc(0x341, "mepc"),
    exceptionPc(0x141, "sepc"),
    plain(0x342, "mcause"),
    plain(0x142, "scause"),
    plain(0x343, "mtval"),
    plain(0x143, "stval"),
    ...translationRows(mmu, traps),
    ...counterRows(host),
    ...timerRows(host, mmu),
    ...floatRows(traps),
    ...pmpRows(host),
    // There are no triggers: type 0, which is bit 0 of tinfo, says so (Debug 1.0, 5.7).
    ...["tselect", "tdata1", "tdata2", "tdata3"].map((name, k) => ignored(0x7a0 + k, name, 0)),
    ignored(0x7a4, "tinfo", 1),
  ];
}

/** Numbers and names of the registers, in the table's order. */
export const csrNames = (): Pick<CsrRow, "number" | "name">[] =>
  // Rows only ask for functions when code is generated from them.
  csrRows({} as HostFunctions, {} as MmuFunctions, {} as TrapFunctions).map(({ number, name }) => ({
    number,
    name,
  }));

/** Enters each row's place in the table plus one at its number. */
export const fillCsrMap = (rows: readonly CsrRow[]): Stmt[] =>
  rows.map((row, k) => i32.store8(row.number, k + 1, CSR_MAP_BASE));

export interface CsrFunctions {
  /** (number, writes): the row's place in the table plus one, or 0 for an illegal access. */
  readonly resolve: Func<"i32">;
  /** (row plus one, forModify) */
  readonly read: Func<"i64">;
  /** (row plus one, value): nonzero if the write steers the hart. */
  readonly write: Func<"i32">;
}

export function defineCsrs(module: ModuleBuilder, rows: readonly CsrRow[]): CsrFunctions {
  const guard = module.define("csr_guard", ["i32"], "i32", (id) =>
    dispatch(id, rows, (row) => [ret(row.guard?.() ?? i32.const(1))], i32.const(0)),
  );
  const resolve = module.define("csr_resolve", ["i32", "i32"], "i32", (number, writes) => {
    const privileged = i32.gt_u(i32.and(i32.shr_u(number, 8), 3), get32("mode"));
    const readOnly = i32.and(i32.eq(i32.shr_u(number, 10), 3), writes);
    return [
      when(i32.or(privileged, readOnly), [ret(i32.const(0))]),
      ...bind(i32.load8_u(number, CSR_MAP_BASE), (id) => [
        when(i32.eqz(id), [ret(i32.const(0))]),
        ret(i32.select(call(guard, id), id, 0)),
      ]),
    ];
  });
  const read = module.define("csr_read", ["i32", "i32"], "i64", (id, forModify) =>
    dispatch(id, rows, (row) => [ret(row.read(forModify))], i64.const(0)),
  );
  const write = module.define("csr_write", ["i32", "i64"], "i32", (id, value) =>
    dispatch(
      id,
      rows,
      (row) => [...(row.write?.(value) ?? []), ret(i32.const(row.steers ? 1 : 0))],
      i32.const(0),
    ),
  );
  return { resolve, read, write };
}

/** A switch over rows: `id` is the row's place plus one. */
function dispatch(
  id: I32,
  rows: readonly CsrRow[],
  body: (row: CsrRow) => Stmt[],
  otherwise: I32 | I64,
): Stmt[] {
  const labels = rows.map((row) => label(row.name));
  const none = label("none");
  let inner: Stmt[] = [brTable(i32.sub(id, 1), labels, none)];
  for (const [k, row] of rows.entries()) inner = [block(labels[k], inner), ...body(row)];
  return [block(none, inner), ret(otherwise)];
}
