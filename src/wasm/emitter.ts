/** Lowers the statements of one function to the bytes of a code-section entry. */
import { type Allocation, allocate } from "./allocate.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { Expr, Func, FuncTable, Label, Local, Signature, Stmt } from "./expr.ts";
import { Op, TYPE_CODE, type ValType } from "./opcodes.ts";

const EMPTY_BLOCK = 0x40;

/** A hinted branch: its offset from the start of the function's body, and its likely outcome. */
export interface BranchHint {
  readonly offset: number;
  readonly likely: boolean;
}

export interface FunctionCode {
  readonly body: ByteWriter;
  readonly hints: readonly BranchHint[];
}

/** Where things of the module are, by index. */
export interface Indices {
  func(func: Func): number;
  type(signature: Signature): number;
  /** Of a table of the module's own; undefined: the imported one. */
  table(table: FuncTable | undefined): number;
}

/** @throws Error on a type mismatch or a branch to a label that does not enclose it. */
export function emitFunction(
  params: readonly Local[],
  result: ValType | undefined,
  body: readonly Stmt[],
  indices: Indices,
): FunctionCode {
  const emitter = new Emitter(params, allocate(params, body), indices);
  emitter.stmts(body);
  // A function with a result leaves by `return` on every path, so its end cannot be reached.
  if (result !== undefined) emitter.code.u8(Op.unreachable);
  emitter.code.u8(Op.end);
  return emitter.finish();
}

class Emitter {
  readonly code = new ByteWriter();
  readonly #locals: ReadonlyMap<Local, number>;
  readonly #declared: readonly ValType[];
  readonly #labels: (Label | undefined)[] = [];
  readonly #hints: BranchHint[] = [];
  readonly #indices: Indices;

  constructor(params: readonly Local[], { indices: numbers, types }: Allocation, indices: Indices) {
    this.#locals = new Map([...params.map((param, k) => [param, k] as const), ...numbers]);
    this.#declared = types;
    this.#indices = indices;
  }

  finish(): FunctionCode {
    const body = new ByteWriter();
    const groups: { type: ValType; count: number }[] = [];
    for (const type of this.#declared) {
      const last = groups.at(-1);
      if (last?.type === type) last.count++;
      else groups.push({ type, count: 1 });
    }
    body.u32(groups.length);
    for (const { type, count } of groups) {
      body.u32(count);
      body.u8(TYPE_CODE[type]);
    }
    const header = body.length;
    body.bytes(this.code.view());
    const hints = this.#hints.map((h) => ({ offset: h.offset + header, likely: h.likely }));
    return { body, hints };
  }

  stmts(list: readonly Stmt[]): void {
    for (const stmt of list) this.#stmt(stmt);
  }

  #stmt(stmt: Stmt): void {
    const code = this.code;
    switch (stmt.kind) {
      case "set":
        this.#typed(stmt.value, stmt.local.type);
        code.u8(Op.local_set);
        code.u32(this.#local(stmt.local));
        return;
      case "store":
        this.#expr(stmt.addr);
        this.#expr(stmt.value);
        this.#memarg(stmt.code, stmt.align, stmt.offset);
        return;
      case "if":
        this.#if(stmt);
        return;
      case "block":
      case "loop":
        code.u8(stmt.kind === "block" ? Op.block : Op.loop);
        code.u8(EMPTY_BLOCK);
        this.#labels.push(stmt.label);
        this.stmts(stmt.body);
        this.#labels.pop();
        code.u8(Op.end);
        return;
      case "br":
        if (stmt.cond !== undefined) this.#expr(stmt.cond);
        code.u8(stmt.cond === undefined ? Op.br : Op.br_if);
        code.u32(this.#depth(stmt.label));
        return;
      case "brTable":
        this.#expr(stmt.index);
        code.u8(Op.br_table);
        code.u32(stmt.labels.length);
        for (const target of stmt.labels) code.u32(this.#depth(target));
        code.u32(this.#depth(stmt.fallback));
        return;
      case "return":
        if (stmt.value !== undefined) this.#expr(stmt.value);
        code.u8(Op.return);
        return;
      case "do":
        this.#expr(stmt.value);
        code.u8(Op.drop);
        return;
      case "callVoid":
        this.#call(stmt.func, stmt.args);
        return;
      case "fill":
        this.#expr(stmt.addr);
        this.#expr(stmt.byte);
        this.#expr(stmt.length);
        code.u8(Op.prefix);
        code.u32(Op.memory_fill);
        code.u8(0);
        return;
    }
  }

  #if(stmt: Extract<Stmt, { kind: "if" }>): void {
    if (stmt.cond.kind === "const") {
      this.stmts(stmt.cond.value !== 0 ? stmt.yes : stmt.no);
      return;
    }
    this.#expr(stmt.cond);
    this.#hint(stmt.likely);
    this.code.u8(Op.if);
    this.code.u8(EMPTY_BLOCK);
    this.#labels.push(undefined);
    this.stmts(stmt.yes);
    if (stmt.no.length > 0) {
      this.code.u8(Op.else);
      this.stmts(stmt.no);
    }
    this.#labels.pop();
    this.code.u8(Op.end);
  }

  #hint(likely: boolean | undefined): void {
    if (likely !== undefined) this.#hints.push({ offset: this.code.length, likely });
  }

  #expr(node: Expr): void {
    const code = this.code;
    switch (node.kind) {
      case "const":
        this.#const(node.type, node.value);
        return;
      case "local":
        code.u8(Op.local_get);
        code.u32(this.#local(node));
        return;
      case "numeric":
        for (const operand of node.args) this.#expr(operand);
        code.u8(node.code);
        return;
      case "vector":
        for (const part of node.parts) {
          if ("kind" in part) this.#expr(part);
          else for (const byte of part) code.u8(byte);
        }
        return;
      case "load":
        this.#expr(node.addr);
        this.#memarg(node.code, node.align, node.offset);
        return;
      case "call":
        this.#call(node.func, node.args);
        return;
      case "callIndirect":
        for (let k = 0; k < node.args.length; k++) {
          this.#typed(node.args[k], node.signature.params[k]);
        }
        this.#expr(node.index);
        code.u8(Op.call_indirect);
        code.u32(this.#indices.type(node.signature));
        code.u32(this.#indices.table(node.table));
        return;
      case "select":
        this.#expr(node.yes);
        this.#expr(node.no);
        this.#expr(node.cond);
        code.u8(Op.select);
        return;
      case "conditional":
        this.#expr(node.cond);
        this.#hint(node.likely);
        code.u8(Op.if);
        code.u8(TYPE_CODE[node.type]);
        this.#labels.push(undefined);
        this.#typed(node.yes, node.type);
        code.u8(Op.else);
        this.#typed(node.no, node.type);
        this.#labels.pop();
        code.u8(Op.end);
        return;
      case "sequence":
        this.stmts(node.body);
        this.#expr(node.value);
        return;
    }
  }

  #typed(node: Expr, type: ValType): void {
    if (node.type !== type) throw new Error(`expected ${type}, got ${node.type}`);
    this.#expr(node);
  }

  #const(type: ValType, value: number | bigint): void {
    const code = this.code;
    if (type === "i32") {
      code.u8(Op.i32_const);
      code.s32(Number(value));
    } else if (type === "i64") {
      code.u8(Op.i64_const);
      code.s64(value);
    } else if (type === "f32") {
      code.u8(Op.f32_const);
      code.f32(Number(value));
    } else {
      code.u8(Op.f64_const);
      code.f64(Number(value));
    }
  }

  #memarg(code: number, align: number, offset: number): void {
    this.code.u8(code);
    this.code.u32(align);
    this.code.u32(offset);
  }

  #call(func: Func, args: readonly Expr[]): void {
    for (let k = 0; k < args.length; k++) this.#typed(args[k], func.params[k]);
    this.code.u8(Op.call);
    this.code.u32(this.#indices.func(func));
  }

  #local(local: Local): number {
    return this.#locals.get(local) ?? 0;
  }

  #depth(target: Label): number {
    const at = this.#labels.lastIndexOf(target);
    if (at < 0) throw new Error(`no enclosing block ${target.name}`);
    return this.#labels.length - 1 - at;
  }
}
