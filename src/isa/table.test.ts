import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encode } from "./assembler.ts";
import { decode, newDecoded } from "./decoder.ts";
import { disassemble } from "./disassembler.ts";
import { extractField, type Field, insertField } from "./pattern.ts";
import { COMPRESSED_ROWS, expansionOf, ROWS } from "./table.ts";

const values = (field: Field, random: number): number => {
  const raw = field.slices.reduce(
    (bits, { from, width }) => bits | ((random & (2 ** width - 1)) << from),
    0,
  );
  return extractField(field, raw);
};

describe("instruction table", () => {
  test("names are unique and no two rows claim one encoding", () => {
    const all = [...ROWS, ...COMPRESSED_ROWS];
    expect(new Set(all.map((row) => row.name)).size).toBe(all.length);
    for (const a of ROWS) {
      for (const b of ROWS) {
        const common = a.pattern.mask & b.pattern.mask;
        if (a !== b) expect(((a.pattern.match ^ b.pattern.match) & common) >>> 0).not.toBe(0);
      }
    }
  });

  test("every row survives encode, decode and disassemble", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ROWS), fc.integer(), (row, random) => {
        const operands: Record<string, number> = {};
        for (const field of row.pattern.fields) {
          operands[field.name] = field.name === "rm" ? 7 : values(field, random);
        }
        const decoded = newDecoded();
        const bits = encode(row.name, operands);
        decode(bits, decoded);
        expect(decoded.row).toBe(row);
        expect(disassemble(bits).split(" ")[0]).toBe(row.name);
        for (const [name, value] of Object.entries(operands)) {
          if (name === "rd" || name === "fd") expect(decoded.rd).toBe(value);
          if (name === "imm" || name === "shamt" || name === "csr") expect(decoded.imm).toBe(value);
          if (name === "fs3") expect(decoded.rs3).toBe(value);
        }
      }),
      { numRuns: 5000 },
    );
  });

  test("every compressed row decodes to its expansion", () => {
    fc.assert(
      fc.property(fc.constantFrom(...COMPRESSED_ROWS), fc.integer(), (row, random) => {
        const operands: Record<string, number> = {};
        for (const field of row.pattern.fields) {
          const value = values(field, random);
          if (Number.isNaN(value)) return;
          operands[field.name] = value;
        }
        const decoded = newDecoded();
        decode(encode(row.name, operands), decoded);
        // c.addi16sp and c.lui share a row of the map; rd tells which.
        expect(decoded.compressed?.name).toBe(row.name);
        expect(decoded.row).toBe(expansionOf(row).base);
        expect(decoded.length).toBe(2);
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    [0x00000000, ".2byte 0x0"],
    [0x00a50533, "add a0, a0, a0"],
    [0xff010113, "addi sp, sp, -16"],
    [0x0005b503, "ld a0, 0(a1)"],
    [0xfea43c23, "sd a0, -8(s0)"],
    [0x02a58563, "beq a1, a0, 0x102a"],
    [0x800000b7, "lui ra, 0x80000"],
    [0x30529073, "csrrw zero, 0x305, t0"],
    [0x10500073, "wfi"],
    [0x02a5f553, "fadd.d fa0, fa1, fa0"],
    [0xc2051553, "fcvt.w.d a0, fa0, rtz"],
    [0x1141, "addi sp, sp, -16"],
    [0x8082, "jalr zero, 0(ra)"],
    [0x6105, "addi sp, sp, 32"],
    [0x4501, "addi a0, zero, 0"],
    [0x9002, "ebreak"],
    [0xffffffff, ".4byte 0xffffffff"],
    [0x00005053 | (5 << 12), ".4byte 0x5053"],
  ])("%s disassembles", (bits, text) => {
    expect(disassemble(bits, 0x1000n)).toBe(text);
  });

  test("reserved compressed encodings are illegal", () => {
    const decoded = newDecoded();
    // c.addi4spn 0, c.lwsp x0, c.ldsp x0, c.jr x0, c.addiw x0, c.lui x1 0, the reserved 100 00.
    for (const bits of [0x0000, 0x4002, 0x6002, 0x8002, 0x2001, 0x6081, 0x8000, 0x9c41]) {
      decode(bits, decoded);
      expect([bits, decoded.row]).toEqual([bits, undefined]);
    }
  });

  test("a value that does not fit is refused", () => {
    const imm = ROWS.find((row) => row.name === "addi")?.pattern.fields[0] as Field;
    expect(() => insertField(imm, 2048)).toThrow(RangeError);
    expect(() => encode("beq", { imm: 1 })).toThrow(RangeError);
    expect(() => encode("addi", { shamt: 1 })).toThrow("no field");
  });
});
