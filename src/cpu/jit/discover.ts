/**
 * Finds the code of a region: basic blocks reached from a hot entry by direct control flow.
 *
 * Places are offsets in bytes from the guest page of the entry, so that a region does not depend on
 * the address at which the page is mapped. A call is followed to where it returns to, not into the
 * callee; computed jumps and instructions that work on the hart's own state end a path.
 */
import { type Decoded, decode, instructionLength, newDecoded } from "../../isa/decoder.ts";
import { flowOf } from "../../isa/flow.ts";
import type { Row } from "../../isa/row.ts";

/**
 * Instructions in a region. Larger functions take the engine longer to compile than they gain: the
 * cost of a module is some 2 µs for a block, and optimising grows faster than linearly.
 */
export const MAX_INSTRUCTIONS = 600;

/** Pages a region may touch: each one beyond the first is a check at every entry. */
export const MAX_PAGES = 4;

const PAGE_BYTES = 4096;
/** The link registers of calls by convention: ra and t0 (Unprivileged ISA, 2.5.1). */
const isLink = (register: number): boolean => register === 1 || register === 5;

export interface Instruction {
  readonly row: Row;
  readonly decoded: Decoded;
  readonly at: number;
}

type Terminator =
  | { readonly kind: "branch"; readonly target: number; readonly next: number }
  | { readonly kind: "jump"; readonly target: number }
  | { readonly kind: "call"; readonly target: number; readonly next: number }
  /** `next` is where a computed call returns to. */
  | { readonly kind: "computed"; readonly next: number | undefined }
  | { readonly kind: "next"; readonly next: number };

export interface Block {
  readonly at: number;
  /** Those of branches, jumps and calls include the instruction that transfers control. */
  readonly instructions: readonly Instruction[];
  readonly end: Terminator;
}

export interface Region {
  readonly blocks: readonly Block[];
  /** Offsets at which the region can be entered: the hot one, and where calls return to. */
  readonly entries: readonly number[];
  /** Distances in pages from the entry's page, that one left out. */
  readonly pages: readonly number[];
}

/** Host address of the page at a distance in pages from the entry's, or 0 if it is not known. */
export type PageFinder = (distance: number) => number;

export function discover(code: DataView, findPage: PageFinder, entry: number): Region {
  return new Discovery(code, findPage).run(entry);
}

class Discovery {
  readonly #code: DataView;
  readonly #findPage: PageFinder;
  readonly #pages = new Map<number, number>();
  readonly #found = new Map<number, Instruction>();
  readonly #leaders = new Set<number>();
  readonly #entries: number[] = [];
  readonly #work: number[] = [];

  constructor(code: DataView, findPage: PageFinder) {
    this.#code = code;
    this.#findPage = findPage;
  }

  run(entry: number): Region {
    this.#addEntry(entry);
    for (let at = this.#work.shift(); at !== undefined; at = this.#work.shift()) this.#follow(at);
    const blocks = [...this.#leaders]
      .filter((at) => this.#found.has(at))
      .sort((a, b) => a - b)
      .map((at) => this.#block(at));
    return {
      blocks,
      entries: this.#entries.filter((at) => this.#found.has(at)),
      pages: [...this.#pages].flatMap(([page, host]) => (page !== 0 && host !== 0 ? [page] : [])),
    };
  }

  #addEntry(at: number): void {
    if (!this.#entries.includes(at)) this.#entries.push(at);
    this.#addLeader(at);
  }

  #addLeader(at: number): void {
    if (this.#leaders.has(at)) return;
    this.#leaders.add(at);
    this.#work.push(at);
  }

  #follow(start: number): void {
    let at = start;
    while (!this.#found.has(at) && this.#found.size < MAX_INSTRUCTIONS) {
      const instruction = this.#read(at);
      if (instruction === undefined) return;
      this.#found.set(at, instruction);
      const { row, decoded } = instruction;
      const next = at + decoded.length;
      const flow = flowOf(row);
      if (flow === "branch") {
        this.#addLeader(at + decoded.imm);
        this.#addLeader(next);
        return;
      }
      if (flow === "jump") {
        if (isLink(decoded.rd)) this.#addEntry(next);
        else this.#addLeader(at + decoded.imm);
        return;
      }
      if (flow === "computed") {
        if (isLink(decoded.rd)) this.#addEntry(next);
        return;
      }
      at = next;
    }
  }

  /** The instruction at an offset; undefined where the interpreter has to take over. */
  #read(at: number): Instruction | undefined {
    const low = this.#half(at);
    if (low === undefined) return undefined;
    let bits = low;
    if (instructionLength(low) === 4) {
      const high = this.#half(at + 2);
      if (high === undefined) return undefined;
      bits = (low | (high << 16)) >>> 0;
    }
    const decoded = newDecoded();
    decode(bits, decoded);
    const { row } = decoded;
    if (row === undefined || flowOf(row) === "hart") return undefined;
    return { row, decoded, at };
  }

  #half(at: number): number | undefined {
    const page = Math.floor(at / PAGE_BYTES);
    let host = this.#pages.get(page);
    if (host === undefined) {
      host = this.#pages.size < MAX_PAGES ? this.#findPage(page) : 0;
      this.#pages.set(page, host);
    }
    return host === 0 ? undefined : this.#code.getUint16(host + (at - page * PAGE_BYTES), true);
  }

  #block(start: number): Block {
    const instructions: Instruction[] = [];
    let at = start;
    for (;;) {
      const instruction = this.#found.get(at);
      if (instruction === undefined || (at !== start && this.#leaders.has(at))) {
        return { at: start, instructions, end: { kind: "next", next: at } };
      }
      instructions.push(instruction);
      const { row, decoded } = instruction;
      const next = at + decoded.length;
      const flow = flowOf(row);
      if (flow !== "next") return { at: start, instructions, end: terminator(instruction, next) };
      at = next;
    }
  }
}

function terminator({ row, decoded, at }: Instruction, next: number): Terminator {
  const target = at + decoded.imm;
  switch (flowOf(row)) {
    case "branch":
      return { kind: "branch", target, next };
    case "jump":
      return isLink(decoded.rd) ? { kind: "call", target, next } : { kind: "jump", target };
    default:
      return { kind: "computed", next: isLink(decoded.rd) ? next : undefined };
  }
}
