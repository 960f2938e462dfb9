/** Assembles a WebAssembly module: imports, functions, exports and branch hints. */
import { ByteWriter } from "./byte-writer.ts";
import { type BranchHint, emitFunction } from "./emitter.ts";
import type { Func, FuncTable, Local, Signature, Stmt } from "./expr.ts";
import { Op, TYPE_CODE, type ValType } from "./opcodes.ts";

const MAGIC_AND_VERSION = new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);

const FUNCREF = 0x70;

const SectionId = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  export: 7,
  element: 9,
  code: 10,
} as const;

export interface MemoryImport {
  readonly module: string;
  readonly name: string;
  /** In pages of 64 KiB. */
  readonly initial: number;
  readonly maximum: number;
  readonly shared: boolean;
}

/** A table of functions, for `callIndirect`. */
export interface TableImport {
  readonly module: string;
  readonly name: string;
  readonly initial: number;
  /** Entries, which the table imported may not exceed; undefined: whatever it has. */
  readonly maximum?: number;
}

interface Definition {
  readonly func: Func;
  readonly locals: readonly Local[];
  readonly body: () => readonly Stmt[];
}

type LocalsOf<P extends readonly ValType[]> = { [K in keyof P]: Local<P[K] & ValType> };

export class ModuleBuilder {
  readonly #imports: { func: Func; module: string }[] = [];
  readonly #definitions: Definition[] = [];
  readonly #exports = new Set<Func>();
  readonly #indices = new Map<Func, number>();
  readonly #types = new Map<string, { index: number; signature: Signature }>();
  #memory: MemoryImport | undefined;
  #table: TableImport | undefined;
  readonly #tables: FuncTable[] = [];

  importMemory(memory: MemoryImport): void {
    this.#memory = memory;
  }

  importTable(table: TableImport): void {
    this.#table = table;
  }

  importFunction<R extends ValType | undefined>(
    module: string,
    name: string,
    params: readonly ValType[],
    result: R,
  ): Func<R> {
    const func: Func<R> = { name, params, result };
    this.#imports.push({ func, module });
    return func;
  }

  /**
   * Declares a function. Its body is built when the module is encoded, so that functions may call
   * each other whatever the order they are declared in. With a result, every path ends in `ret`.
   */
  define<const P extends readonly ValType[], R extends ValType | undefined>(
    name: string,
    params: P,
    result: R,
    body: (...params: LocalsOf<P>) => readonly Stmt[],
    options: { readonly export?: boolean } = {},
  ): Func<R> {
    const locals = params.map((type): Local => ({ kind: "local", type }));
    const func: Func<R> = { name, params, result };
    const build = () => body(...(locals as unknown as LocalsOf<P>));
    this.#definitions.push({ func, locals, body: build });
    if (options.export === true) this.#exports.add(func);
    return func;
  }

  /** A table that holds these functions, for `callIn`. */
  defineTable(funcs: readonly Func[]): FuncTable {
    const table: FuncTable = { funcs };
    this.#tables.push(table);
    return table;
  }

  /** Exports a function that was defined without. */
  export(func: Func): void {
    this.#exports.add(func);
  }

  encode(): Uint8Array<ArrayBuffer> {
    this.#indices.clear();
    const functions = [
      ...this.#imports.map((i) => i.func),
      ...this.#definitions.map((d) => d.func),
    ];
    for (const [index, func] of functions.entries()) {
      this.#indices.set(func, index);
      this.#typeOf(func);
    }
    // Bodies come first, since they may use further types.
    const code = this.#codeSections();
    const out = new ByteWriter();
    out.bytes(MAGIC_AND_VERSION);
    this.#typeSection(out);
    this.#importSection(out);
    section(out, SectionId.function, this.#definitions.length, (s, k) =>
      s.u32(this.#typeOf(this.#definitions[k].func)),
    );
    section(out, SectionId.table, this.#tables.length, (s, k) => {
      const { length } = this.#tables[k].funcs;
      s.u8(FUNCREF);
      s.u8(0x01);
      s.u32(length);
      s.u32(length);
    });
    const exported = this.#definitions.filter((d) => this.#exports.has(d.func));
    section(out, SectionId.export, exported.length, (s, k) => {
      s.name(exported[k].func.name);
      s.u8(0x00);
      s.u32(this.#indexOf(exported[k].func));
    });
    section(out, SectionId.element, this.#tables.length, (s, k) => {
      const { funcs } = this.#tables[k];
      // Active, for a table that is named, with function indices (element kind 0).
      s.u32(2);
      s.u32(this.#tableOf(this.#tables[k]));
      s.u8(Op.i32_const);
      s.s32(0);
      s.u8(Op.end);
      s.u8(0x00);
      s.u32(funcs.length);
      for (const func of funcs) s.u32(this.#indexOf(func));
    });
    out.bytes(code.view());
    return out.finish();
  }

  #indexOf = (func: Func): number => {
    const index = this.#indices.get(func);
    if (index === undefined) throw new Error(`${func.name} is not in this module`);
    return index;
  };

  /** Imported tables come first. */
  #tableOf = (table: FuncTable | undefined): number =>
    table === undefined ? 0 : this.#tables.indexOf(table) + (this.#table === undefined ? 0 : 1);

  #typeOf = (signature: Signature): number => {
    const key = `${signature.params.join()}:${signature.result ?? ""}`;
    const known = this.#types.get(key);
    if (known !== undefined) return known.index;
    const index = this.#types.size;
    this.#types.set(key, { index, signature });
    return index;
  };

  #typeSection(out: ByteWriter): void {
    const rows = [...this.#types.values()];
    section(out, SectionId.type, rows.length, (s, k) => {
      const { params, result } = rows[k].signature;
      s.u8(0x60);
      s.u32(params.length);
      for (const type of params) s.u8(TYPE_CODE[type]);
      s.u32(result === undefined ? 0 : 1);
      if (result !== undefined) s.u8(TYPE_CODE[result]);
    });
  }

  #importSection(out: ByteWriter): void {
    const memory = this.#memory;
    const table = this.#table;
    const others = (memory === undefined ? 0 : 1) + (table === undefined ? 0 : 1);
    const count = this.#imports.length + others;
    section(out, SectionId.import, count, (s, k) => {
      if (k < this.#imports.length) {
        const { func, module } = this.#imports[k];
        s.name(module);
        s.name(func.name);
        s.u8(0x00);
        s.u32(this.#typeOf(func));
      } else if (memory !== undefined && k === this.#imports.length) {
        s.name(memory.module);
        s.name(memory.name);
        s.u8(0x02);
        s.u8(memory.shared ? 0x03 : 0x01);
        s.u32(memory.initial);
        s.u32(memory.maximum);
      } else if (table !== undefined) {
        s.name(table.module);
        s.name(table.name);
        s.u8(0x01);
        s.u8(FUNCREF);
        s.u8(table.maximum === undefined ? 0x00 : 0x01);
        s.u32(table.initial);
        if (table.maximum !== undefined) s.u32(table.maximum);
      }
    });
  }

  /** The code section and the hints that precede it. */
  #codeSections(): ByteWriter {
    const out = new ByteWriter();
    const indices = { func: this.#indexOf, type: this.#typeOf, table: this.#tableOf };
    const hinted: { index: number; hints: readonly BranchHint[] }[] = [];
    const bodies = this.#definitions.map(({ func, locals, body }) => {
      const code = emitFunction(locals, func.result, body(), indices);
      if (code.hints.length > 0) hinted.push({ index: this.#indexOf(func), hints: code.hints });
      return code.body;
    });
    branchHintSection(out, hinted);
    section(out, SectionId.code, bodies.length, (s, k) => s.sized(bodies[k]));
    return out;
  }
}

/** `metadata.code.branch_hint`, which precedes the code section (branch hinting proposal). */
function branchHintSection(
  out: ByteWriter,
  hinted: readonly { index: number; hints: readonly BranchHint[] }[],
): void {
  if (hinted.length === 0) return;
  const content = new ByteWriter();
  content.name("metadata.code.branch_hint");
  content.u32(hinted.length);
  for (const { index, hints } of hinted) {
    content.u32(index);
    content.u32(hints.length);
    for (const { offset, likely } of hints) {
      content.u32(offset);
      content.u32(1);
      content.u8(likely ? 1 : 0);
    }
  }
  out.u8(SectionId.custom);
  out.sized(content);
}

function section(
  out: ByteWriter,
  id: number,
  count: number,
  row: (content: ByteWriter, index: number) => void,
): void {
  if (count === 0) return;
  const content = new ByteWriter();
  content.u32(count);
  for (let k = 0; k < count; k++) row(content, k);
  out.u8(id);
  out.sized(content);
}
