/**
 * What is not compared with QEMU 7.2 as it is, and why. Everything else is.
 *
 * Beside the tables below, the generators leave these inputs out:
 * - mstatus.MPP = 2, modes 2 and 3 of mtvec and stvec, causes above 7: reserved values, of which
 *   WARL and WLRL fields may keep what they like.
 * - Bit 0 of mepc and sepc, which is always zero (Privileged Architecture 3.1.14), but not in QEMU.
 * - mstatus.VS, which QEMU keeps without V, and bits above 53 of pmpaddr, which it keeps too.
 * - A set or clear of a read-only CSR by a register that is not x0 but holds 0: that is a write
 *   (Unprivileged ISA 7.1), which QEMU lets pass.
 * - A misaligned SC: QEMU does not look at the address of an SC that fails anyway.
 * - An SC after a store, or to other bytes than the LR's near by: both outcomes are legal.
 * - Jumps of an instruction to itself, which have no end.
 * What the specification says about these is in the self-tests.
 */
import { decode, newDecoded } from "../src/isa/decoder.ts";
import { CODE, Word } from "./layout.ts";

const ALL = (1n << 64n) - 1n;

/** CSR numbers from `first` to `last` that one of the two machines has and the other has not. */
interface CsrExclusion {
  readonly first: number;
  readonly last: number;
  readonly reason: string;
}

const CSRS: readonly CsrExclusion[] = [
  { first: 0x24d, last: 0x24d, reason: "vstimecmp, which QEMU has even without the hypervisor" },
];

export function differsByDesign(csr: number): boolean {
  return CSRS.some(({ first, last }) => csr >= first && csr <= last);
}

/** Where QEMU's answer is wrong or one of several legal ones, this makes it the expected one. */
interface Correction {
  readonly reason: string;
  /** Group names. */
  readonly groups: RegExp;
  apply(result: BigUint64Array, input: BigUint64Array): void;
}

const CORRECTIONS: readonly Correction[] = [
  {
    reason:
      "An AMO that faults raises the store/AMO fault even though it also loads (Unprivileged ISA " +
      "14.4); QEMU reports the fault of its load.",
    groups: /^amo/,
    apply(result) {
      if (result[Word.mcause] === 5n) result[Word.mcause] = 7n;
    },
  },
  {
    reason:
      "The trap value of a breakpoint is zero or the address of the EBREAK (Privileged " +
      "Architecture 3.1.16); QEMU has the one and the hart the other.",
    groups: /./,
    apply(result) {
      if (result[Word.mcause] === 3n) result[Word.mtval] = result[Word.mepc];
    },
  },
  {
    reason:
      "A misaligned load that faults has the address of its first byte as the trap value; QEMU " +
      "makes two aligned loads of it and reports the first one's address, which is too low.",
    groups: /^(c\.)?f?l[bhwd]/,
    apply(result, input) {
      if (result[Word.mcause] === 5n) result[Word.mtval] = loadAddress(result, input);
    },
  },
  {
    reason:
      "The trap value of a CBO instruction that faults is the value of rs1 (Unprivileged ISA " +
      "19.2.5); QEMU reports the start of the block.",
    groups: /^cbo/,
    apply(result, input) {
      if (result[Word.mcause] === 7n) result[Word.mtval] = loadAddress(result, input);
    },
  },
  {
    reason:
      "The trap value of an illegal instruction is its bits, or zero for all of them (Privileged " +
      "Architecture 3.1.16); QEMU has zero for SINVAL.VMA alone.",
    groups: /^sinval/,
    apply(result, input) {
      if (result[Word.mcause] === 2n) result[Word.mtval] = BigInt(bitsAt(result, input));
    },
  },
];

/** The word at mepc, within the case's code. */
function bitsAt(result: BigUint64Array, input: BigUint64Array): number {
  const view = new DataView(input.buffer, input.byteOffset);
  return view.getUint32(8 * Word.code + Number(result[Word.mepc]) - CODE, true);
}

/** What the load or CBO instruction at mepc accesses, if nothing before it has changed its base register. */
function loadAddress(result: BigUint64Array, input: BigUint64Array): bigint {
  const d = newDecoded();
  decode(bitsAt(result, input), d);
  const base = d.rs1 === 0 ? 0n : input[Word.x + d.rs1];
  return BigInt.asUintN(64, base + BigInt(d.imm));
}

/** Corrects a result of QEMU in place. */
export function correct(group: string, input: BigUint64Array, result: BigUint64Array): void {
  for (const { groups, apply } of CORRECTIONS) if (groups.test(group)) apply(result, input);
}

/** Bits of a word of the record that are not compared in some groups. */
interface Ignored {
  readonly reason: string;
  readonly groups: RegExp;
  readonly word: number;
  readonly bits: bigint;
}

const IGNORED: readonly Ignored[] = [
  {
    reason:
      "FS may become dirty more often than is necessary (Privileged Architecture 3.1.6.6). After " +
      "an operation that can only change fflags, the hart always sets it and QEMU never does.",
    groups: /^(f(eq|lt|le|class)\.|fcvt\.[wl]u?\.|sequences$)/,
    word: Word.mstatus,
    bits: (1n << 63n) | (3n << 13n),
  },
];

/** The bits of a word that must agree. */
export function comparedBits(group: string, word: number): bigint {
  let bits = ALL;
  for (const ignored of IGNORED) {
    if (ignored.word === word && ignored.groups.test(group)) bits &= ~ignored.bits;
  }
  return bits;
}
