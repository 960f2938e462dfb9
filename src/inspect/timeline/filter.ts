/**
 * The language of filters: `dev:block op:write len>4096`.
 *
 *     either  = both { "or" both }
 *     both    = one { [ "and" ] one }
 *     one     = ( "not" | "!" ) one | "(" either ")" | term
 *     term    = field relation value | value          a bare value is looked for everywhere
 *     relation = ":" | "=" | "!=" | "<" | "<=" | ">" | ">="
 *     value   = word | '"' text '"'
 */
import { FilterError } from "./filter-error.ts";
import { FIELDS } from "./filter-fields.ts";
import { type Test, testOf, testOfText } from "./filter-test.ts";
import { type Token, tokensOf } from "./filter-tokens.ts";
import type { RequestReader } from "./reader.ts";

/** Parentheses and `not` in each other: more than anybody writes, less than a stack holds. */
const MAX_DEPTH = 100;

/** Whether request `seq` is to be shown. */
export type Filter = Test;

/** @throws FilterError with the place of the first mistake. */
export function parseFilter(text: string): Filter {
  return new Parser(text).all();
}

const ALL: Filter = () => true;

class Parser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
    this.#end = text.length;
  }

  all(): Filter {
    if (this.#tokens.length === 0) return ALL;
    const filter = this.#either();
    const rest = this.#tokens[this.#next];
    if (rest !== undefined) throw new FilterError("this closes nothing", rest.at);
    return filter;
  }

  #either(): Filter {
    let left = this.#both();
    while (this.#takeWord("or")) {
      const [first, second] = [left, this.#both()];
      left = (reader, seq) => first(reader, seq) || second(reader, seq);
    }
    return left;
  }

  #both(): Filter {
    let left = this.#one();
    while (this.#takeWord("and") || this.#continues()) {
      const [first, second] = [left, this.#one()];
      left = (reader, seq) => first(reader, seq) && second(reader, seq);
    }
    return left;
  }

  #one(): Filter {
    if (++this.#depth > MAX_DEPTH) {
      throw new FilterError("too much is nested here", this.#tokens[this.#next]?.at ?? this.#end);
    }
    const filter = this.#oneAt(this.#tokens[this.#next]);
    this.#depth--;
    return filter;
  }

  #oneAt(token: Token | undefined): Filter {
    if (token === undefined) throw new FilterError("something is missing here", this.#end);
    if (this.#takeWord("not") || this.#take("!")) {
      const negated = this.#one();
      return (reader: RequestReader, seq: number) => !negated(reader, seq);
    }
    if (this.#take("(")) return this.#closed(token);
    if (isKeyword(token) || token.kind === "symbol") {
      throw new FilterError(`"${token.text}" needs something before it`, token.at);
    }
    this.#next++;
    const relation = this.#tokens[this.#next];
    if (relation?.kind !== "relation") {
      if (token.kind === "relation") {
        throw new FilterError(`"${token.text}" needs a field before it`, token.at);
      }
      return testOfText(token.text);
    }
    this.#next++;
    return this.#term(token, relation);
  }

  #term(field: Token, relation: Token): Filter {
    const name = field.text.toLowerCase();
    if (field.kind !== "word" || !Object.hasOwn(FIELDS, name)) {
      const known = Object.keys(FIELDS).join(", ");
      throw new FilterError(`there is no field "${field.text}"; there are ${known}`, field.at);
    }
    const value = this.#tokens[this.#next];
    if (value === undefined || (value.kind !== "word" && value.kind !== "text")) {
      throw new FilterError(`"${name}${relation.text}" needs a value`, value?.at ?? this.#end);
    }
    this.#next++;
    return testOf(FIELDS[name], name, relation, value);
  }

  #closed(open: Token): Filter {
    const filter = this.#either();
    if (!this.#take(")")) throw new FilterError("this is never closed", open.at);
    return filter;
  }

  /** Whether what follows goes on with an `and` that is not written. */
  #continues(): boolean {
    const token = this.#tokens[this.#next];
    if (token === undefined || token.text === ")") return false;
    return !(token.kind === "word" && token.text.toLowerCase() === "or");
  }

  #take(symbol: string): boolean {
    const token = this.#tokens[this.#next];
    const isIt = token?.kind === "symbol" && token.text === symbol;
    if (isIt) this.#next++;
    return isIt;
  }

  #takeWord(word: string): boolean {
    const token = this.#tokens[this.#next];
    const isIt = token?.kind === "word" && token.text.toLowerCase() === word;
    if (isIt) this.#next++;
    return isIt;
  }
}

function isKeyword({ kind, text }: Token): boolean {
  return kind === "word" && ["and", "or"].includes(text.toLowerCase());
}
