/**
 * The WebAssembly instructions that the project emits: WebAssembly Core Specification 5.4.
 * A row is `[opcode, parameter types, result type]`; the name is the key and is written once.
 */

export type ValType = "i32" | "i64" | "f32" | "f64";

type Row = readonly [code: number, params: readonly ValType[], result: ValType];

const ii = ["i32", "i32"] as const;
const ll = ["i64", "i64"] as const;
const ff = ["f32", "f32"] as const;
const dd = ["f64", "f64"] as const;
const i = ["i32"] as const;
const l = ["i64"] as const;
const f = ["f32"] as const;
const d = ["f64"] as const;

/** Numeric instructions: operands on the stack, no immediates. */
export const NUMERIC = {
  i32: {
    eqz: [0x45, i, "i32"],
    eq: [0x46, ii, "i32"],
    ne: [0x47, ii, "i32"],
    lt_s: [0x48, ii, "i32"],
    lt_u: [0x49, ii, "i32"],
    gt_s: [0x4a, ii, "i32"],
    gt_u: [0x4b, ii, "i32"],
    le_s: [0x4c, ii, "i32"],
    le_u: [0x4d, ii, "i32"],
    ge_s: [0x4e, ii, "i32"],
    ge_u: [0x4f, ii, "i32"],
    clz: [0x67, i, "i32"],
    ctz: [0x68, i, "i32"],
    popcnt: [0x69, i, "i32"],
    add: [0x6a, ii, "i32"],
    sub: [0x6b, ii, "i32"],
    mul: [0x6c, ii, "i32"],
    div_s: [0x6d, ii, "i32"],
    div_u: [0x6e, ii, "i32"],
    rem_s: [0x6f, ii, "i32"],
    rem_u: [0x70, ii, "i32"],
    and: [0x71, ii, "i32"],
    or: [0x72, ii, "i32"],
    xor: [0x73, ii, "i32"],
    shl: [0x74, ii, "i32"],
    shr_s: [0x75, ii, "i32"],
    shr_u: [0x76, ii, "i32"],
    rotl: [0x77, ii, "i32"],
    rotr: [0x78, ii, "i32"],
    wrap_i64: [0xa7, l, "i32"],
    reinterpret_f32: [0xbc, f, "i32"],
    extend8_s: [0xc0, i, "i32"],
    extend16_s: [0xc1, i, "i32"],
  },
  i64: {
    eqz: [0x50, l, "i32"],
    eq: [0x51, ll, "i32"],
    ne: [0x52, ll, "i32"],
    lt_s: [0x53, ll, "i32"],
    lt_u: [0x54, ll, "i32"],
    gt_s: [0x55, ll, "i32"],
    gt_u: [0x56, ll, "i32"],
    le_s: [0x57, ll, "i32"],
    le_u: [0x58, ll, "i32"],
    ge_s: [0x59, ll, "i32"],
    ge_u: [0x5a, ll, "i32"],
    clz: [0x79, l, "i64"],
    ctz: [0x7a, l, "i64"],
    popcnt: [0x7b, l, "i64"],
    add: [0x7c, ll, "i64"],
    sub: [0x7d, ll, "i64"],
    mul: [0x7e, ll, "i64"],
    div_s: [0x7f, ll, "i64"],
    div_u: [0x80, ll, "i64"],
    rem_s: [0x81, ll, "i64"],
    rem_u: [0x82, ll, "i64"],
    and: [0x83, ll, "i64"],
    or: [0x84, ll, "i64"],
    xor: [0x85, ll, "i64"],
    shl: [0x86, ll, "i64"],
    shr_s: [0x87, ll, "i64"],
    shr_u: [0x88, ll, "i64"],
    rotl: [0x89, ll, "i64"],
    rotr: [0x8a, ll, "i64"],
    extend_i32_s: [0xac, i, "i64"],
    extend_i32_u: [0xad, i, "i64"],
    trunc_f64_s: [0xb0, d, "i64"],
    trunc_f64_u: [0xb1, d, "i64"],
    reinterpret_f64: [0xbd, d, "i64"],
    extend8_s: [0xc2, l, "i64"],
    extend16_s: [0xc3, l, "i64"],
    extend32_s: [0xc4, l, "i64"],
  },
  f32: {
    eq: [0x5b, ff, "i32"],
    ne: [0x5c, ff, "i32"],
    lt: [0x5d, ff, "i32"],
    gt: [0x5e, ff, "i32"],
    le: [0x5f, ff, "i32"],
    ge: [0x60, ff, "i32"],
    abs: [0x8b, f, "f32"],
    neg: [0x8c, f, "f32"],
    sqrt: [0x91, f, "f32"],
    add: [0x92, ff, "f32"],
    sub: [0x93, ff, "f32"],
    mul: [0x94, ff, "f32"],
    div: [0x95, ff, "f32"],
    min: [0x96, ff, "f32"],
    max: [0x97, ff, "f32"],
    copysign: [0x98, ff, "f32"],
    convert_i32_s: [0xb2, i, "f32"],
    convert_i32_u: [0xb3, i, "f32"],
    convert_i64_s: [0xb4, l, "f32"],
    convert_i64_u: [0xb5, l, "f32"],
    demote_f64: [0xb6, d, "f32"],
    reinterpret_i32: [0xbe, i, "f32"],
  },
  f64: {
    eq: [0x61, dd, "i32"],
    ne: [0x62, dd, "i32"],
    lt: [0x63, dd, "i32"],
    gt: [0x64, dd, "i32"],
    le: [0x65, dd, "i32"],
    ge: [0x66, dd, "i32"],
    abs: [0x99, d, "f64"],
    neg: [0x9a, d, "f64"],
    ceil: [0x9b, d, "f64"],
    floor: [0x9c, d, "f64"],
    trunc: [0x9d, d, "f64"],
    nearest: [0x9e, d, "f64"],
    sqrt: [0x9f, d, "f64"],
    add: [0xa0, dd, "f64"],
    sub: [0xa1, dd, "f64"],
    mul: [0xa2, dd, "f64"],
    div: [0xa3, dd, "f64"],
    min: [0xa4, dd, "f64"],
    max: [0xa5, dd, "f64"],
    copysign: [0xa6, dd, "f64"],
    convert_i32_s: [0xb7, i, "f64"],
    convert_i32_u: [0xb8, i, "f64"],
    convert_i64_s: [0xb9, l, "f64"],
    convert_i64_u: [0xba, l, "f64"],
    promote_f32: [0xbb, f, "f64"],
    reinterpret_i64: [0xbf, l, "f64"],
  },
} as const satisfies Record<ValType, Record<string, Row>>;

type Access = readonly [code: number, bytes: 1 | 2 | 4 | 8];

/** Loads: an address on the stack, an offset as immediate. */
export const LOADS = {
  i32: {
    load: [0x28, 4],
    load8_s: [0x2c, 1],
    load8_u: [0x2d, 1],
    load16_s: [0x2e, 2],
    load16_u: [0x2f, 2],
  },
  i64: {
    load: [0x29, 8],
    load8_s: [0x30, 1],
    load8_u: [0x31, 1],
    load16_s: [0x32, 2],
    load16_u: [0x33, 2],
    load32_s: [0x34, 4],
    load32_u: [0x35, 4],
  },
  f32: { load: [0x2a, 4] },
  f64: { load: [0x2b, 8] },
} as const satisfies Record<ValType, Record<string, Access>>;

/** Stores: an address and a value on the stack, an offset as immediate. */
export const STORES = {
  i32: { store: [0x36, 4], store8: [0x3a, 1], store16: [0x3b, 2] },
  i64: { store: [0x37, 8], store8: [0x3c, 1], store16: [0x3d, 2], store32: [0x3e, 4] },
  f32: { store: [0x38, 4] },
  f64: { store: [0x39, 8] },
} as const satisfies Record<ValType, Record<string, Access>>;

export const TYPE_CODE: Record<ValType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };

const ONES = [0xff, 0xff, 0xff, 0xff] as const;

/** Vector instructions, with their immediates: lane 0, and a vector with all bits set. */
export const VECTOR = {
  ones: [0xfd, 0x0c, ...ONES, ...ONES, ...ONES, ...ONES],
  f32: {
    splat: [0xfd, 0x13],
    extract: [0xfd, 0x1f, 0],
    replace: [0xfd, 0x20, 0],
    relaxedMadd: [0xfd, 0x85, 0x02],
  },
  f64: { splat: [0xfd, 0x14], extract: [0xfd, 0x21, 0], relaxedMadd: [0xfd, 0x87, 0x02] },
} as const;

/** Control and variable instructions, which the emitter writes with their immediates. */
export const Op = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  br_table: 0x0e,
  return: 0x0f,
  call: 0x10,
  call_indirect: 0x11,
  drop: 0x1a,
  select: 0x1b,
  local_get: 0x20,
  local_set: 0x21,
  local_tee: 0x22,
  global_get: 0x23,
  global_set: 0x24,
  i32_const: 0x41,
  i64_const: 0x42,
  f32_const: 0x43,
  f64_const: 0x44,
  prefix: 0xfc,
  memory_copy: 10,
  memory_fill: 11,
} as const;
