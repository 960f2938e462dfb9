/** One file's symbols: parsed from a kernel's System.map or an ELF file, and looked up both ways. */
import { elfSymbols, isElf } from "../machine/elf.ts";

/** More than any System.map or symbol table of a kernel has; it bounds the memory of a bad file. */
const MAX_SYMBOLS = 500_000;

/** Linux has KSYM_NAME_LEN, 512. */
const MAX_NAME_BYTES = 512;

/** A System.map line's start is looked at in text of this size: a file of one endless line is none. */
const MAX_MAP_BYTES = 64 << 20;

/** What follows the last symbol, or a symbol without a size, belongs to it for this far. */
const MAX_OFFSET = 0x10_0000n;

/** Names of mapping and local labels, which say nothing of what is there. */
const NOISE = /^(\$|\.L|__pfx_|__UNIQUE_ID)/;

/** Names of where sections begin and end: another symbol of the same address says more. */
const MARKER = /^(_[se]?text|__(start|stop)_.*|.*_(start|end|begin))$/;

/** Types of System.map that are addresses of code or data. */
const PLACED = /^[bdgrstvw]$/i;

export interface PlacedSymbol {
  readonly name: string;
  readonly address: bigint;
}

export class SymbolTable {
  /** By address; of several at one address the first that is no mere marker. */
  readonly #addresses: BigUint64Array;
  readonly #names: readonly string[];
  readonly #byName: ReadonlyMap<string, bigint>;
  #sorted: readonly string[] | undefined;

  private constructor(symbols: readonly PlacedSymbol[]) {
    const byName = new Map<string, bigint>();
    for (const { name, address } of symbols) if (!byName.has(name)) byName.set(name, address);
    this.#byName = byName;
    const order = symbols
      .filter(({ name }) => !NOISE.test(name))
      .map((symbol) => ({ ...symbol, isMarker: MARKER.test(symbol.name) }))
      .sort((a, b) => compare(a.address, b.address) || compare(a.isMarker, b.isMarker));
    const distinct = order.filter(
      (symbol, k) => k === 0 || symbol.address !== order[k - 1].address,
    );
    this.#addresses = BigUint64Array.from(distinct, ({ address }) => address);
    this.#names = distinct.map(({ name }) => name);
  }

  /** @throws Error or LoadError for a file that has no symbols. */
  static parse(file: Uint8Array): SymbolTable {
    const symbols = isElf(file) ? fromElf(file) : fromMap(file);
    if (symbols.length === 0) {
      throw new Error(
        "There are no symbols in it: give a System.map, or an ELF file with symbols.",
      );
    }
    return new SymbolTable(symbols);
  }

  get size(): number {
    return this.#byName.size;
  }

  address(name: string): bigint | undefined {
    return this.#byName.get(name);
  }

  /** The symbol at an address or the nearest before it. */
  lookup(address: bigint): PlacedSymbol | undefined {
    const addresses = this.#addresses;
    let [low, high] = [0, addresses.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (addresses[middle] <= address) low = middle + 1;
      else high = middle;
    }
    if (low === 0 || address - addresses[low - 1] >= MAX_OFFSET) return undefined;
    return { name: this.#names[low - 1], address: addresses[low - 1] };
  }

  /** Names that begin so, in alphabetical order. */
  *withPrefix(prefix: string): Generator<string> {
    this.#sorted ??= [...this.#byName.keys()].sort();
    const sorted = this.#sorted;
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle] < prefix) low = middle + 1;
      else high = middle;
    }
    for (let k = low; sorted[k]?.startsWith(prefix); k++) yield sorted[k];
  }
}

function compare<T extends bigint | boolean>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function fromElf(file: Uint8Array): PlacedSymbol[] {
  const symbols: PlacedSymbol[] = [];
  for (const { name, address } of elfSymbols(file, MAX_NAME_BYTES)) {
    if (symbols.length >= MAX_SYMBOLS) break;
    symbols.push({ name, address });
  }
  return symbols;
}

/** Lines such as `ffffffff80001000 T _stext`; others are passed over. */
function fromMap(file: Uint8Array): PlacedSymbol[] {
  const text = new TextDecoder("latin1").decode(file.subarray(0, MAX_MAP_BYTES));
  const symbols: PlacedSymbol[] = [];
  const line = /^([0-9a-fA-F]{1,16}) (\w) (\S{1,512})(?:[ \t].*)?$/gm;
  for (let match = line.exec(text); match !== null; match = line.exec(text)) {
    if (symbols.length >= MAX_SYMBOLS) break;
    const [, address, type, name] = match;
    if (PLACED.test(type)) symbols.push({ name, address: BigInt(`0x${address}`) });
  }
  return symbols;
}
