/** Where a call comes back to, for stepping over it and out of it. */
import type { HartPort } from "../cpu/hart-port.ts";
import { type Decoded, decode, instructionLength, newDecoded } from "../isa/decoder.ts";
import type { VirtualMemory } from "./virtual-memory.ts";

const [RA, SP, T0] = [1, 2, 5];

/**
 * Instructions that are looked through for the end of a function: a longer one is left where `ra` says,
 * which holds for what calls nothing.
 */
const MAX_LOOKED_THROUGH = 4000;

/** The instruction at an address; undefined if there is no memory, or no such instruction. */
export function instructionAt(memory: VirtualMemory, address: bigint): Decoded | undefined {
  const bytes = memory.readUpTo(address, 4);
  if (bytes.length < 2) return undefined;
  const low = bytes[0] | (bytes[1] << 8);
  const isLong = instructionLength(low) === 4;
  if (isLong && bytes.length < 4) return undefined;
  const decoded = newDecoded();
  decode(isLong ? (low | (bytes[2] << 16) | (bytes[3] << 24)) >>> 0 : low, decoded);
  return decoded.row === undefined ? undefined : decoded;
}

/** Whether an instruction comes back behind itself after it went elsewhere. */
export function isCall({ row, rd }: Decoded): boolean {
  if (row?.name === "ecall") return true;
  return (row?.name === "jal" || row?.name === "jalr") && (rd === RA || rd === T0);
}

/**
 * Where the function at the hart's pc returns to, by what its code does with `ra` from there on: if it
 * is stored it still has the address, if it is loaded that is on the stack.
 */
export function returnAddress(memory: VirtualMemory, hart: HartPort): bigint {
  const ra = hart.getX(RA);
  let sp = hart.getX(SP);
  let at = hart.pc();
  for (let k = 0; k < MAX_LOOKED_THROUGH; k++) {
    const instruction = instructionAt(memory, at);
    if (instruction === undefined) return ra;
    const { row, rd, rs1, rs2, imm, length } = instruction;
    const name = row?.name;
    if (name === "sd" && rs2 === RA && rs1 === SP) return ra;
    if (name === "jalr" && rd === 0 && rs1 === RA) return ra;
    if (name === "ld" && rd === RA && rs1 === SP) {
      return memory.readU64(sp + BigInt(imm)) ?? ra;
    }
    if (name === "addi" && rd === SP && rs1 === SP) sp += BigInt(imm);
    at += BigInt(length);
  }
  return ra;
}
