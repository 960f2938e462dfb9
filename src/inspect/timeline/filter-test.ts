/** What a term of a filter asks of a request. */
import { FilterError } from "./filter-error.ts";
import type { FilterField } from "./filter-fields.ts";
import type { Token } from "./filter-tokens.ts";
import type { RequestReader } from "./reader.ts";

export type Test = (reader: RequestReader, seq: number) => boolean;

/** NaN, which is what a time that has not come is, is neither more nor less than anything. */
const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ":": (a, b) => a === b,
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** Factors to bytes and to µs. */
const SIZES: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const TIMES: Readonly<Record<string, number>> = {
  "": 1,
  ns: 1e-3,
  us: 1,
  µs: 1,
  ms: 1e3,
  s: 1e6,
};

/** @throws FilterError if the value or the relation does not suit the field. */
export function testOf(field: FilterField, name: string, relation: Token, value: Token): Test {
  switch (field.kind) {
    case "number":
    case "us": {
      const compare = COMPARE[relation.text];
      const wanted = numberOf(value, name, field.kind === "us" ? TIMES : SIZES);
      return (reader, seq) => compare(field.read(reader, seq), wanted);
    }
    case "choice": {
      const isWanted = isEqual(relation, name);
      const choice = value.text.toLowerCase();
      if (!field.choices.includes(choice)) {
        throw new FilterError(`${name} is one of ${field.choices.join(", ")}`, value.at);
      }
      return (reader, seq) => field.is(reader, seq, choice) === isWanted;
    }
    case "text": {
      const isWanted = isEqual(relation, name);
      const text = value.text.toLowerCase();
      const matches =
        relation.text === ":"
          ? (other: string) => other.toLowerCase().includes(text)
          : (other: string) => other.toLowerCase() === text;
      return (reader, seq) => field.read(reader, seq).some(matches) === isWanted;
    }
  }
}

/** False for "!=". @throws FilterError for what only numbers have. */
function isEqual({ text, at }: Token, name: string): boolean {
  if (text === ":" || text === "=") return true;
  if (text === "!=") return false;
  throw new FilterError(`${name} is no number: use ":", "=" or "!="`, at);
}

/** A text that is anywhere in what a row of the list says. */
export function testOfText(text: string): Test {
  const wanted = text.toLowerCase();
  const has = (other: string) => other.toLowerCase().includes(wanted);
  return (reader, seq) => {
    if (has(reader.device(seq)) || has(reader.typeName(seq))) return true;
    const { op, summary } = reader.decode(seq);
    return has(op) || has(summary);
  };
}

function numberOf({ text, at }: Token, name: string, units: Readonly<Record<string, number>>) {
  const [, digits, unit] = /^(0x[0-9a-f]+|\d+(?:\.\d+)?)([a-zµ]*)$/i.exec(text) ?? [];
  const factor = Object.hasOwn(units, unit?.toLowerCase() ?? "-")
    ? units[unit.toLowerCase()]
    : undefined;
  if (digits === undefined || factor === undefined) {
    const known = Object.keys(units).filter((other) => other !== "");
    throw new FilterError(`${name} wants a number, with ${known.join(", ")} or no unit`, at);
  }
  return Number(digits) * factor;
}
