/** A hart's registers by the names that assembly, gdb and people use. */
import { csrNames } from "../cpu/csrs.ts";
import type { HartPort, PrivilegeMode } from "../cpu/hart-port.ts";

/** The calling convention's names of x0 to x31 and of f0 to f31 (psABI, register convention). */
export const X_NAMES: readonly string[] = [
  ...["zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"],
  ...["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"],
  ...["s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"],
  ...["t3", "t4", "t5", "t6"],
];
export const F_NAMES: readonly string[] = [
  ...["ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1"],
  ...["fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7"],
  ...["fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11"],
  ...["ft8", "ft9", "ft10", "ft11"],
];
const FRAME_POINTER = 8;

/** The CSRs that there are, lowest number first. */
export const CSRS: readonly { readonly number: number; readonly name: string }[] = csrNames().sort(
  (a, b) => a.number - b.number,
);

/** `priv` is the mode, by the number that `mstatus.MPP` has for it: it can only be read. */
export type Register =
  | { readonly kind: "x" | "f" | "csr"; readonly index: number }
  | { readonly kind: "pc" | "priv" };

const PRIVILEGE: Readonly<Record<PrivilegeMode, bigint>> = { U: 0n, S: 1n, M: 3n };

const BY_NAME = new Map<string, Register>([
  ["pc", { kind: "pc" }],
  ["priv", { kind: "priv" }],
  ...CSRS.map(({ name, number }): [string, Register] => [name, { kind: "csr", index: number }]),
  ...names("x", X_NAMES),
  ...names("f", F_NAMES),
  ["fp", { kind: "x", index: FRAME_POINTER }],
]);

function names(kind: "x" | "f", abi: readonly string[]): [string, Register][] {
  return abi.flatMap((name, index): [string, Register][] => [
    [`${kind}${index}`, { kind, index }],
    [name, { kind, index }],
  ]);
}

export const registerNamed = (name: string): Register | undefined => BY_NAME.get(name);

/** Undefined if there is none; an access to it has no effect. */
export function readRegister(hart: HartPort, register: Register): bigint | undefined {
  switch (register.kind) {
    case "x":
      return hart.getX(register.index);
    case "f":
      return hart.debug?.getF(register.index);
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
      debug.setF(register.index, value);
      return true;
    case "csr":
      return debug.pokeCsr(register.index, value);
    case "pc":
      // Instructions are at even addresses.
      debug.setPc(value & ~1n);
      return true;
    case "priv":
      return false;
  }
}
