/** CSRs by field (Privileged Architecture, chapters 3 and 12): one table. */
import { Interrupt } from "../cpu/hart-port.ts";
import { Cause, Menvcfg, Mstatus } from "../cpu/state.ts";
import { hex } from "./hex.ts";
import { schemeOf } from "./page-walk.ts";

export interface CsrField {
  readonly name: string;
  /** Highest and lowest bit. */
  readonly high: number;
  readonly low: number;
  readonly value: bigint;
  /** What the value means, where it has a name. */
  readonly text?: string;
}

interface FieldRow {
  readonly name: string;
  readonly mask: bigint;
  readonly meaning?: (value: bigint, register: bigint) => string | undefined;
}

type Names = readonly (string | undefined)[];
const named =
  (...names: Names) =>
  (value: bigint): string | undefined =>
    names[Number(value)];

const MODES = named("U", "S", undefined, "M");
const SWITCH = { XS: named("off", "initial", "clean", "dirty"), XL: named(undefined, "32", "64") };

const bits = (high: number, low: number): bigint =>
  ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
const field = (name: string, mask: bigint | number, meaning?: FieldRow["meaning"]): FieldRow => ({
  name,
  mask: BigInt.asUintN(64, BigInt(mask)),
  ...(meaning && { meaning }),
});

/** SSI, MSI, STI, …: with P or E behind they are the bits of mip and mie. */
const INTERRUPTS = Object.entries(Interrupt).map(([key, bit]) => ({
  bit,
  short: key.replace(/^(.)[a-z]*([STE])[a-z]*$/, "$1$2i").toUpperCase(),
  long: key.replace(/[A-Z]/, (letter) => ` ${letter.toLowerCase()}`),
}));

/** Exceptions by cause; those that this hart raises have their numbers from `Cause`. */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: "instruction address misaligned",
  [Cause.fetchAccess]: "instruction access fault",
  [Cause.illegal]: "illegal instruction",
  [Cause.breakpoint]: "breakpoint",
  [Cause.loadMisaligned]: "load address misaligned",
  [Cause.loadAccess]: "load access fault",
  [Cause.storeMisaligned]: "store address misaligned",
  [Cause.storeAccess]: "store access fault",
  [Cause.ecallU]: "environment call from U",
  9: "environment call from S",
  11: "environment call from M",
  [Cause.fetchPage]: "instruction page fault",
  [Cause.loadPage]: "load page fault",
  [Cause.storePage]: "store page fault",
};

const INTERRUPT_BIT = 1n << 63n;

/** What mcause and scause say. */
export function causeName(cause: bigint): string {
  const code = Number(cause & 0xffn);
  if ((cause & INTERRUPT_BIT) === 0n) return EXCEPTIONS[code] ?? `exception ${code}`;
  const known = INTERRUPTS.find(({ bit }) => bit === code);
  return known ? `${known.long} interrupt` : `interrupt ${code}`;
}

const interruptBits = (letter: "P" | "E"): FieldRow[] =>
  INTERRUPTS.map(({ bit, short }) => field(`${short}${letter}`, 1 << bit));
const exceptionBits = Object.entries(EXCEPTIONS).map(([code, name]) =>
  field(name, 1 << Number(code)),
);

const sstatus = [
  field("SIE", Mstatus.SIE),
  field("SPIE", Mstatus.SPIE),
  field("SPP", Mstatus.SPP, MODES),
  field("FS", Mstatus.FS, SWITCH.XS),
  field("SUM", Mstatus.SUM),
  field("MXR", Mstatus.MXR),
  field("UXL", bits(33, 32), SWITCH.XL),
  field("SD", Mstatus.SD),
];
const mstatus = [
  field("MIE", Mstatus.MIE),
  field("MPIE", Mstatus.MPIE),
  field("MPP", Mstatus.MPP, MODES),
  field("MPRV", Mstatus.MPRV),
  field("TVM", Mstatus.TVM),
  field("TW", Mstatus.TW),
  field("TSR", Mstatus.TSR),
  field("SXL", bits(35, 34), SWITCH.XL),
];

const satp = [
  field("MODE", bits(63, 60), (_value, register) => schemeOf(register)),
  field("ASID", bits(59, 44)),
  field("PPN", bits(43, 0), (ppn) => `table at ${hex(ppn << 12n)}`),
];

const trapVector = [
  field("BASE", bits(63, 2), (base) => hex(base << 2n)),
  field("MODE", bits(1, 0), named("direct", "vectored")),
];
const cause = [
  field("Interrupt", INTERRUPT_BIT),
  field("Code", bits(62, 0), (_code, register) => causeName(register)),
];
const senvcfg = [
  field("FIOM", Menvcfg.FIOM),
  field("CBIE", Menvcfg.CBIE, named("illegal", "flush", undefined, "invalidate")),
  field("CBCFE", Menvcfg.CBCFE),
  field("CBZE", Menvcfg.CBZE),
];
const menvcfg = [
  ...senvcfg,
  field("ADUE", Menvcfg.ADUE),
  field("PBMTE", Menvcfg.PBMTE),
  field("STCE", Menvcfg.STCE),
];
const counteren = [field("CY", 1), field("TM", 2), field("IR", 4), field("HPM", bits(31, 3))];
const ROUNDING = named(
  "to nearest, ties to even",
  "towards zero",
  "down",
  "up",
  "to nearest, ties away",
);
const fflags = ["NX", "UF", "OF", "DZ", "NV"].map((name, bit) => field(name, 1 << bit));
const extensions = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const misa = [
  field("MXL", bits(63, 62), SWITCH.XL),
  field("Extensions", bits(25, 0), (value) =>
    extensions.filter((_letter, bit) => ((value >> BigInt(bit)) & 1n) !== 0n).join(""),
  ),
];

/** One byte of pmpcfg (3.7.1). */
function pmpText(value: bigint): string {
  const low = ["R", "W", "X"].filter((_letter, bit) => ((value >> BigInt(bit)) & 1n) !== 0n);
  const matching = ["OFF", "TOR", "NA4", "NAPOT"][Number((value >> 3n) & 3n)];
  return [matching, low.join(""), (value & 0x80n) !== 0n ? "locked" : ""].filter(Boolean).join(" ");
}
const pmpcfg = (register: number): FieldRow[] =>
  Array.from({ length: 8 }, (_, k) =>
    field(`pmp${register * 4 + k}cfg`, bits(8 * k + 7, 8 * k), pmpText),
  );

const FIELDS: Readonly<Record<string, readonly FieldRow[]>> = {
  sstatus,
  mstatus: [...sstatus, ...mstatus],
  satp,
  stvec: trapVector,
  mtvec: trapVector,
  scause: cause,
  mcause: cause,
  sip: interruptBits("P"),
  mip: interruptBits("P"),
  sie: interruptBits("E"),
  mie: interruptBits("E"),
  mideleg: interruptBits("P"),
  medeleg: exceptionBits,
  senvcfg,
  menvcfg,
  scounteren: counteren,
  mcounteren: counteren,
  fflags,
  frm: [field("RM", 7, ROUNDING)],
  fcsr: [...fflags, field("RM", 7 << 5, ROUNDING)],
  misa,
  pmpcfg0: pmpcfg(0),
  pmpcfg2: pmpcfg(2),
};

/** The fields of a CSR's value, highest first; none for a register that is one number. */
export function fieldsOf(name: string, value: bigint): CsrField[] {
  const rows = FIELDS[name] ?? [];
  return rows
    .map(({ name, mask, meaning }) => {
      const digits = mask.toString(2);
      const [high, low] = [digits.length - 1, digits.length - 1 - digits.lastIndexOf("1")];
      const part = (value & mask) >> BigInt(low);
      const text = meaning?.(part, value);
      return { name, high, low, value: part, ...(text !== undefined && { text }) };
    })
    .sort((a, b) => b.high - a.high);
}
