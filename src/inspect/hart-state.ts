/** The hart's registers under their names, for everything that looks at what it executes. */
import { csrNames } from "../cpu/csrs.ts";
import type { HartPort } from "../cpu/hart-port.ts";
import type { TranslationState } from "./page-walk.ts";

const CSRS = csrNames();
const NUMBERS = new Map(CSRS.map(({ name, number }) => [name, number]));
const NAMES = new Map(CSRS.map(({ name, number }) => [number, name]));

/** All CSRs that there are, by number. */
export const CSR_LIST = [...CSRS].sort((a, b) => a.number - b.number);

export const csrName = (number: number): string | undefined => NAMES.get(number);

/** A CSR by name; 0 if there is none. */
export const csr = (hart: HartPort, name: string): bigint =>
  hart.peekCsr(NUMBERS.get(name) ?? -1) ?? 0n;

export const translationState = (hart: HartPort): TranslationState => ({
  mode: hart.mode(),
  satp: csr(hart, "satp"),
  mstatus: csr(hart, "mstatus"),
  menvcfg: csr(hart, "menvcfg"),
});
