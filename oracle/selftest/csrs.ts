/** Fields that keep legal values only (WARL), and what every CSR instruction counts as a write. */
import { encode } from "../../src/isa/assembler.ts";
import { Cause, Script, type Selftest, Status } from "./script.ts";

/** Writes a value and compares some bits of what is read back. */
function written(s: Script, csr: string, value: bigint, mask: bigint, wanted: bigint): void {
  s.emit(`li t0, ${value}\n csrw ${csr}, t0\n csrr a0, ${csr}\n li t0, ${mask}\n and a0, a0, t0`);
  s.equal("a0", wanted, `${csr} after writing 0x${BigInt.asUintN(64, value).toString(16)}`);
}

const HIGH = 1n << 63n;

function legal(s: Script): void {
  written(s, "satp", 0n, -1n, 0n);
  // A write with a mode that is not there changes nothing at all (10.1.11).
  for (const mode of [1n, 2n, 7n, 11n, 15n]) written(s, "satp", (mode << 60n) | 5n, -1n, 0n);
  written(s, "satp", (8n << 60n) | 5n, (15n << 60n) | ((1n << 44n) - 1n), (8n << 60n) | 5n);
  written(s, "satp", 0n, -1n, 0n);
  written(s, "mideleg", 0n, -1n, 0n);
  written(s, "mie", -1n, 0xaaan, 0xaaan);
  written(s, "mie", 0n, -1n, 0n);
  written(s, "mcause", HIGH | 5n, -1n, HIGH | 5n);
  written(s, "mstatus", BigInt(Status.MPP | Status.FS), BigInt(Status.MPP), BigInt(Status.MPP));
  written(s, "mstatus", BigInt(Status.FS), BigInt(Status.MPP), 0n);
}

function bits(s: Script): void {
  for (const csr of ["mepc", "sepc"]) {
    written(s, csr, -1n, 3n, 2n);
    written(s, csr, 0x8000_0001n, -1n, 0x8000_0000n);
  }
  for (const csr of ["mtvec", "stvec"]) {
    for (const mode of [2n, 3n]) {
      s.emit(`csrr s0, ${csr}\n li t0, ${0x8000_0000n | mode}\n csrw ${csr}, t0\n csrr a0, ${csr}`);
      s.emit(`csrw ${csr}, s0\n andi a0, a0, 2`);
      s.equal("a0", 0, `${csr} after mode ${mode}`);
    }
  }
  for (const start of [0, Status.MPP]) {
    s.emit(`li t0, ${Status.FS | start}\n csrw mstatus, t0\n li t0, ${Status.FS | (2 << 11)}`);
    s.emit(`csrw mstatus, t0\n csrr a0, mstatus\n li t0, ${Status.MPP}\n and a0, a0, t0`);
    s.check(`mstatus.MPP after 2, from ${start >> 11}`);
    const good = s.label("good");
    s.emit(`li t0, ${2 << 11}\n bne a0, t0, ${good}\n j fail\n ${good}:`);
  }
  written(s, "mstatus", BigInt(Status.FS | (3 << 9)), 3n << 9n, 0n);
  written(s, "medeleg", -1n, 1n << 11n, 0n);
  written(s, "medeleg", 0n, -1n, 0n);
  written(s, "pmpaddr0", -1n, -1n, (1n << 54n) - 1n);
  written(s, "pmpaddr0", 0n, -1n, 0n);
}

/** A set or clear by a register other than x0 is a write, whatever the register holds (7.1). */
function readOnly(s: Script): void {
  for (const name of ["csrrs", "csrrc"]) {
    const word = encode(name, { rd: 10, rs1: 5, csr: 0xf14 });
    const illegal = { cause: Cause.illegal, tval: word };
    s.attempt("M", `li t0, 0\n @: .word ${word}`, illegal, `${name} of mhartid by a zero`);
    const none = encode(name, { rd: 10, rs1: 0, csr: 0xf14 });
    s.attempt("M", `.word ${none}`, {}, `${name} of mhartid by x0`);
    const immediate = encode(`${name}i`, { rd: 10, zimm: 0, csr: 0xf14 });
    s.attempt("M", `.word ${immediate}`, {}, `${name}i of mhartid by 0`);
  }
}

/** How programs ask for debug triggers: the only place that can be selected has none. */
function triggers(s: Script): void {
  s.emit("li t0, 1\n csrw tselect, t0\n csrr a0, tselect");
  s.equal("a0", 0, "tselect");
  s.emit("li t0, -1\n csrw tdata1, t0\n csrr a0, tdata1");
  s.equal("a0", 0, "tdata1");
  s.emit("csrr a0, tinfo");
  s.equal("a0", 1, "tinfo");
}

export function csrTests(): Selftest[] {
  const s = new Script("CSR fields");
  legal(s);
  const own = new Script("CSR fields that QEMU keeps");
  bits(own);
  const writes = new Script("writes to read-only CSRs");
  readOnly(writes);
  const debug = new Script("no debug triggers");
  triggers(debug);
  return [
    s.done(),
    debug.done("it has triggers"),
    own.done("it keeps bit 0 of an epc, MPP = 2, VS, medeleg[11] and all bits of pmpaddr"),
    writes.done("it lets a set of no bits pass"),
  ];
}
