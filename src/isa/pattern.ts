/**
 * Encoding patterns in the notation of the instruction tables of the RISC-V specification:
 * fields from bit 31 (or 15) down, such as `imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011`.
 *
 * A field is written `name`, or `name[bits]` where the bits of the value are listed. `rd'` is a
 * three-bit register field that names x8..x15. A field called `imm…` or `nzimm` is signed, others are
 * not; `nz…` may not be zero, and a suffix such as `rd!=0` or `rd!=0,2` rules values out.
 */

/** A run of bits: `width` bits of the instruction from `from` are the value's bits from `to`. */
interface Slice {
  readonly from: number;
  readonly to: number;
  readonly width: number;
}

export interface Field {
  readonly name: string;
  readonly slices: Slice[];
  readonly signed: boolean;
  /** One more than the highest bit of the value. */
  readonly bits: number;
  /** Added to the value: 8 for the three-bit register fields. */
  readonly bias: number;
  readonly excluded: readonly number[];
}

export interface Pattern {
  readonly length: 2 | 4;
  /** Bits that are fixed, and their values, as unsigned 32-bit integers. */
  readonly mask: number;
  readonly match: number;
  readonly fields: readonly Field[];
}

const REGISTER_BITS = 5;
const WIDTHS: Record<string, number> = { rm: 3, aq: 1, rl: 1, csr: 12, zimm: 5 };

/** @throws Error if the fields do not fill 16 or 32 bits. */
export function parsePattern(text: string): Pattern {
  const tokens = text.trim().split(/\s+/);
  const parsed = tokens.map(parseToken);
  const total = parsed.reduce((sum, token) => sum + token.width, 0);
  if (total !== 16 && total !== 32) throw new Error(`${total} bits in pattern: ${text}`);
  let position = total;
  let mask = 0;
  let match = 0;
  const fields = new Map<string, Field>();
  for (const token of parsed) {
    position -= token.width;
    if (token.fixed !== undefined) {
      mask |= ((2 ** token.width - 1) << position) >>> 0;
      match |= (token.fixed << position) >>> 0;
    } else {
      addField(fields, token, position);
    }
  }
  const length = total === 16 ? 2 : 4;
  return { length, mask: mask >>> 0, match: match >>> 0, fields: [...fields.values()] };
}

interface Token {
  readonly width: number;
  readonly fixed?: number;
  readonly name: string;
  /** Ranges of value bits, high first, from the token's top bit down. */
  readonly ranges: readonly (readonly [high: number, low: number])[];
  readonly excluded: readonly number[];
}

function parseToken(text: string): Token {
  if (/^[01]+$/.test(text)) {
    return {
      width: text.length,
      fixed: Number.parseInt(text, 2),
      name: "",
      ranges: [],
      excluded: [],
    };
  }
  const found = /^([a-z]+\d?'?)(?:\[([\d:|]+)\])?(?:!=([\d,]+))?$/.exec(text);
  if (found === null) throw new Error(`bad field ${text}`);
  const [, name, bits, except] = found;
  const excluded = except === undefined ? [] : except.split(",").map(Number);
  if (name.startsWith("nz")) excluded.push(0);
  const ranges =
    bits === undefined
      ? [[defaultWidth(name) - 1, 0] as const]
      : bits.split("|").map((range) => {
          const [high, low = high] = range.split(":").map(Number);
          return [high, low] as const;
        });
  const width = ranges.reduce((sum, [high, low]) => sum + high - low + 1, 0);
  return { width, name, ranges, excluded };
}

function defaultWidth(name: string): number {
  if (name.endsWith("'")) return 3;
  return WIDTHS[name] ?? REGISTER_BITS;
}

function addField(fields: Map<string, Field>, token: Token, position: number): void {
  const known = fields.get(token.name);
  const slices = known?.slices ?? [];
  let from = position + token.width;
  let bits = known?.bits ?? 0;
  for (const [high, low] of token.ranges) {
    const width = high - low + 1;
    from -= width;
    slices.push({ from, to: low, width });
    bits = Math.max(bits, high + 1);
  }
  fields.set(token.name, {
    name: token.name,
    slices,
    bits,
    signed: /^(nz)?imm/.test(token.name),
    bias: token.name.endsWith("'") ? 8 : 0,
    excluded: known?.excluded ?? token.excluded,
  });
}

/** The value of a field, or NaN if the encoding rules it out (reserved). */
export function extractField(field: Field, instruction: number): number {
  let value = 0;
  for (const { from, to, width } of field.slices) {
    value |= ((instruction >>> from) & (2 ** width - 1)) << to;
  }
  for (const excluded of field.excluded) if (value === excluded) return Number.NaN;
  if (field.signed) value = (value << (32 - field.bits)) >> (32 - field.bits);
  return value + field.bias;
}

/** Places `value` in the field's bits. @throws RangeError if it does not fit or is ruled out. */
export function insertField(field: Field, value: number): number {
  let bits = 0;
  for (const { from, to, width } of field.slices) {
    bits |= (((value - field.bias) >>> to) & (2 ** width - 1)) << from;
  }
  if (extractField(field, bits) !== value) {
    throw new RangeError(`${value} does not fit in ${field.name}`);
  }
  return bits >>> 0;
}
