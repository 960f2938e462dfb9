/** A region as plain data, to be sent to another thread: rows have functions, encodings do not. */
import { type Block, instructionOf, type Region } from "./discover.ts";

type PackedBlock = Omit<Block, "instructions"> & {
  /** Of each instruction its place and its encoding. */
  readonly code: readonly number[];
};

export type PackedRegion = Omit<Region, "blocks"> & { readonly blocks: readonly PackedBlock[] };

export function packRegion(region: Region): PackedRegion {
  const blocks = region.blocks.map(({ at, instructions, end }) => ({
    at,
    end,
    code: instructions.flatMap((instruction) => [instruction.at, instruction.bits]),
  }));
  return { ...region, blocks };
}

/** @throws Error if an encoding is none. */
export function unpackRegion(packed: PackedRegion): Region {
  const blocks = packed.blocks.map(({ at, end, code }) => {
    const instructions = Array.from({ length: code.length / 2 }, (_, k) => {
      const instruction = instructionOf(code[2 * k + 1], code[2 * k]);
      if (instruction === undefined) throw new Error("no such instruction");
      return instruction;
    });
    return { at, end, instructions };
  });
  return { ...packed, blocks };
}
