import { expect, test } from "vitest";
import { type Block, type Instruction, instructionOf, type Region } from "./discover.ts";
import { planConversions } from "./if-conversion.ts";

const ADDI = 0x0010_0093; // addi x1, x0, 1
const ADDI_TO_ZERO = 0x0010_0013; // addi x0, x0, 1
const LW = 0x0000_2083; // lw x1, 0(x0)
const BEQ = 0x0000_0463; // beq x0, x0, 8

function of(bits: number): Instruction {
  const instruction = instructionOf(bits, 0);
  if (instruction === undefined) throw new Error("no such instruction");
  return instruction;
}

/** A branch over `skipped`, all of which goes on at the last block. */
function converts(skipped: readonly number[], entries: readonly number[] = [0]): boolean {
  const to = (block: number) => ({ at: block * 8, block });
  const blocks: Block[] = [
    { at: 0, instructions: [of(BEQ)], end: { kind: "branch", target: to(2), next: to(1) } },
    { at: 8, instructions: skipped.map(of), end: { kind: "next", next: to(2) } },
    { at: 16, instructions: [], end: { kind: "next", next: { at: 16, block: undefined } } },
  ];
  const region: Region = { blocks, entries, pages: [0], isFull: false };
  return planConversions(region, [[2, 1], [2], []]).get(0) === 1;
}

test("up to three computing instructions are executed always", () => {
  expect(converts([ADDI])).toBe(true);
  expect(converts([ADDI, ADDI, ADDI])).toBe(true);
  expect(converts([ADDI, ADDI, ADDI, ADDI])).toBe(false);
});

test("what may fault, has no result or has other ways in keeps its branch", () => {
  expect(converts([LW])).toBe(false);
  expect(converts([ADDI_TO_ZERO])).toBe(false);
  expect(converts([ADDI], [0, 1])).toBe(false);
});
