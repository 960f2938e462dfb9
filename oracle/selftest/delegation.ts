/** Delegation to S-mode, vectored handlers, and the two returns. */
import { encode } from "../../src/isa/assembler.ts";
import { Cause, MODE_NUMBER, Script, type Selftest, Status } from "./script.ts";

const LOWER = ["S", "U"] as const;

/** Each cause that software can raise without pages, raised below M-mode. */
const RAISE: readonly (readonly [cause: number, body: string, tval: number])[] = [
  [Cause.illegal, "@: .word 0xffffffff", 0xffff_ffff],
  [Cause.loadAccess, "li t0, 0x90000000\n @: ld t1, 0(t0)", 0x9000_0000],
  [Cause.storeAccess, "li t0, 0x90000000\n @: sd t1, 0(t0)", 0x9000_0000],
];

function exceptions(s: Script): void {
  for (const mode of LOWER) {
    for (const [cause, body, tval] of RAISE) {
      s.emit(`li t0, ${1 << cause}\n csrw medeleg, t0`);
      s.attempt(mode, body, { cause, tval, handler: "S" }, `cause ${cause}, delegated`);
      s.emit(`li t0, ${Status.SPP}\n and t0, s5, t0`);
      s.equal("t0", mode === "S" ? Status.SPP : 0, `cause ${cause}: SPP from ${mode}`);
      s.emit(`li t0, ${~(1 << cause) & 0xb3ff & ~(1 << Cause.ecallS)}\n csrw medeleg, t0`);
      s.attempt(mode, body, { cause, tval, handler: "M" }, `cause ${cause}, all others delegated`);
      s.emit(`li t0, ${Status.MPP}\n and t0, s5, t0`);
      s.equal("t0", MODE_NUMBER[mode] << 11, `cause ${cause}: MPP from ${mode}`);
    }
  }
  s.emit(`li t0, ${1 << Cause.ecallU}\n csrw medeleg, t0`);
  s.attempt("U", "@: ecall", { cause: Cause.ecallU, handler: "S" }, "ecall, delegated");
  s.emit(`li t0, ${0xb3ff & ~(1 << Cause.ecallS)}\n csrw medeleg, t0`);
  // A trap never goes to a less privileged mode than it came from.
  for (const [cause, body, tval] of RAISE) {
    s.attempt("M", body, { cause, tval, handler: "M" }, `cause ${cause} in M, delegated`);
  }
  s.emit("csrw medeleg, zero");
}

/** The interrupt enables stack on a trap and unstack on a return. */
function enables(s: Script): void {
  for (const mie of [0, 1]) {
    s.run("M", mie === 1 ? "csrsi mstatus, 8\n ecall" : "csrci mstatus, 8\n ecall");
    s.emit(`li t0, ${Status.MIE | Status.MPIE}\n and t0, s5, t0`);
    s.equal("t0", mie * Status.MPIE, `MIE and MPIE after a trap with MIE ${mie}`);
  }
  for (const sie of [0, 1]) {
    s.emit(`li t0, ${1 << Cause.illegal}\n csrw medeleg, t0`);
    const set = sie === 1 ? "csrsi sstatus, 2" : "csrci sstatus, 2";
    s.run("S", `${set}\n .word 0xffffffff`);
    s.emit(`li t0, ${Status.SIE | Status.SPIE | Status.SPP}\n and t0, s5, t0`);
    s.equal("t0", sie * Status.SPIE + Status.SPP, `SIE, SPIE and SPP after a trap, SIE ${sie}`);
    s.emit("csrci mstatus, 2\n csrw medeleg, zero");
  }
}

/** MRET to every mode: MPP goes to U, MPIE to 1, and MPRV (if `mprv`) is kept for M alone. */
function machineReturns(s: Script, mprv: boolean): void {
  const before = mprv ? Status.MPRV : 0;
  for (const mode of ["M", "S", "U"] as const) {
    for (const mpie of [0, Status.MPIE]) {
      const after = s.label("returned");
      s.emit(
        `la s9, ${after}\n la t0, ${after}_target\n csrw mepc, t0`,
        `li t0, ${Status.FS | before | mpie | (MODE_NUMBER[mode] << 11)}\n csrw mstatus, t0`,
        "mret",
        `${after}_target: ecall`,
        `${after}:`,
        `li t0, ${Status.MPRV}\n csrc mstatus, t0`,
        `li t0, ${Status.MPP | Status.MPIE | Status.MIE | Status.MPRV}\n and t0, s5, t0`,
      );
      const what = `mret${mprv ? " with MPRV" : ""} to ${mode} with MPIE ${mpie === 0 ? 0 : 1}`;
      s.equal("s2", { M: Cause.ecallM, S: Cause.ecallS, U: Cause.ecallU }[mode], what);
      // The trap that shows the mode has pushed MIE (which was MPIE) and the mode again.
      const kept = mode === "M" ? before : 0;
      s.equal("t0", (MODE_NUMBER[mode] << 11) | mpie | kept, `${what}: mstatus`);
      s.emit(`li t0, ${Status.FS}\n csrw mstatus, t0`);
    }
  }
  s.emit(`li t0, ${Status.FS | Status.MPP}\n csrw mstatus, t0`);
  s.emit("la t0, mret_read\n csrw mepc, t0\n mret\n mret_read: csrr t1, mstatus");
  s.emit(`li t0, ${Status.MPP | Status.MPIE}\n and t1, t1, t0`);
  s.equal("t1", Status.MPIE, "MPP and MPIE after mret");
}

function supervisorReturns(s: Script): void {
  for (const from of ["M", "S"] as const) {
    for (const spp of [0, Status.SPP]) {
      const to = spp === 0 ? "U" : "S";
      const target = s.label("sret_to");
      const enter = `
        la t0, ${target}\n csrw sepc, t0
        li t0, ${Status.SPP}\n csrc sstatus, t0
        li t0, ${spp}\n csrs sstatus, t0
        li t0, ${Status.SPIE}\n csrc sstatus, t0`;
      s.run(from, `${enter}\n sret\n ${target}:`);
      s.equal("s2", to === "U" ? Cause.ecallU : Cause.ecallS, `sret from ${from} to ${to}`);
      s.emit(`li t0, ${Status.SPP | Status.SPIE | Status.SIE}\n and t0, s5, t0`);
      s.equal("t0", Status.SPIE, `sret from ${from} to ${to}: sstatus`);
    }
  }
}

/** TVM, TW and TSR make S-mode's own instructions illegal, and do not touch M-mode. */
function intercepts(s: Script): void {
  const cases = [
    [Status.TVM, encode("csrrs", { rd: 5, rs1: 0, csr: 0x180 }), "satp"],
    [Status.TVM, encode("csrrw", { rd: 0, rs1: 0, csr: 0x180 }), "satp write"],
    [Status.TVM, encode("sfence.vma"), "sfence.vma"],
    [Status.TSR, encode("sret"), "sret"],
    [Status.TW, encode("wfi"), "wfi"],
  ] as const;
  for (const [bit, bits, what] of cases) {
    s.emit(`li t0, ${bit}\n csrs mstatus, t0`);
    s.attempt("S", `.word ${bits}`, { cause: Cause.illegal, tval: bits }, `${what} intercepted`);
    if (bit === Status.TVM) s.attempt("M", `.word ${bits}`, {}, `${what} with TVM`);
    s.emit(`li t0, ${bit}\n csrc mstatus, t0`);
    if (bit === Status.TVM) s.attempt("S", `.word ${bits}`, {}, `${what} without TVM`);
    s.attempt("U", `.word ${bits}`, { cause: Cause.illegal, tval: bits }, what);
  }
}

export function delegationTests(): Selftest[] {
  const s = new Script("delegation and returns");
  exceptions(s);
  enables(s);
  machineReturns(s, false);
  supervisorReturns(s);
  intercepts(s);
  const modify = new Script("MPRV after mret");
  machineReturns(modify, true);
  return [s.done(), modify.done("it keeps MPRV when it leaves M-mode")];
}
