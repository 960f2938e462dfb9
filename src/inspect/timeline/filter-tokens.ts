/** Cuts a filter into words, quoted texts, relations and symbols. */
import { FilterError } from "./filter-error.ts";

export interface Token {
  readonly kind: "word" | "text" | "relation" | "symbol";
  readonly text: string;
  /** Index in the filter. */
  readonly at: number;
}

const TOKEN =
  /\s*(?:(?<symbol>[()]|!(?!=))|(?<relation>!=|<=|>=|[:=<>])|"(?<text>[^"]*)"|(?<word>[^\s()!:=<>"]+))/y;

/** @throws FilterError for a quotation that does not end. */
export function tokensOf(filter: string): Token[] {
  const tokens: Token[] = [];
  const end = filter.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex;
    const groups = TOKEN.exec(filter)?.groups;
    if (groups === undefined) {
      throw new FilterError("this quotation does not end", filter.indexOf('"', from));
    }
    const [kind, text] = Object.entries(groups).find(([, value]) => value !== undefined)!;
    const quote = kind === "text" ? 2 : 0;
    tokens.push({ kind: kind as Token["kind"], text, at: TOKEN.lastIndex - text.length - quote });
  }
  return tokens;
}
