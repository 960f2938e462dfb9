/** Reads JSON that a person writes: one object of plain values, each with its place in the text. */

/** From 1, as editors count. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

type FieldValue = string | number | boolean | readonly string[];

export interface JsonField {
  readonly name: string;
  readonly value: FieldValue;
  /** Of the name. */
  readonly place: Place;
}

/** What is wrong, and where. */
export class JsonError extends Error {
  override readonly name = "JsonError";
  readonly place: Place;

  constructor(message: string, place: Place) {
    super(`Line ${place.line}, column ${place.column}: ${message}.`);
    this.place = place;
  }
}

/** Characters of such a text: far more than a machine can be described with. */
export const JSON_TEXT_MAX = 100_000;

/** RFC 8259: white space, then a string, a number, a word or one of the signs. */
const TOKEN = /[ \t\r\n]*(?:("(?:[^"\\\n]|\\.)*")|(-?[0-9][^\s,:[\]{}"]*)|([a-z]+)|([{}[\],:]))/y;

interface Token {
  readonly kind: "string" | "number" | "word" | "sign" | "end";
  readonly text: string;
  readonly place: Place;
}

/** The object's fields in their order. @throws JsonError */
export function readJsonFields(text: string): readonly JsonField[] {
  return new Reader(text).object();
}

class Reader {
  readonly #text: string;
  #at = 0;
  #token: Token;

  constructor(text: string) {
    this.#text = text;
    if (text.length > JSON_TEXT_MAX) {
      throw new JsonError("the text is too long", this.#placeOf(JSON_TEXT_MAX));
    }
    this.#token = this.#next();
  }

  object(): JsonField[] {
    const fields: JsonField[] = [];
    this.#sign("{", "a machine is an object and begins with {");
    while (!this.#isAt("}")) {
      if (fields.length > 0) this.#sign(",", "there should be a comma or }");
      const { place } = this.#token;
      const name = this.#string("there should be the name of a field, in double quotes");
      if (fields.some((field) => field.name === name)) {
        throw new JsonError(`“${name}” is there twice`, place);
      }
      this.#sign(":", "there should be a colon");
      fields.push({ name, value: this.#value(), place });
    }
    this.#take();
    if (this.#token.kind !== "end") this.#refuse("there is more behind the object");
    return fields;
  }

  #value(): FieldValue {
    const { kind, text } = this.#token;
    if (kind === "string") return this.#string("");
    if (kind === "number") {
      if (!Number.isFinite(Number(text))) this.#refuse(`${text} is no number`);
      this.#take();
      return Number(text);
    }
    if (kind === "word" && (text === "true" || text === "false")) {
      this.#take();
      return text === "true";
    }
    if (this.#isAt("[")) return this.#list();
    if (text === "null") this.#refuse("leave the field out to get what is usual");
    return this.#refuse("there should be a string, a number, true, false or a list");
  }

  #list(): string[] {
    const items: string[] = [];
    this.#take();
    while (!this.#isAt("]")) {
      if (items.length > 0) this.#sign(",", "there should be a comma or ]");
      items.push(this.#string("a list has strings"));
    }
    this.#take();
    return items;
  }

  #string(complaint: string): string {
    const { kind, text } = this.#token;
    if (kind !== "string") this.#refuse(complaint);
    let value: string;
    try {
      value = JSON.parse(text) as string;
    } catch {
      return this.#refuse("this string has an escape or a character that no string has");
    }
    this.#take();
    return value;
  }

  #sign(sign: string, complaint: string): void {
    if (!this.#isAt(sign)) this.#refuse(complaint);
    this.#take();
  }

  #isAt(sign: string): boolean {
    return this.#token.kind === "sign" && this.#token.text === sign;
  }

  #take(): void {
    this.#token = this.#next();
  }

  #refuse(complaint: string): never {
    throw new JsonError(complaint, this.#token.place);
  }

  #next(): Token {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text);
    if (match === null) {
      const rest = this.#text.slice(this.#at);
      const blank = /^[ \t\r\n]*/.exec(rest)![0].length;
      const place = this.#placeOf(this.#at + blank);
      if (blank === rest.length) return { kind: "end", text: "", place };
      throw new JsonError("this is no JSON", place);
    }
    const [all, string, number, word, sign] = match;
    const text = string ?? number ?? word ?? sign;
    const place = this.#placeOf(this.#at + all.length - text.length);
    this.#at += all.length;
    if (string !== undefined) return { kind: "string", text, place };
    if (number !== undefined) return { kind: "number", text, place };
    return { kind: word === undefined ? "sign" : "word", text, place };
  }

  #placeOf(offset: number): Place {
    const before = this.#text.slice(0, offset).split("\n");
    return { line: before.length, column: before.at(-1)!.length + 1 };
  }
}
