/** Names for addresses and addresses for names, from the files that were given for a machine. */
import type { HartPort } from "../cpu/hart-port.ts";
import type { Machine } from "../machine/machine.ts";
import { csr, translationState } from "./hart-state.ts";
import { hex } from "./hex.ts";
import { onePerMachine } from "./one-per-machine.ts";
import type { Subject } from "./subject.ts";
import { type PlacedSymbol, SymbolTable } from "./symbol-table.ts";
import { VirtualMemory } from "./virtual-memory.ts";

/** Files at one time: a kernel, firmware and a few programs. */
const MAX_FILES = 16;

/** Names that a search gives at most: what a list shows. */
const MAX_FOUND = 50;

/** Answers that are kept: the functions of a busy system and what calls them. */
const MAX_KNOWN = 16_384;

/** A kernel that is loaded elsewhere than it was linked is moved by a multiple of this (RISC-V Linux). */
const RELOCATION_BYTES = 0x20_0000n;

/** What Linux's trap vector is called, by which a relocation shows. */
const TRAP_ENTRY = "handle_exception";
const BANNER = { symbol: "linux_banner", start: "Linux version" } as const;

export interface SymbolFile {
  readonly name: string;
  readonly symbols: number;
  /** How far what runs is from where it was linked. */
  readonly relocation: bigint;
  /**
   * Whether the kernel's banner is where the file says: "different" means that the file is another
   * kernel's, "unknown" that there is none, or that it is not mapped yet.
   */
  readonly match: "same" | "different" | "unknown";
}

/** What has an address. */
export interface Placed {
  /** Name and offset of the address, if they are known. */
  readonly symbol?: string;
}

export interface SymbolAt {
  readonly name: string;
  readonly address: bigint;
  readonly offset: bigint;
}

interface OpenFile {
  readonly name: string;
  readonly table: SymbolTable;
  relocation: bigint;
}

export class Symbols {
  readonly #machine: Machine;
  #files: OpenFile[] = [];
  /** Answers that were given: the same few addresses are asked for again and again. */
  readonly #known = new Map<bigint, SymbolAt | "none">();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Takes a System.map or an ELF file, in place of one of the same name. @throws Error */
  add(name: string, file: Uint8Array): void {
    const table = SymbolTable.parse(file);
    const others = this.#files.filter((open) => open.name !== name);
    if (others.length >= MAX_FILES) throw new Error(`There are ${MAX_FILES} files already.`);
    this.#files = [...others, { name, table, relocation: 0n }];
    this.#locate();
  }

  remove(name: string): void {
    this.#files = this.#files.filter((open) => open.name !== name);
    this.#known.clear();
  }

  files(): SymbolFile[] {
    this.#locate();
    return this.#files.map((file) => {
      const { name, table, relocation } = file;
      return { name, symbols: table.size, relocation, match: this.#match(file) };
    });
  }

  /** The symbol at an address or the nearest before it. */
  lookup(address: bigint): SymbolAt | undefined {
    const known = this.#known.get(address);
    if (known !== undefined) return known === "none" ? undefined : known;
    const found = this.#find(address);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(address, found ?? "none");
    return found;
  }

  #find(address: bigint): SymbolAt | undefined {
    let nearest: SymbolAt | undefined;
    for (const { table, relocation } of this.#files) {
      const found = table.lookup(BigInt.asUintN(64, address - relocation));
      if (found === undefined) continue;
      const at = BigInt.asUintN(64, found.address + relocation);
      const offset = address - at;
      if (nearest === undefined || offset < nearest.offset) {
        nearest = { name: found.name, address: at, offset };
      }
    }
    return nearest;
  }

  /**
   * `name` or `name+0x10` of an address, or undefined. A place that a call returns to belongs to the
   * function of the call, which may be the last of its instructions.
   */
  text(address: bigint, isReturn = false): string | undefined {
    const found = this.lookup(isReturn ? address - 1n : address);
    if (found === undefined) return undefined;
    const offset = address - found.address;
    return offset === 0n ? found.name : `${found.name}+${hex(offset)}`;
  }

  /** `text` for an object that has an address. */
  placed(address: bigint, isReturn = false): Placed {
    const symbol = this.text(address, isReturn);
    return symbol === undefined ? {} : { symbol };
  }

  /** As `resolve`, of what a person asked for. @throws Error if it means none. */
  addressOf(text: string): bigint {
    const address = this.resolve(text);
    if (address === undefined) throw new Error(`“${text}” is neither a symbol nor a hex number.`);
    return address;
  }

  /** The address that a symbol, `symbol+offset` or a hexadecimal number means. */
  resolve(text: string): bigint | undefined {
    const [, name, offset] = /^\s*(.+?)(?:\+(0x[0-9a-f]{1,16}|\d{1,18}))?\s*$/i.exec(text) ?? [];
    if (name === undefined) return undefined;
    this.#locate();
    const base = this.address(name) ?? hexadecimal(name);
    return base === undefined ? undefined : BigInt.asUintN(64, base + BigInt(offset ?? 0));
  }

  address(name: string): bigint | undefined {
    for (const file of this.#files) {
      const address = file.table.address(name);
      if (address !== undefined) return BigInt.asUintN(64, address + file.relocation);
    }
    return undefined;
  }

  search(prefix: string): PlacedSymbol[] {
    const found: PlacedSymbol[] = [];
    for (const { table } of this.#files) {
      for (const name of table.withPrefix(prefix)) {
        if (found.length >= MAX_FOUND) return found;
        found.push({ name, address: this.address(name) ?? 0n });
      }
    }
    return found;
  }

  /** Takes note of where a Linux kernel has its trap vector: the sign of a relocation. */
  #locate(): void {
    this.#known.clear();
    const hart: HartPort | undefined = this.#machine.harts[0];
    if (hart === undefined) return;
    for (const file of this.#files) {
      const linked = file.table.address(TRAP_ENTRY);
      if (linked === undefined) continue;
      // The low bits of stvec are its mode. Before the kernel has set it up it is somewhere else.
      const moved = BigInt.asIntN(64, (csr(hart, "stvec") & ~3n) - linked);
      if (moved % RELOCATION_BYTES === 0n) file.relocation = moved;
    }
  }

  #match({ table, relocation }: OpenFile): SymbolFile["match"] {
    const banner = table.address(BANNER.symbol);
    const hart = this.#machine.harts[0];
    if (banner === undefined || hart === undefined) return "unknown";
    const memory = new VirtualMemory(this.#machine.memory, translationState(hart));
    const bytes = memory.read(banner + relocation, BANNER.start.length);
    if (bytes === undefined) return "unknown";
    return new TextDecoder("latin1").decode(bytes) === BANNER.start ? "same" : "different";
  }
}

/** With `0x` any number of digits, without it only what looks like an address. */
function hexadecimal(text: string): bigint | undefined {
  const [, prefixed, bare] = /^(?:0x([0-9a-f]{1,16})|([0-9a-f]{8,16}))$/i.exec(text) ?? [];
  const digits = prefixed ?? bare;
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}

/** Every part of the inspector sees the same. */
export const symbolsOf = onePerMachine(({ machine }) => new Symbols(machine));

export const symbolCalls = (subject: Subject) => {
  const symbols = symbolsOf(subject);
  return {
    symbolFiles: (): SymbolFile[] => symbols.files(),
    /** Takes the bytes of a System.map or an ELF file. */
    addSymbols: (name: string, file: Uint8Array): SymbolFile[] => {
      symbols.add(name, file);
      return symbols.files();
    },
    removeSymbols: (name: string): SymbolFile[] => {
      symbols.remove(name);
      return symbols.files();
    },
    /** Symbols whose names begin so, in alphabetical order. */
    findSymbols: (prefix: string): PlacedSymbol[] => symbols.search(prefix),
    /** The address that a symbol, `symbol+offset` or a hexadecimal number means. */
    resolveAddress: (text: string): bigint => symbols.addressOf(text),
  };
};
