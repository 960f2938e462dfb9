/**
 * Finds the code of a region: basic blocks reached from a hot entry by direct control flow.
 *
 * Places are offsets in bytes from the guest page of the entry, so that a region does not depend on
 * the address at which the page is mapped. A call is followed to where it returns to, and into the
 * callee too if that is a short leaf: it is then part of the region, once for each place that calls
 * it. Computed jumps, instructions that work on the hart's own state and code that was never executed
 * end a path.
 */
import { type Decoded, decode, instructionLength, newDecoded } from "../../isa/decoder.ts";
import { type Flow, flowOf } from "../../isa/flow.ts";
import type { Row } from "../../isa/row.ts";
import { accessesFlags, needsHart } from "../handlers.ts";
import { REGION_RECORD } from "../layout.ts";
import { fieldsOf } from "./registers.ts";
import { ExitInfo } from "./runtime.ts";

/**
 * Instructions in a region. Larger functions take the engine longer to compile than they gain: the
 * cost of a module is some 2 µs for a block, and optimising grows faster than linearly.
 */
export const MAX_INSTRUCTIONS = 1000;

/** Pages that a region may be made from. */
export const MAX_PAGES = REGION_RECORD.maxPages;

/** Instructions of a leaf that becomes part of its callers, and how often that may happen. */
const MAX_INLINED = 40;
const MAX_INLINED_CALLS = 40;

const PAGE_BYTES = 4096;
const RA = 1;
const T1 = 6;
const T3 = 28;
/** The link registers of calls by convention: ra and t0 (Unprivileged ISA, 2.5.1). */
const isLink = (register: number): boolean => register === RA || register === 5;

export interface Instruction {
  /** The encoding, of 16 or 32 bits. */
  readonly bits: number;
  readonly row: Row;
  readonly decoded: Decoded;
  readonly at: number;
}

/** The instruction with an encoding; undefined if there is none. */
export function instructionOf(bits: number, at: number): Instruction | undefined {
  const decoded = newDecoded();
  decode(bits, decoded);
  const { row } = decoded;
  return row === undefined ? undefined : { bits, row, decoded, at };
}

/** A place to go to: an offset, and the block there if it is part of the region. */
export interface Edge {
  readonly at: number;
  readonly block: number | undefined;
}

type Terminator =
  | { readonly kind: "branch"; readonly target: Edge; readonly next: Edge }
  /** A jump, or a call of an inlined leaf, or the return from one. */
  | { readonly kind: "jump"; readonly target: Edge }
  | { readonly kind: "call"; readonly target: number; readonly next: Edge }
  /** `next` is where a computed call returns to; `dispatch` the block that knows a jump's targets. */
  | {
      readonly kind: "computed";
      readonly next: Edge | undefined;
      readonly dispatch: number | undefined;
    }
  /** Goes to the place that the region's computed jumps have computed: one of these, or elsewhere. */
  | { readonly kind: "dispatch"; readonly targets: readonly Edge[] }
  | { readonly kind: "next"; readonly next: Edge };

export interface Block {
  readonly at: number;
  /** Those of branches, jumps and calls include the instruction that transfers control. */
  readonly instructions: readonly Instruction[];
  readonly end: Terminator;
}

export interface Region {
  readonly blocks: readonly Block[];
  /** Blocks at which the region can be entered: the hot one, where calls return to, heads of loops. */
  readonly entries: readonly number[];
  /** Distances in pages from the entry's page, which is the first. */
  readonly pages: readonly number[];
  /** Whether it is as large as it may be, so that code is left out. */
  readonly isFull: boolean;
}

/** What is known of the code around an entry. Distances are in pages from the entry's page. */
export interface CodeSource {
  readonly memory: DataView;
  /** Address in `memory` of a page's bytes, or 0 if the page is not known. */
  readonly findPage: (distance: number) => number;
  /** Whether an instruction is worth its translation; else its path ends. */
  readonly isWanted: (distance: number, offset: number) => boolean;
  /** Places where a computed jump has led, as offsets from the entry's page. */
  readonly jumpTargets: (at: number) => readonly number[];
}

/** `entry` is the main way in; `wanted` is another one, if it turns out to be part of the region. */
export function discover(source: CodeSource, entry: number, wanted: number = entry): Region {
  return new Discovery(source).run(entry, wanted);
}

/** An inlined call, or the outermost function (0). */
interface Context {
  readonly parent: number;
  readonly returnTo: number;
}

/** Contexts are numbered, and each has its own copy of the instructions that it executes. */
const CONTEXT_SPAN = 2 ** 24;
const keyOf = (context: number, at: number): number =>
  context * CONTEXT_SPAN + at + CONTEXT_SPAN / 2;
const contextOf = (key: number): number => Math.floor(key / CONTEXT_SPAN);
const placeOf = (key: number): number => (key % CONTEXT_SPAN) - CONTEXT_SPAN / 2;

class Discovery {
  readonly #source: CodeSource;
  readonly #pages = new Map<number, number>();
  readonly #found = new Map<number, Instruction>();
  readonly #leaders = new Set<number>();
  readonly #entries = new Set<number>();
  readonly #contexts: Context[] = [{ parent: 0, returnTo: 0 }];
  /** The context of each inlined call, by the key of the instruction that calls. */
  readonly #inlined = new Map<number, number>();
  /** Where the computed jumps lead. */
  readonly #targets = new Set<number>();
  #dispatch: number | undefined;
  readonly #leaves = new Map<number, boolean>();
  readonly #work: number[] = [];

  constructor(source: CodeSource) {
    this.#source = source;
  }

  run(entry: number, wanted: number): Region {
    this.#half(entry);
    this.#addEntry(keyOf(0, entry));
    for (let key = this.#work.shift(); key !== undefined; key = this.#work.shift()) {
      this.#follow(contextOf(key), placeOf(key));
    }
    if (this.#found.has(keyOf(0, wanted))) this.#addEntry(keyOf(0, wanted));
    const keys = [...this.#leaders].filter((key) => this.#found.has(key));
    keys.sort((a, b) => a - b);
    const numbers = new Map(keys.map((key, k) => [key, k]));
    const targets = [...this.#targets].flatMap((at) => {
      const block = numbers.get(keyOf(0, at));
      return block === undefined ? [] : [{ at, block }];
    });
    this.#dispatch = targets.length > 0 ? keys.length : undefined;
    const blocks = keys.map((key) => this.#block(contextOf(key), placeOf(key), numbers));
    // The last block, and the one that computed jumps lead to if any of their targets was found.
    if (targets.length > 0)
      blocks.push({ at: 0, instructions: [], end: { kind: "dispatch", targets } });
    return {
      blocks,
      entries: [...this.#entries].flatMap((key) => numbers.get(key) ?? []),
      pages: [...this.#pages].flatMap(([page, host]) => (host === 0 ? [] : [page])),
      isFull: this.#found.size >= MAX_INSTRUCTIONS,
    };
  }

  #addEntry(key: number): void {
    this.#entries.add(key);
    this.#addLeader(key);
  }

  #addLeader(key: number): void {
    if (this.#leaders.has(key)) return;
    this.#leaders.add(key);
    this.#work.push(key);
  }

  #follow(context: number, start: number): void {
    let at = start;
    let length = 0;
    while (!this.#found.has(keyOf(context, at)) && this.#found.size < MAX_INSTRUCTIONS) {
      length++;
      if (length > ExitInfo.maxCharge) {
        this.#addLeader(keyOf(context, at));
        return;
      }
      const instruction = this.#read(at);
      if (instruction === undefined) return;
      this.#found.set(keyOf(context, at), instruction);
      const { decoded } = instruction;
      const next = at + decoded.length;
      const target = at + decoded.imm;
      switch (flowIn(instruction)) {
        case "branch":
          // The head of a loop is where a region that has used its time is entered again.
          if (target <= at && context === 0) this.#addEntry(keyOf(0, target));
          this.#addLeader(keyOf(context, target));
          this.#addLeader(keyOf(context, next));
          return;
        case "jump":
          if (isLink(decoded.rd)) this.#followCall(context, at, decoded.rd, target, next);
          else {
            if (target <= at && context === 0) this.#addEntry(keyOf(0, target));
            this.#addLeader(keyOf(context, target));
          }
          return;
        case "computed":
          if (context !== 0) {
            const { parent, returnTo } = this.#contexts[context];
            if (isReturn(instruction)) this.#addLeader(keyOf(parent, returnTo));
            else this.#addReturn(parent, returnTo);
          } else if (isLink(decoded.rd)) this.#addReturn(context, next);
          else if (!isReturn(instruction)) this.#followJump(at);
          return;
        default:
          at = next;
      }
    }
  }

  #followJump(at: number): void {
    for (const target of this.#source.jumpTargets(at)) {
      if (Math.abs(target) > ExitInfo.maxDistance) continue;
      this.#targets.add(target);
      this.#addEntry(keyOf(0, target));
    }
  }

  #followCall(context: number, at: number, link: number, target: number, next: number): void {
    const inline =
      link === RA &&
      context === 0 &&
      this.#contexts.length <= MAX_INLINED_CALLS &&
      this.#isLeaf(target);
    if (!inline) {
      this.#addReturn(context, next);
      return;
    }
    const callee = this.#contexts.length;
    this.#contexts.push({ parent: context, returnTo: next });
    this.#inlined.set(keyOf(context, at), callee);
    this.#addLeader(keyOf(callee, target));
  }

  #addReturn(context: number, next: number): void {
    if (context === 0) this.#addEntry(keyOf(0, next));
    else this.#addLeader(keyOf(context, next));
  }

  /**
   * Whether the function is short, calls nothing, and leaves by its link register alone; or is an
   * entry of a procedure linkage table, which goes on to the function that it stands for.
   */
  #isLeaf(start: number): boolean {
    const known = this.#leaves.get(start);
    if (known !== undefined) return known;
    const found = new Set<number>();
    const work = [start];
    let isLeaf = true;
    for (let at = work.pop(); at !== undefined && isLeaf; at = work.pop()) {
      if (found.has(at)) continue;
      found.add(at);
      const instruction = found.size > MAX_INLINED ? undefined : this.#read(at);
      if (instruction === undefined) {
        isLeaf = false;
        break;
      }
      const { row, decoded } = instruction;
      const flow = flowIn(instruction);
      const next = at + decoded.length;
      if (flow === "computed") isLeaf = isReturn(instruction) || isLinkageJump(instruction);
      else if (fieldsOf(row).writes(decoded).x & (1 << RA)) isLeaf = false;
      else if (flow === "jump") work.push(at + decoded.imm);
      else work.push(next, ...(flow === "branch" ? [at + decoded.imm] : []));
    }
    this.#leaves.set(start, isLeaf);
    return isLeaf;
  }

  /** The instruction at an offset; undefined where the interpreter has to take over. */
  #read(at: number): Instruction | undefined {
    if (Math.abs(at) > ExitInfo.maxDistance) return undefined;
    const low = this.#half(at);
    if (low === undefined) return undefined;
    const page = Math.floor(at / PAGE_BYTES);
    if (!this.#source.isWanted(page, at - page * PAGE_BYTES)) return undefined;
    let bits = low;
    if (instructionLength(low) === 4) {
      const high = this.#half(at + 2);
      if (high === undefined) return undefined;
      bits = (low | (high << 16)) >>> 0;
    }
    const instruction = instructionOf(bits, at);
    if (instruction === undefined) return undefined;
    const { row, decoded } = instruction;
    return needsHart(row) && !accessesFlags(row, decoded) ? undefined : instruction;
  }

  #half(at: number): number | undefined {
    const page = Math.floor(at / PAGE_BYTES);
    let host = this.#pages.get(page);
    if (host === undefined) {
      host = this.#knownPages() < MAX_PAGES ? this.#source.findPage(page) : 0;
      this.#pages.set(page, host);
    }
    if (host === 0) return undefined;
    return this.#source.memory.getUint16(host + (at - page * PAGE_BYTES), true);
  }

  #knownPages(): number {
    let known = 0;
    for (const host of this.#pages.values()) if (host !== 0) known++;
    return known;
  }

  #block(context: number, start: number, numbers: ReadonlyMap<number, number>): Block {
    const instructions: Instruction[] = [];
    const edge = (at: number, of = context): Edge => ({ at, block: numbers.get(keyOf(of, at)) });
    let at = start;
    for (;;) {
      const key = keyOf(context, at);
      const instruction = this.#found.get(key);
      const full = instructions.length === ExitInfo.maxCharge;
      if (instruction === undefined || full || (at !== start && this.#leaders.has(key))) {
        return { at: start, instructions, end: { kind: "next", next: edge(at) } };
      }
      instructions.push(instruction);
      const next = at + instruction.decoded.length;
      if (flowIn(instruction) !== "next") {
        return { at: start, instructions, end: this.#terminator(context, instruction, edge) };
      }
      at = next;
    }
  }

  #terminator(
    context: number,
    instruction: Instruction,
    edge: (at: number, of?: number) => Edge,
  ): Terminator {
    const { row, decoded, at } = instruction;
    const target = at + decoded.imm;
    const next = at + decoded.length;
    switch (flowOf(row)) {
      case "branch":
        return { kind: "branch", target: edge(target), next: edge(next) };
      case "jump": {
        const callee = this.#inlined.get(keyOf(context, at));
        if (callee !== undefined) return { kind: "jump", target: edge(target, callee) };
        if (!isLink(decoded.rd)) return { kind: "jump", target: edge(target) };
        return { kind: "call", target, next: edge(next) };
      }
      default: {
        if (context !== 0) {
          const { parent, returnTo } = this.#contexts[context];
          const back = edge(returnTo, parent);
          // What a linkage table leads to is called from here, to return to the caller directly.
          return isReturn(instruction)
            ? { kind: "jump", target: back }
            : { kind: "computed", next: back, dispatch: undefined };
        }
        const isCall = isLink(decoded.rd);
        const isJump = !isCall && !isReturn(instruction);
        return {
          kind: "computed",
          next: isCall ? edge(next) : undefined,
          dispatch: isJump ? this.#dispatch : undefined,
        };
      }
    }
  }
}

/** How control goes on after an instruction of a region. */
const flowIn = ({ row }: Instruction): Flow => {
  const flow = flowOf(row);
  return flow === "hart" ? "next" : flow;
};

/** Whether it jumps to the link register, and links nothing itself. */
function isReturn({ row, decoded }: Instruction): boolean {
  return flowOf(row) === "computed" && decoded.rd === 0 && decoded.rs1 === RA && decoded.imm === 0;
}

/** Whether it is the last instruction of an entry of a procedure linkage table: `jalr t1, t3`. */
function isLinkageJump({ row, decoded }: Instruction): boolean {
  return flowOf(row) === "computed" && decoded.rd === T1 && decoded.rs1 === T3;
}
