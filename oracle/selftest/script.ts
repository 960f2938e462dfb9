/**
 * Writes a self-checking bare-metal program. Every check has a number and a name; a program that
 * fails tells the finisher the number, and one that passes powers the machine off.
 *
 * Reserved registers: s2 cause, s3 tval, s4 epc, s5 status and s6 mode of the last trap, s8 and s9
 * for the way back from a trap, s10 the value wanted by a check, s11 the number of the check.
 */
import { assemble, type Program } from "../asm.ts";
import type { Mode } from "../cases.ts";

export const RAM = 0x8000_0000;
export const RAM_SIZE = 16 << 20;
/** Page tables and test pages; nothing of the program is there. */
export const TABLES = 0x8040_0000;
export const PAGES = 0x8050_0000;

/** mstatus fields. */
export const Status = {
  SIE: 1 << 1,
  MIE: 1 << 3,
  SPIE: 1 << 5,
  MPIE: 1 << 7,
  SPP: 1 << 8,
  MPP: 3 << 11,
  FS: 3 << 13,
  MPRV: 1 << 17,
  SUM: 1 << 18,
  MXR: 1 << 19,
  TVM: 1 << 20,
  TW: 1 << 21,
  TSR: 1 << 22,
} as const;

export const Cause = {
  fetchAccess: 1,
  illegal: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccess: 5,
  storeMisaligned: 6,
  storeAccess: 7,
  ecallU: 8,
  ecallS: 9,
  ecallM: 11,
  fetchPage: 12,
  loadPage: 13,
  storePage: 15,
} as const;

export const MODE_NUMBER = { U: 0, S: 1, M: 3 } as const;
const ECALL = { U: Cause.ecallU, S: Cause.ecallS, M: Cause.ecallM } as const;
const CLEAN_RETURN = 0x600d;

const BEGIN = `
  csrr t0, mhartid
  bnez t0, park
  la t0, trap_m
  csrw mtvec, t0
  la t0, trap_s
  csrw stvec, t0
  csrw medeleg, zero
  csrw mideleg, zero
  csrw mie, zero
  csrw satp, zero
  li t0, -1              # all memory for all modes, in the last of the four entries used here
  csrw pmpaddr3, t0
  li t0, 0x1f000000
  csrw pmpcfg0, t0
  li t0, ${Status.FS}
  csrw mstatus, t0
  li s8, 0
  j main
park:
  wfi
  j park
.align 64
trap_m:
  li s10, ${CLEAN_RETURN}
  beq s8, s10, trap_return
  csrr s2, mcause
  csrr s3, mtval
  csrr s4, mepc
  csrr s5, mstatus
  li s6, 3
  jr s9
trap_return:
  li s8, 0
  jr s9
.align 64
trap_s:
  csrr s2, scause
  csrr s3, stval
  csrr s4, sepc
  csrr s5, sstatus
  li s6, 1
  li s8, ${CLEAN_RETURN} # what was recorded stays; the ECALL only leads back to M-mode
  ecall
pass:
  li t0, 0x100000
  li t1, 0x5555
  sw t1, 0(t0)
  j pass
fail:
  li t0, ${Status.MPRV}
  csrc mstatus, t0
  li t0, 0x100000
  slli s11, s11, 16
  li t1, 0x3333
  or t1, t1, s11
  sw t1, 0(t0)
  j fail
.align 64
main:
`;

/** What an attempt must lead to; without a cause, nothing but the ECALL at its end. */
export interface Expected {
  readonly cause?: number;
  /** A label, a number, or undefined for zero. */
  readonly tval?: string | number | bigint;
  /** A label; by default the place marked with `@:` in the body. */
  readonly epc?: string;
  /** The mode whose handler takes the trap. */
  readonly handler?: "M" | "S";
}

export interface Selftest {
  readonly name: string;
  /** Why QEMU 7.2 cannot run it, or undefined if it can. */
  readonly notOnQemu: string | undefined;
  /** It uses extensions that QEMU 7.2 has not, or not in full. */
  readonly needsNewerQemu?: boolean;
  readonly program: Program;
  /** Names of the checks by number, from 1. */
  readonly checks: readonly string[];
}

export class Script {
  readonly #name: string;
  readonly #lines: string[] = [];
  readonly #checks: string[] = [];
  #labels = 0;
  /** Added to the address of code in U-mode, which needs pages of its own once pages are on. */
  userOffset = 0;

  constructor(name: string) {
    this.#name = name;
  }

  emit(...text: string[]): void {
    this.#lines.push(...text);
  }

  /** A label that no other part of the program has. */
  label(stem: string): string {
    return `${stem}_${++this.#labels}`;
  }

  /** Names the next check, whose number the program itself puts in s11. */
  name(what: string): void {
    this.#checks.push(what);
  }

  /** Starts a new check; it fails where the program goes to `fail`. */
  check(what: string): void {
    this.name(what);
    this.emit(`li s11, ${this.#checks.length}`);
  }

  /** The register must hold the number, or the address of the label. */
  equal(register: string, value: string | number | bigint, what: string): void {
    const wanted =
      typeof value === "string" ? value : `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
    this.check(`${what}: ${register} is ${wanted}`);
    const good = this.label("good");
    this.emit(typeof value === "string" ? `la s10, ${value}` : `li s10, ${value}`);
    this.emit(`beq ${register}, s10, ${good}`, "j fail", `${good}:`);
  }

  /** Runs `body` with MIE clear and comes back to M-mode; `@:` marks the instruction that traps. */
  attempt(mode: Mode, body: string, expected: Expected, what: string): void {
    this.run(mode, body, expected.epc === undefined);
    const at = `at_${this.#labels}`;
    const { cause, tval = 0, epc = at, handler = "M" } = expected;
    const note = `${what} (${mode})`;
    this.equal("s2", cause ?? ECALL[mode], `${note}: cause`);
    if (cause === undefined) return;
    this.equal("s6", MODE_NUMBER[handler], `${note}: handler`);
    this.addressEqual("s3", tval, mode, `${note}: tval`);
    this.addressEqual("s4", epc, mode, `${note}: epc`);
  }

  #userAddress(mode: Mode): number {
    return mode === "U" ? this.userOffset : 0;
  }

  addressEqual(register: string, value: string | number | bigint, mode: Mode, what: string): void {
    if (typeof value !== "string" || this.#userAddress(mode) === 0) {
      this.equal(register, value, what);
      return;
    }
    this.emit(`li s10, ${this.#userAddress(mode)}`, `sub ${register}, ${register}, s10`);
    this.equal(register, value, what);
  }

  /** Like `attempt`, but what came of it is in s2 to s6 for the caller to check. */
  run(mode: Mode, body: string, marked = true): void {
    const n = ++this.#labels;
    const marker = body.includes("@:") || !marked ? "" : `at_${n}:`;
    this.emit(
      `la s9, after_${n}`,
      "li s2, -1\n li s3, -1\n li s4, -1\n li s6, -1",
      `la t0, body_${n}`,
      `li t1, ${this.#userAddress(mode)}`,
      "add t0, t0, t1\n csrw mepc, t0",
      `li t0, ${Status.MPP | Status.MPIE}\n csrc mstatus, t0`,
      `li t0, ${MODE_NUMBER[mode] << 11}\n csrs mstatus, t0`,
      "mret",
      `body_${n}: ${marker}`,
      body.replaceAll("@:", `at_${n}:`),
      "ecall",
      `after_${n}:`,
      `li t0, ${Status.MPRV}\n csrc mstatus, t0`,
    );
  }

  done(notOnQemu?: string): Selftest {
    const source = [BEGIN, ...this.#lines, "j pass"].join("\n");
    const program = assemble(source, BigInt(RAM));
    if (program.bytes.length > TABLES - RAM) throw new Error("the program is too long");
    return { name: this.#name, notOnQemu, program, checks: this.#checks };
  }
}
