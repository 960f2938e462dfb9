/**
 * Fills in decoded entries, as generated code: a switch over the buckets of `isa/decoder.ts` finds the
 * row, whose format says what to write. A boot decodes some 150,000 entries.
 */
import { buckets16, buckets32, type Candidate } from "../isa/decoder.ts";
import type { Field } from "../isa/pattern.ts";
import {
  block,
  br,
  brTable,
  callVoid,
  type Func,
  type I32,
  i32,
  type Label,
  type Local,
  label,
  ret,
  type Stmt,
  set,
  when,
} from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import { fusedPairs } from "./fusion.ts";
import {
  FIRST_FUSED_OP,
  FIRST_ROW_OP,
  handlers,
  type RowOps,
  rowOps,
  SpecialOp,
} from "./handlers.ts";
import { BREAKPOINT_FILTER, ENTRY, F_BASE, SCRATCH, SLOT, X_BASE, X_SINK } from "./layout.ts";

const PAGE_BYTES = 4096;
const LAST_HALF = PAGE_BYTES - 2;
/** From the number of a handler of far branches to the one of near branches. */
const NEAR = 1;
/** Rounding modes that are illegal (20.2). */
const RESERVED_ROUNDING = [5, 6];
/** The place of an instruction that is in no page's slot: too far for any branch to be near. */
const NOWHERE = 0x4000_0000;

export interface DecodeFunctions {
  /** (entry): fills in an entry of a page's slot. */
  readonly decode: Func<undefined>;
  /** (slot, bits): decodes one instruction into a scratch slot, and behind it the way out. */
  readonly decodeScratch: Func<undefined>;
}

export function defineDecode(module: ModuleBuilder): DecodeFunctions {
  const decodeBits = module.define(
    "decode_bits",
    ["i32", "i32", "i32"],
    undefined,
    (entry, bits, offset) => decodeBody(entry, bits, offset),
  );
  const fuse = module.define("fuse", ["i32"], undefined, fuseBody);
  const decode = module.define(
    "decode",
    ["i32"],
    undefined,
    (entry) => {
      const [slot, at, offset, bits] = [i32.local(), i32.local(), i32.local(), i32.local()];
      const index = i32.div_u(i32.sub(entry, SLOT.base), SLOT.bytes);
      return [
        set(slot, i32.add(i32.mul(index, SLOT.bytes), SLOT.base)),
        set(offset, i32.shr_u(i32.sub(entry, slot), 3)),
        set(at, i32.add(i32.load(slot, SLOT.host), offset)),
        set(bits, i32.load16_u(at)),
        when(i32.eq(i32.and(bits, 3), 3), [
          when(i32.eq(offset, LAST_HALF), [
            i32.store16(entry, SpecialOp.straddle, ENTRY.op),
            ret(),
          ]),
          set(bits, i32.load(at)),
        ]),
        callVoid(decodeBits, entry, bits, offset),
        when(i32.load(slot, SLOT.breakpoints), [
          when(i32.load8_u(i32.shr_u(offset, 1), BREAKPOINT_FILTER.base), [
            i32.store16(entry, i32.load16_u(entry, ENTRY.op), ENTRY.replaced),
            i32.store16(entry, SpecialOp.breakpoint, ENTRY.op),
            ret(),
          ]),
        ]),
        callVoid(fuse, entry),
        when(i32.lt_u(offset, 2), [ret()]),
        callVoid(fuse, i32.sub(entry, ENTRY.bytes)),
        when(i32.lt_u(offset, 4), [ret()]),
        callVoid(fuse, i32.sub(entry, 2 * ENTRY.bytes)),
      ];
    },
    { export: true },
  );
  const decodeScratch = module.define("decode_scratch", ["i32", "i32"], undefined, (slot, bits) => [
    callVoid(decodeBits, slot, bits, NOWHERE),
    i32.store16(slot, SpecialOp.pageEnd, ENTRY.bytes + ENTRY.op),
    i32.store16(slot, SpecialOp.pageEnd, 2 * ENTRY.bytes + ENTRY.op),
    i32.store(slot, bits, SCRATCH.bits),
  ]);
  return { decode, decodeScratch };
}

/** Fuses an instruction with the one behind it, if both are decoded and a pair. */
function fuseBody(entry: Local<"i32">): Stmt[] {
  const end = label("alone");
  const [op, second, next] = [i32.local(), i32.local(), i32.local()];
  const fused = fusedPairs();
  const firsts = [...new Set(fused.map((pair) => pair.firstOp))];
  const labels = firsts.map((first) => label(`first ${first}`));
  const targets = handlers().map((_, k) => labels[firsts.indexOf(FIRST_ROW_OP + k)] ?? end);
  let inner: Stmt[] = [brTable(i32.sub(op, FIRST_ROW_OP), targets, end)];
  for (const [k, first] of firsts.entries()) {
    const pairs = fused.filter(({ firstOp }) => firstOp === first);
    inner = [
      block(labels[k], inner),
      set(next, i32.add(entry, (pairs[0].first.length / 2) * ENTRY.bytes)),
      set(second, i32.load16_u(next, ENTRY.op)),
      when(i32.and(i32.ge_u(second, FIRST_FUSED_OP), i32.lt_u(second, FIRST_ROW_OP)), [
        set(second, i32.load16_u(next, ENTRY.replaced)),
      ]),
      ...pairs.map(({ secondOp, op: pairOp }) =>
        when(i32.eq(second, secondOp), [
          i32.store16(entry, op, ENTRY.replaced),
          i32.store16(entry, pairOp, ENTRY.op),
          ret(),
        ]),
      ),
      br(end),
    ];
  }
  return [set(op, i32.load16_u(entry, ENTRY.op)), block(end, inner)];
}

/** What the writing of an entry depends on: rows with the same one differ only in their handlers. */
interface Format extends Pick<Candidate, "extracts" | "constants"> {
  readonly ops: Omit<RowOps, "far" | "near">;
  readonly label: Label;
}

/** `offset` is the place in the page. */
function decodeBody(entry: Local<"i32">, bits: Local<"i32">, offset: Local<"i32">): Stmt[] {
  const formats = new Map<string, Format>();
  const opsOf = rowOps();
  const illegal = label("illegal");
  const op = i32.local();
  const pick = (candidate: Candidate): Stmt => {
    const { extracts, constants, compressed, row } = candidate;
    const found = opsOf.get(row);
    if (found === undefined) throw new Error(`${row.name} has no handler`);
    const { far, near, ...ops } = found;
    const width = compressed === undefined ? 1 : 0;
    if (ops.relative && near[width] !== far[width] + NEAR) throw new Error(`${row.name}: handlers`);
    const fields = extracts.map(({ field: { name, excluded, ...places }, slot }) => [slot, places]);
    const key = JSON.stringify([fields, constants, ops]);
    const format = formats.get(key) ?? { extracts, constants, ops, label: label(row.name) };
    formats.set(key, format);
    return when(fits(candidate, bits), [set(op, far[width]), br(format.label)]);
  };
  let body: Stmt[] = [
    when(i32.eq(i32.and(bits, 3), 3), [
      ...byBucket(
        buckets32(),
        i32.or(i32.and(i32.shr_u(bits, 2), 0x1f), i32.and(i32.shr_u(bits, 7), 0xe0)),
        pick,
      ),
      br(illegal),
    ]),
    ...byBucket(buckets16(), i32.or(i32.and(bits, 3), i32.and(i32.shr_u(bits, 11), 0x1c)), pick),
    br(illegal),
  ];
  for (const format of formats.values()) {
    body = [block(format.label, body), ...writeEntry(format, { entry, bits, offset, op }), ret()];
  }
  return [block(illegal, body), i32.store16(entry, SpecialOp.illegal, ENTRY.op)];
}

/** Tries the candidates of a bucket in their order. Buckets with the same ones share the code. */
function byBucket(
  buckets: readonly (readonly Candidate[])[],
  bucket: I32,
  pick: (candidate: Candidate) => Stmt,
): Stmt[] {
  const end = label("none");
  const ids = new Map<Candidate, number>();
  const lists = new Map<string, { label: Label; candidates: readonly Candidate[] }>();
  const labels = buckets.map((candidates) => {
    for (const candidate of candidates) ids.set(candidate, ids.get(candidate) ?? ids.size);
    const key = candidates.map((candidate) => ids.get(candidate)).join();
    const list = lists.get(key) ?? { label: label(`bucket ${key}`), candidates };
    lists.set(key, list);
    return list.label;
  });
  let inner: Stmt[] = [brTable(bucket, labels, end)];
  for (const list of lists.values()) {
    inner = [block(list.label, inner), ...list.candidates.map(pick), br(end)];
  }
  return [block(end, inner)];
}

/** Whether the instruction is this candidate's: the fixed bits, and no value that is ruled out. */
function fits({ mask, match, compressed, extracts }: Candidate, bits: I32): I32 {
  const fields = new Set([
    ...extracts.map(({ field }) => field),
    ...(compressed?.pattern.fields ?? []),
  ]);
  let condition = i32.eq(i32.and(bits, mask | 0), match | 0);
  const require = (field: Field, excluded: number): void => {
    condition = i32.and(condition, i32.ne(rawValue(field, bits), excluded));
  };
  for (const field of fields) for (const excluded of field.excluded) require(field, excluded);
  for (const { field, slot } of extracts) {
    if (slot === "rm") for (const reserved of RESERVED_ROUNDING) require(field, reserved);
  }
  return condition;
}

/** A field's bits, in their places and neither signed nor biased. */
const rawValue = ({ slices }: Field, bits: I32): I32 =>
  slices
    .map(({ from, to, width }) => i32.shl(i32.and(i32.shr_u(bits, from), 2 ** width - 1), to))
    .reduce((sum, slice) => i32.or(sum, slice));

function signedValue(field: Field, bits: I32): I32 {
  const raw = rawValue(field, bits);
  const unused = 32 - field.bits;
  return i32.add(field.signed ? i32.shr_s(i32.shl(raw, unused), unused) : raw, field.bias);
}

interface Instruction {
  readonly entry: I32;
  readonly bits: I32;
  /** Its place in the page. */
  readonly offset: I32;
  /** The handler, for a branch the one of far branches. */
  readonly op: I32;
}

function writeEntry(
  { extracts, constants, ops }: Format,
  { entry, bits, offset, op }: Instruction,
): Stmt[] {
  const operand = (slot: string): I32 => {
    const fixed = constants.findLast((c) => c.slot === slot);
    if (fixed !== undefined) return i32.const(fixed.value);
    const extract = extracts.findLast((e) => e.slot === slot);
    return extract === undefined ? i32.const(0) : signedValue(extract.field, bits);
  };
  const imm = operand("imm");
  const rs1 = operand("rs1");
  const common = [
    i32.store16(entry, destination(ops.floatDestination, operand("rd")), ENTRY.rd),
    i32.store16(entry, ops.zimm ? rs1 : source(ops.floatSource1, rs1), ENTRY.rs1),
    i32.store16(entry, source(ops.floatSource2, operand("rs2")), ENTRY.rs2),
    i32.store8(entry, operand("rs3"), ENTRY.rs3),
    i32.store8(entry, operand("rm"), ENTRY.rm),
  ];
  const far = [i32.store16(entry, op, ENTRY.op), i32.store(entry, imm, ENTRY.imm)];
  if (!ops.relative) return [...common, ...far];
  // A near branch moves by entries, 16 bytes for each two of code.
  const near = [
    i32.store16(entry, i32.add(op, NEAR), ENTRY.op),
    i32.store(entry, i32.mul(imm, ENTRY.bytes / 2), ENTRY.imm),
  ];
  return [...common, when(i32.lt_u(i32.add(offset, imm), PAGE_BYTES), near, far)];
}

const source = (float: boolean, index: I32): I32 =>
  i32.add(i32.shl(index, 3), float ? F_BASE : X_BASE);

const destination = (float: boolean, index: I32): I32 =>
  source(float, float ? index : i32.select(index, index, X_SINK));
