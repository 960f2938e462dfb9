/**
 * The registers as GDB numbers and describes them (GDB manual, G.5.13 "RISC-V Features"): x0 to x31,
 * pc, f0 to f31, CSRs from 65 on, and the mode behind these.
 */
import { fName, xName } from "../../isa/disassembler.ts";
import { type Register, registerNamed } from "../hart-registers.ts";
import { CSR_LIST } from "../hart-state.ts";

const PC = 32;
const FIRST_F = 33;
const FIRST_CSR = 65;
const CSR_NUMBERS = 4096;
const PRIV = FIRST_CSR + CSR_NUMBERS;

/** Those of a `g` packet: the integer registers and pc. A client asks for others one by one. */
export const GENERAL_REGISTERS: readonly Register[] = Array.from(
  { length: PC + 1 },
  (_, number) => registerOf(number) as Register,
);

/** The register with a number; undefined if there is none. */
export function registerOf(number: number): Register | undefined {
  if (number < 0) return undefined;
  if (number < PC) return { kind: "x", index: number };
  if (number === PC) return { kind: "pc" };
  if (number < FIRST_CSR) return { kind: "f", index: number - FIRST_F };
  if (number < PRIV) return { kind: "csr", index: number - FIRST_CSR };
  return number === PRIV ? registerNamed("priv") : undefined;
}

const register = (name: string, number: number, more = ""): string =>
  `<reg name="${name}" bitsize="64" regnum="${number}"${more}/>`;

const all = (count: number, of: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => of(index)).join("");

const feature = (name: string, content: string): string =>
  `<feature name="org.gnu.gdb.riscv.${name}">${content}</feature>`;

const POINTERS: Readonly<Record<string, string>> = {
  ra: "code_ptr",
  sp: "data_ptr",
  gp: "data_ptr",
  tp: "data_ptr",
};

/** The description that a client asks for as `target.xml`. */
export const TARGET_XML: string = [
  '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">',
  "<architecture>riscv:rv64</architecture>",
  feature(
    "cpu",
    all(PC, (k) => register(xName(k), k, ` type="${POINTERS[xName(k)] ?? "int"}"`)) +
      register("pc", PC, ' type="code_ptr"'),
  ),
  feature(
    "fpu",
    '<union id="riscv_double"><field name="float" type="ieee_single"/>' +
      '<field name="double" type="ieee_double"/></union>' +
      all(32, (k) => register(fName(k), FIRST_F + k, ' type="riscv_double" group="float"')),
  ),
  feature(
    "csr",
    CSR_LIST.map(({ name, number }) =>
      register(name, FIRST_CSR + number, ' type="int" group="csr" save-restore="no"'),
    ).join(""),
  ),
  feature("virtual", register("priv", PRIV, ' type="int" group="system" save-restore="no"')),
  "</target>",
].join("");
