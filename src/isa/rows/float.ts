/** F and D (Unprivileged ISA, chapters 20 and 21). */
import { f32, f64, type I32, type I64, i32, i64 } from "../../wasm/expr.ts";
import type { FpuFunction } from "../fpu.ts";
import { box, boxBits, singleOf, unbox } from "../nan-boxing.ts";
import { type Row, row } from "../row.ts";
import type { FSource, Semantics, Target } from "../semantics.ts";

/** What differs between the two formats. */
interface Format {
  readonly extension: "f" | "d";
  readonly suffix: "s" | "d";
  readonly fmt: "00" | "01";
  readonly prefix: "f32" | "f64";
  read(m: Target, source: FSource): I32 | I64;
  write(m: Target, bits: I32 | I64): ReturnType<Semantics>;
  negate(bits: I32 | I64): I32 | I64;
  /** Combines the magnitude of `a` with a sign computed from both, for FSGNJ. */
  inject(a: I32 | I64, b: I32 | I64, sign: "copy" | "negate" | "xor"): I32 | I64;
}

const SINGLE: Format = {
  extension: "f",
  suffix: "s",
  fmt: "00",
  prefix: "f32",
  read: (m, source) => unbox(m.f(source)),
  write: (m, bits) => m.setF(box(bits as I32)),
  negate: (bits) => i32.reinterpret_f32(f32.neg(singleOf(bits as I32))),
  inject: (a, b, sign) => {
    const [x, y] = [singleOf(a as I32), singleOf(b as I32)];
    const product = i32.xor(i32.reinterpret_f32(x), i32.reinterpret_f32(y));
    const from = { copy: y, negate: f32.neg(y), xor: f32.reinterpret_i32(product) }[sign];
    return i32.reinterpret_f32(f32.copysign(x, from));
  },
};

const DOUBLE: Format = {
  extension: "d",
  suffix: "d",
  fmt: "01",
  prefix: "f64",
  read: (m, source) => m.f(source),
  write: (m, bits) => m.setF(bits as I64),
  negate: (bits) => i64.reinterpret_f64(f64.neg(f64.reinterpret_i64(bits as I64))),
  inject: (a, b, sign) => {
    const [x, y] = [f64.reinterpret_i64(a as I64), f64.reinterpret_i64(b as I64)];
    const product = i64.xor(i64.reinterpret_f64(x), i64.reinterpret_f64(y));
    const from = { copy: y, negate: f64.neg(y), xor: f64.reinterpret_i64(product) }[sign];
    return i64.reinterpret_f64(f64.copysign(x, from));
  },
};

function arithmetic(f: Format): Row[] {
  const two = (name: string, funct5: string): Row =>
    row(
      f.extension,
      `f${name}.${f.suffix}`,
      `${funct5}${f.fmt} fs2 fs1 rm fd 1010011`,
      "fd, fs1, fs2",
      (m) => {
        const name64 = `${f.prefix}_${name}` as "f64_add";
        return f.write(m, m.fpu(name64, f.read(m, "fs1"), f.read(m, "fs2"), m.rm()));
      },
    );
  const fused = (name: string, opcode: string, product: boolean, addend: boolean): Row =>
    row(
      f.extension,
      `${name}.${f.suffix}`,
      `fs3 ${f.fmt} fs2 fs1 rm fd ${opcode}`,
      "fd, fs1, fs2, fs3",
      (m) => {
        const a = f.read(m, "fs1");
        const c = f.read(m, "fs3");
        return f.write(
          m,
          m.fpu(
            `${f.prefix}_fma` as "f64_fma",
            product ? f.negate(a) : a,
            f.read(m, "fs2"),
            addend ? f.negate(c) : c,
            m.rm(),
          ),
        );
      },
    );
  return [
    fused("fmadd", "1000011", false, false),
    fused("fmsub", "1000111", false, true),
    fused("fnmsub", "1001011", true, false),
    fused("fnmadd", "1001111", true, true),
    two("add", "00000"),
    two("sub", "00001"),
    two("mul", "00010"),
    two("div", "00011"),
    row(f.extension, `fsqrt.${f.suffix}`, `01011${f.fmt} 00000 fs1 rm fd 1010011`, "fd, fs1", (m) =>
      f.write(m, m.fpu(`${f.prefix}_sqrt` as "f64_sqrt", f.read(m, "fs1"), m.rm())),
    ),
  ];
}

function comparisons(f: Format): Row[] {
  const sign = (name: string, funct3: string, kind: "copy" | "negate" | "xor"): Row =>
    row(
      f.extension,
      `${name}.${f.suffix}`,
      `00100${f.fmt} fs2 fs1 ${funct3} fd 1010011`,
      "fd, fs1, fs2",
      (m) => f.write(m, f.inject(f.read(m, "fs1"), f.read(m, "fs2"), kind)),
    );
  const extreme = (name: "min" | "max", funct3: string): Row =>
    row(
      f.extension,
      `f${name}.${f.suffix}`,
      `00101${f.fmt} fs2 fs1 ${funct3} fd 1010011`,
      "fd, fs1, fs2",
      (m) =>
        f.write(m, m.fpu(`${f.prefix}_${name}` as "f64_min", f.read(m, "fs1"), f.read(m, "fs2"))),
    );
  const compare = (name: "eq" | "lt" | "le", funct3: string): Row =>
    row(
      f.extension,
      `f${name}.${f.suffix}`,
      `10100${f.fmt} fs2 fs1 ${funct3} rd 1010011`,
      "rd, fs1, fs2",
      (m) => m.setX(m.fpu(`${f.prefix}_${name}` as "f64_eq", f.read(m, "fs1"), f.read(m, "fs2"))),
    );
  return [
    sign("fsgnj", "000", "copy"),
    sign("fsgnjn", "001", "negate"),
    sign("fsgnjx", "010", "xor"),
    extreme("min", "000"),
    extreme("max", "001"),
    compare("le", "000"),
    compare("lt", "001"),
    compare("eq", "010"),
    row(
      f.extension,
      `fclass.${f.suffix}`,
      `11100${f.fmt} 00000 fs1 001 rd 1010011`,
      "rd, fs1",
      (m) => m.setX(m.fpu(`${f.prefix}_classify` as "f64_classify", f.read(m, "fs1"))),
    ),
  ];
}

/** The integer formats: assembler suffix, name in the function table, encoding in the rs2 field. */
const INTEGERS = [
  ["w", "i32", "00000"],
  ["wu", "u32", "00001"],
  ["l", "i64", "00010"],
  ["lu", "u64", "00011"],
] as const;

function conversions(f: Format): Row[] {
  return INTEGERS.flatMap(([suffix, integer, code]) => {
    const exact = f.extension === "d" && (integer === "i32" || integer === "u32");
    const from = `${integer}_to_${f.prefix}` as FpuFunction;
    return [
      row(
        f.extension,
        `fcvt.${suffix}.${f.suffix}`,
        `11000${f.fmt} ${code} fs1 rm rd 1010011`,
        "rd, fs1",
        (m) => m.setX(m.fpu(`${f.prefix}_to_${integer}` as "f64_to_i64", f.read(m, "fs1"), m.rm())),
      ),
      row(
        f.extension,
        `fcvt.${f.suffix}.${suffix}`,
        `11010${f.fmt} ${code} rs1 rm fd 1010011`,
        "fd, rs1",
        (m) => f.write(m, m.fpu(from, m.x("rs1"), ...(exact ? [] : [m.rm()])) as I64),
      ),
    ];
  });
}

const FP_ADDRESS = (m: Target): I64 => i64.add(m.x("rs1"), m.imm());

const MOVES: readonly Row[] = [
  row("f", "flw", "imm[11:0] rs1 010 fd 0000111", "fd, imm(rs1)", (m) =>
    m.load("load32_u", FP_ADDRESS(m), (v) => m.setF(boxBits(v))),
  ),
  row("f", "fsw", "imm[11:5] fs2 rs1 010 imm[4:0] 0100111", "fs2, imm(rs1)", (m) =>
    m.store("store32", FP_ADDRESS(m), m.f("fs2")),
  ),
  row("d", "fld", "imm[11:0] rs1 011 fd 0000111", "fd, imm(rs1)", (m) =>
    m.load("load", FP_ADDRESS(m), (v) => m.setF(v)),
  ),
  row("d", "fsd", "imm[11:5] fs2 rs1 011 imm[4:0] 0100111", "fs2, imm(rs1)", (m) =>
    m.store("store", FP_ADDRESS(m), m.f("fs2")),
  ),
  row("f", "fmv.x.w", "1110000 00000 fs1 000 rd 1010011", "rd, fs1", (m) =>
    m.setX(i64.extend32_s(m.f("fs1"))),
  ),
  row("f", "fmv.w.x", "1111000 00000 rs1 000 fd 1010011", "fd, rs1", (m) =>
    m.setF(boxBits(m.x("rs1"))),
  ),
  row("d", "fmv.x.d", "1110001 00000 fs1 000 rd 1010011", "rd, fs1", (m) => m.setX(m.f("fs1"))),
  row("d", "fmv.d.x", "1111001 00000 rs1 000 fd 1010011", "fd, rs1", (m) => m.setF(m.x("rs1"))),
  row("d", "fcvt.s.d", "0100000 00001 fs1 rm fd 1010011", "fd, fs1", (m) =>
    m.setF(box(m.fpu("f64_to_f32", m.f("fs1"), m.rm()))),
  ),
  row("d", "fcvt.d.s", "0100001 00000 fs1 rm fd 1010011", "fd, fs1", (m) =>
    m.setF(m.fpu("f32_to_f64", unbox(m.f("fs1")))),
  ),
];

export const FLOAT_ROWS: readonly Row[] = [
  ...MOVES,
  ...[SINGLE, DOUBLE].flatMap((f) => [...arithmetic(f), ...comparisons(f), ...conversions(f)]),
];
