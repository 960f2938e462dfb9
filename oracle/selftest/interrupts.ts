/** Timers, software interrupts, their priorities and delegation, vectored handlers, WFI. */
import { Cause, Script, type Selftest } from "./script.ts";

const MSIP = 0x0200_0000;
const MTIMECMP = 0x0200_4000;
const MTIME = 0x0200_bff8;
const INTERRUPT = 1n << 63n;
const STCE = 1n << 63n;

const SSI = 1;
const MSI = 3;
const STI = 5;
const MTI = 7;
const SEI = 9;

/** Both halves; a program that sets a near time has it in a1. */
const setTimer = (value: string): string => `li t0, ${MTIMECMP}\n ${value}\n sd a1, 0(t0)`;
const NEVER = setTimer("li a1, -1");
const softwareInterrupt = (value: number): string =>
  `li t0, ${MSIP}\n li t1, ${value}\n sw t1, 0(t0)`;
const enable = (...causes: number[]): string =>
  `li t0, ${causes.reduce((sum, cause) => sum | (1 << cause), 0)}\n csrw mie, t0`;

/** Waits in M-mode with MIE set; the interrupt is recorded like any trap. */
function taken(s: Script, cause: number, what: string): void {
  s.run("M", "csrsi mstatus, 8\n nop\n nop");
  s.equal("s2", INTERRUPT | BigInt(cause), `${what}: cause`);
  s.equal("s3", 0, `${what}: tval`);
  s.equal("s6", 3, `${what}: handler`);
}

/** With everything pending, interrupts come in the order of 3.1.9. */
function priorities(s: Script): void {
  s.emit(setTimer("li a1, 0"), softwareInterrupt(1));
  s.emit(`li t0, ${(1 << SSI) | (1 << STI) | (1 << SEI)}\n csrs mip, t0`);
  const order = [MSI, MTI, SEI, SSI, STI];
  for (const [k, cause] of order.entries()) {
    s.emit(enable(...order.slice(k)));
    taken(s, cause, `priority of interrupt ${cause}`);
  }
  // A machine-level interrupt goes before a delegated one, whatever its number.
  s.emit(`li t0, ${(1 << SSI) | (1 << SEI)}\n csrw mideleg, t0`, enable(STI, SSI, SEI));
  s.run("U", "nop\n nop");
  s.equal("s2", INTERRUPT | BigInt(STI), "machine level before supervisor level");
  s.emit("csrw mideleg, zero\n csrw mie, zero\n csrw mip, zero", softwareInterrupt(0), NEVER);
}

function masks(s: Script): void {
  s.emit(softwareInterrupt(1), "csrr a0, mip");
  s.emit(`li t0, ${1 << MSI}\n and a0, a0, t0`);
  s.equal("a0", 1 << MSI, "mip.MSIP follows the ACLINT");
  s.attempt("M", `csrw mie, zero\n csrsi mstatus, 8\n nop\n csrci mstatus, 8`, {}, "not in mie");
  s.emit(enable(MSI));
  s.attempt("M", "csrci mstatus, 8\n nop", {}, "MIE clear");
  // Below M-mode, machine interrupts are always enabled.
  for (const mode of ["S", "U"] as const) {
    s.run(mode, "nop");
    s.equal("s2", INTERRUPT | BigInt(MSI), `MSI in ${mode}-mode`);
  }
  s.emit(softwareInterrupt(0), "csrr a0, mip", `li t0, ${1 << MSI}\n and a0, a0, t0`);
  s.equal("a0", 0, "mip.MSIP is gone");
  s.emit("csrw mie, zero");
}

/** The pc of an interrupt is that of the first instruction that has not run. */
function precision(s: Script): void {
  s.emit(`li t0, ${1 << SSI}\n csrw mie, t0\n csrw mip, zero`);
  s.run("M", `li a0, 0\n csrsi mstatus, 8\n li t0, 2\n csrs mip, t0\n precise: addi a0, a0, 1`);
  s.equal("s4", "precise", "epc after a write to mip");
  s.equal("a0", 0, "the instruction at epc has not run");
  s.emit("csrw mie, zero\n csrsi mip, 2");
  s.run("M", "csrsi mstatus, 8\n csrsi mie, 2\n enabled: addi a0, a0, 1");
  s.equal("s4", "enabled", "epc after a write to mie");
  s.run("M", "csrsi mstatus, 8\n unmasked: nop");
  s.equal("s4", "unmasked", "epc after a write to mstatus");
  s.emit("csrw mie, zero\n csrw mip, zero");
}

function delegated(s: Script): void {
  const all = (1 << SSI) | (1 << STI) | (1 << SEI);
  s.emit(`li t0, ${all}\n csrw mideleg, t0`);
  for (const cause of [SSI, STI, SEI]) {
    s.emit(`li t0, ${1 << cause}\n csrw mip, t0\n csrw mie, t0`);
    s.attempt("S", "csrci sstatus, 2\n nop", {}, `interrupt ${cause}, SIE clear`);
    s.attempt("M", "csrsi mstatus, 8\n nop\n csrci mstatus, 8", {}, `interrupt ${cause} of S`);
    for (const [mode, body] of [
      ["S", "csrsi sstatus, 2\n nop"],
      ["U", "nop"],
    ] as const) {
      s.run(mode, body);
      s.equal("s2", INTERRUPT | BigInt(cause), `interrupt ${cause} (${mode}): cause`);
      s.equal("s6", 1, `interrupt ${cause} (${mode}): handler`);
      s.emit("csrci sstatus, 2");
    }
  }
  // S-mode sees and clears its own software interrupt, but not the other two.
  s.emit(`li t0, ${all}\n csrw mip, t0\n csrw mie, zero`);
  s.attempt("S", `csrr a0, sip\n li t0, ${all}\n csrc sip, t0\n csrr a1, sip`, {}, "sip");
  s.equal("a0", all, "sip");
  s.equal("a1", all & ~2, "sip after clearing");
  s.emit("csrw mideleg, zero\n csrr a0, sip");
  s.equal("a0", 0, "sip without delegation");
  s.emit("csrw mip, zero");
}

/** Interrupts add four times their number to a vectored base; exceptions do not. */
function vectored(s: Script): void {
  const done = s.label("vectored");
  s.emit(
    `j ${done}`,
    ".align 256",
    "vectors:",
    ...Array.from({ length: 12 }, (_, k) => `j vector_${k}`),
    ...Array.from({ length: 12 }, (_, k) => `vector_${k}: li s7, ${k}\n j trap_m`),
    ".align 256",
    "vectors_s:",
    ...Array.from({ length: 12 }, (_, k) => `j vector_s_${k}`),
    ...Array.from({ length: 12 }, (_, k) => `vector_s_${k}: li s7, ${k}\n j trap_s`),
    `${done}:`,
    "la t0, vectors\n addi t0, t0, 1\n csrw mtvec, t0",
    "la t0, vectors_s\n addi t0, t0, 1\n csrw stvec, t0",
  );
  s.emit(softwareInterrupt(1), enable(MSI));
  taken(s, MSI, "vectored MSI");
  s.equal("s7", MSI, "vector of MSI");
  s.emit(softwareInterrupt(0), "li s7, -1");
  s.run("M", "ebreak");
  s.equal("s7", 0, "vector of an exception");
  for (const cause of [SSI, STI, SEI]) {
    s.emit(`li t0, ${1 << cause}\n csrw mideleg, t0\n csrw mip, t0\n csrw mie, t0\n li s7, -1`);
    // The handler's ECALL to get back is itself an exception of M-mode, to vector 0.
    s.emit("la t0, trap_m\n csrw mtvec, t0");
    s.run("U", "nop");
    s.equal("s6", 1, `vectored interrupt ${cause}: handler`);
    s.equal("s7", cause, `vectored interrupt ${cause}`);
  }
  s.emit("csrw mideleg, zero\n csrw mie, zero\n csrw mip, zero\n la t0, trap_s\n csrw stvec, t0");
}

const READ_TIME = `li t0, ${MTIME}\n ld a1, 0(t0)`;

function machineTimer(s: Script): void {
  s.emit(NEVER, enable(MTI), READ_TIME, "csrr a0, time\n sltu a0, a0, a1");
  s.equal("a0", 0, "time does not lag behind mtime");
  // A thousand ticks are a tenth of a millisecond.
  const wait = s.label("wait");
  s.run(
    "M",
    `${READ_TIME}\n addi a1, a1, 1000\n li t0, ${MTIMECMP}\n sd a1, 0(t0)
     csrsi mstatus, 8\n ${wait}: j ${wait}`,
  );
  s.equal("s2", INTERRUPT | BigInt(MTI), "machine timer: cause");
  s.equal("s4", wait, "machine timer: epc");
  s.emit(READ_TIME.replaceAll("a1", "a2"), "sltu a0, a2, a1");
  s.equal("a0", 0, "the timer did not fire early");
  s.emit(NEVER, "csrr a0, mip", `li t0, ${1 << MTI}\n and a0, a0, t0`);
  s.equal("a0", 0, "mip.MTIP is gone");
  s.emit("csrw mie, zero");
}

/** WFI ends when an enabled interrupt is pending, taken or not. */
function waiting(s: Script): void {
  s.emit(NEVER, enable(MTI), READ_TIME, `addi a1, a1, 1000\n li t0, ${MTIMECMP}\n sd a1, 0(t0)`);
  s.attempt("M", "csrci mstatus, 8\n wfi\n csrr a0, mip", {}, "wfi with MIE clear");
  s.emit(`li t0, ${1 << MTI}\n and a0, a0, t0`);
  s.equal("a0", 1 << MTI, "the timer is pending after wfi");
  s.emit(READ_TIME, `addi a1, a1, 1000\n li t0, ${MTIMECMP}\n sd a1, 0(t0)`);
  s.run("M", "csrsi mstatus, 8\n wfi\n woken: nop");
  s.equal("s2", INTERRUPT | BigInt(MTI), "wfi with MIE set: cause");
  s.equal("s4", "woken", "wfi with MIE set: epc");
  s.emit(NEVER, softwareInterrupt(1), enable(MSI));
  s.attempt("M", "csrci mstatus, 8\n wfi", {}, "wfi with an interrupt already pending");
  s.emit(softwareInterrupt(0), "csrw mie, zero");
}

/** Sstc: stimecmp drives STIP while menvcfg.STCE is set. */
function supervisorTimer(s: Script): void {
  s.emit("li t0, 2\n csrw mcounteren, t0");
  s.attempt("S", "@: csrr a0, stimecmp", { cause: Cause.illegal, tval: 0x14d0_2573 }, "STCE clear");
  s.emit(`li t0, ${1 << STI}\n csrs mip, t0\n csrr a0, mip\n and a0, a0, t0`);
  s.equal("a0", 1 << STI, "STIP is software's without STCE");
  s.emit(`li t0, -1\n csrw stimecmp, t0\n li t0, ${STCE}\n csrs menvcfg, t0`);
  s.emit(`li t0, ${1 << STI}\n csrr a0, mip\n and a0, a0, t0`);
  s.equal("a0", 0, "STIP is the timer's with STCE, whatever it was");
  s.emit(`li t0, ${1 << STI}\n csrw mideleg, t0\n csrw mie, t0`);
  s.emit(`csrs mip, t0\n csrr a0, mip\n and a0, a0, t0`);
  s.equal("a0", 0, "STIP cannot be written with STCE");
  const wait = s.label("wait");
  s.run(
    "S",
    `csrr a1, time\n addi a1, a1, 1000\n csrw stimecmp, a1\n csrsi sstatus, 2\n ${wait}: j ${wait}`,
  );
  s.equal("s2", INTERRUPT | BigInt(STI), "supervisor timer: cause");
  s.equal("s6", 1, "supervisor timer: handler");
  s.equal("s4", wait, "supervisor timer: epc");
  s.emit("csrr a2, time\n sltu a0, a2, a1");
  s.equal("a0", 0, "the supervisor timer did not fire early");
  s.emit(`csrci sstatus, 2\n li t0, ${1 << STI}\n csrr a0, mip\n and a0, a0, t0`);
  s.equal("a0", 1 << STI, "STIP stays while the time is past");
  s.emit(`li t1, -1\n csrw stimecmp, t1\n csrr a0, mip\n and a0, a0, t0`);
  s.equal("a0", 0, "STIP goes with a later stimecmp");
  s.emit("csrw mcounteren, zero");
  s.attempt("S", "@: csrr a0, stimecmp", { cause: Cause.illegal, tval: 0x14d0_2573 }, "no TM");
  s.emit(`csrw mie, zero\n csrw mideleg, zero\n li t0, ${STCE}\n csrc menvcfg, t0`);
}

export function interruptTests(): Selftest[] {
  const begin = [NEVER, `li t0, ${STCE}\n csrc menvcfg, t0`];
  const order = new Script("interrupt priorities");
  order.emit(...begin);
  priorities(order);
  const s = new Script("interrupts");
  s.emit(...begin);
  masks(s);
  precision(s);
  delegated(s);
  vectored(s);
  const timers = new Script("timers and wfi");
  machineTimer(timers);
  waiting(timers);
  supervisorTimer(timers);
  return [order.done("it takes the lowest number first"), s.done(), timers.done()];
}
