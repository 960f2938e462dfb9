import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Machine } from "../machine/machine.ts";
import { elfFile } from "../machine/testing/elf-file.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { SymbolTable } from "./symbol-table.ts";
import { symbolsOf } from "./symbols.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const MAP = `ffffffff80000000 T _start
ffffffff80001000 T _text
ffffffff80001000 t initcall_blacklisted
ffffffff80001086 T do_one_initcall [module]
not a line
ffffffff80002000 a absolute
ffffffff80003000 d $d
ffffffff80003000 D some_data
`;
const clock = { nowMs: () => 0, wallClockMs: () => 0 };
const machine = () =>
  new Machine({ hart: new FakeHartModel(), clock, entropy: () => {}, ramBytes: 32 << 20 });
const opened = () => {
  const symbols = symbolsOf({ machine: machine(), clock });
  symbols.add("System.map", bytes(MAP));
  return symbols;
};

describe("symbols", () => {
  it("names an address by the nearest symbol before it", () => {
    const symbols = opened();
    expect(symbols.text(0xffff_ffff_8000_1000n)).toBe("initcall_blacklisted");
    expect(symbols.text(0xffff_ffff_8000_108an)).toBe("do_one_initcall+0x4");
    expect(symbols.text(0xffff_ffff_8000_1086n, true)).toBe("initcall_blacklisted+0x86");
    expect(symbols.text(0xffff_ffff_8000_3000n)).toBe("some_data");
    expect(symbols.text(0x1000n)).toBeUndefined();
    expect(symbols.text(0xffff_ffff_8100_0000n)).toBeUndefined();
  });

  it("resolves names, offsets and numbers", () => {
    const symbols = opened();
    expect(symbols.resolve("do_one_initcall")).toBe(0xffff_ffff_8000_1086n);
    expect(symbols.resolve(" _text+0x10 ")).toBe(0xffff_ffff_8000_1010n);
    expect(symbols.resolve("_text+16")).toBe(0xffff_ffff_8000_1010n);
    expect(symbols.resolve("0x80200000")).toBe(0x8020_0000n);
    expect(symbols.resolve("ffffffff80001000")).toBe(0xffff_ffff_8000_1000n);
    for (const text of ["", "nowhere", "0x", "0x11112222333344445", "+4", "absolute"]) {
      expect(symbols.resolve(text), text).toBeUndefined();
    }
  });

  it("finds names by their beginning", () => {
    const names = opened()
      .search("_")
      .map(({ name }) => name);
    expect(names).toEqual(["_start", "_text"]);
  });

  it("takes ELF files too, and forgets a file", () => {
    const symbols = opened();
    const file = elfFile({
      address: 0x8000_0000,
      data: new Uint8Array(16),
      size: 16,
      symbols: { main: 0x8000_0004, helper: 0x8000_0008 },
    });
    // The builder for tests says nothing of sections, where 0 would be undefined.
    const data = new DataView(file.buffer);
    for (const entry of [136, 160]) data.setUint16(entry + 6, 1, true);
    symbols.add("program", file);
    expect(symbols.text(0x8000_0009n)).toBe("helper+0x1");
    expect(symbols.files().map(({ name, symbols }) => [name, symbols])).toEqual([
      ["System.map", 6],
      ["program", 2],
    ]);
    symbols.remove("program");
    expect(symbols.text(0x8000_0009n)).toBeUndefined();
  });

  it("refuses what has no symbols, and survives any file", () => {
    expect(() => SymbolTable.parse(bytes("hello"))).toThrow("no symbols");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (file, isElf) => {
        if (isElf) file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1].slice(0, file.length));
        if (isElf && file.length > 20) new DataView(file.buffer).setUint16(18, 243, true);
        try {
          SymbolTable.parse(file).lookup(0n);
        } catch (error) {
          expect(String(error)).toMatch(/symbols|ELF/);
        }
      }),
    );
  });
});
