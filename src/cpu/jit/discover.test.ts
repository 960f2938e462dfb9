import { describe, expect, test } from "vitest";
import { encode } from "../../isa/assembler.ts";
import { type CodeSource, discover, MAX_INSTRUCTIONS, MAX_PAGES } from "./discover.ts";

const PAGE = 4096;
/** Page n of the code is at this place; the first one is not at 0, which means "unknown". */
const hostOf = (page: number): number => (page + 1) * PAGE;

function codeOf(words: readonly number[], pages: number): DataView {
  const code = new DataView(new ArrayBuffer((pages + 1) * PAGE));
  for (const [k, word] of words.entries()) code.setUint32(PAGE + k * 4, word, true);
  return code;
}

const NOP = encode("addi");

const source = (memory: DataView, findPage = hostOf): CodeSource => ({
  memory,
  findPage,
  isWanted: () => true,
  jumpTargets: () => [],
});

describe("discovery of a region", () => {
  test("follows branches, and a call to where it returns", () => {
    const words = [
      encode("beq", { rs1: 5, rs2: 6, imm: 12 }),
      encode("jal", { rd: 1, imm: 64 }),
      encode("jal", { imm: -8 }),
      NOP,
      encode("csrrs", { rd: 5, csr: 0x300 }),
    ];
    const region = discover(source(codeOf(words, 1)), 0);
    expect(region.blocks.map(({ at, end }) => [at, end.kind])).toEqual([
      [0, "branch"],
      [4, "call"],
      [8, "jump"],
      [12, "next"],
    ]);
    expect(region.entries.map((block) => region.blocks[block].at)).toEqual([0, 8]);
    expect(region.pages).toEqual([0]);
  });

  test("ends at its cap of instructions", () => {
    const words = Array.from({ length: MAX_INSTRUCTIONS + 100 }, () => NOP);
    const { blocks } = discover(source(codeOf(words, 2)), 0);
    expect(blocks.flatMap(({ instructions }) => instructions)).toHaveLength(MAX_INSTRUCTIONS);
  });

  test("looks at no more than its cap of pages", () => {
    const asked: number[] = [];
    const jump = encode("jal", { imm: PAGE });
    const code = new DataView(new ArrayBuffer((MAX_PAGES + 10) * PAGE));
    for (let page = 0; page < MAX_PAGES + 2; page++) code.setUint32(hostOf(page), jump, true);
    const find = (page: number) => {
      asked.push(page);
      return hostOf(page);
    };
    const region = discover(source(code, find), 0);
    expect(asked).toHaveLength(MAX_PAGES);
    expect(region.pages).toHaveLength(MAX_PAGES);
  });

  test("leaves out what was never executed", () => {
    const words = [encode("beq", { rs1: 5, rs2: 6, imm: 12 }), NOP, encode("ebreak"), NOP, NOP];
    const { blocks } = discover(
      { ...source(codeOf(words, 1)), isWanted: (_distance, offset) => offset < 12 },
      0,
    );
    expect(blocks.map(({ at, end }) => [at, end.kind])).toEqual([
      [0, "branch"],
      [4, "next"],
    ]);
  });
});
