/** A hart's registers by the names that assembly, gdb and people use. */
import type { HartPort, PrivilegeMode } from "../cpu/hart-port.ts";
import { fName, xName } from "../isa/disassembler.ts";
import { CSR_LIST } from "./hart-state.ts";

const FRAME_POINTER = 8;

/** `priv` is the mode, by the number that `mstatus.MPP` has for it. */
export type Register =
  | { readonly kind: "x" | "f" | "csr"; readonly index: number }
  | { readonly kind: "pc" | "priv" };

const PRIVILEGE: Readonly<Record<PrivilegeMode, bigint>> = { U: 0n, S: 1n, M: 3n };

const MODES = Object.keys(PRIVILEGE) as PrivilegeMode[];

const BY_NAME = new Map<string, Register>([
  ["pc", { kind: "pc" }],
  ["priv", { kind: "priv" }],
  ...CSR_LIST.map(({ name, number }): [string, Register] => [name, { kind: "csr", index: number }]),
  ...names("x", xName),
  ...names("f", fName),
  ["fp", { kind: "x", index: FRAME_POINTER }],
]);

function names(kind: "x" | "f", abi: (index: number) => string): [string, Register][] {
  return Array.from({ length: 32 }, (_, index) => index).flatMap((index): [string, Register][] => [
    [`${kind}${index}`, { kind, index }],
    [abi(index), { kind, index }],
  ]);
}

export const registerNamed = (name: string): Register | undefined => BY_NAME.get(name);

/** Undefined if there is none; an access to it has no effect. */
export function readRegister(hart: HartPort, register: Register): bigint | undefined {
  switch (register.kind) {
    case "x":
      return hart.getX(register.index);
    case "f":
      return hart.getF(register.index);
    case "csr":
      return hart.peekCsr(register.index);
    case "pc":
      return hart.pc();
    case "priv":
      return PRIVILEGE[hart.mode()];
  }
}

/** False if it cannot be written. The hart must be held. */
export function writeRegister(hart: HartPort, register: Register, value: bigint): boolean {
  const { debug } = hart;
  if (debug === undefined) return false;
  switch (register.kind) {
    case "x":
      hart.setX(register.index, value);
      return register.index !== 0;
    case "f":
      hart.setF(register.index, value);
      return true;
    case "csr":
      return debug.pokeCsr(register.index, value);
    case "pc":
      // Instructions are at even addresses.
      debug.setPc(value & ~1n);
      return true;
    case "priv": {
      const mode = MODES.find((name) => PRIVILEGE[name] === value);
      if (mode !== undefined) debug.setMode(mode);
      return mode !== undefined;
    }
  }
}
