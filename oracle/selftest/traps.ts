/** Synchronous exceptions: cause, tval and epc of each kind, in each mode. */
import { encode } from "../../src/isa/assembler.ts";
import { Cause, RAM, RAM_SIZE, Script, type Selftest, Status } from "./script.ts";

const NOWHERE = 0x9000_0000;
const MODES = ["M", "S", "U"] as const;

/** Words that are no instructions; the trap value is the word. */
function illegal(s: Script): void {
  for (const mode of MODES) {
    s.attempt(mode, ".word 0xffffffff", { cause: Cause.illegal, tval: 0xffff_ffff }, "all ones");
    s.attempt(mode, ".half 0, 0", { cause: Cause.illegal, tval: 0 }, "all zeros");
    s.attempt(mode, ".half 0x8000, 1", { cause: Cause.illegal, tval: 0x8000 }, "16 bits");
    const none = encode("csrrs", { rd: 5, rs1: 0, csr: 0x8ff });
    s.attempt(mode, `.word ${none}`, { cause: Cause.illegal, tval: none }, "no such CSR");
    const readOnly = encode("csrrw", { rd: 0, rs1: 5, csr: 0xc00 });
    s.attempt(mode, `.word ${readOnly}`, { cause: Cause.illegal, tval: readOnly }, "write");
  }
  for (const mode of ["S", "U"] as const) {
    const status = encode("csrrs", { rd: 5, rs1: 0, csr: 0x300 });
    s.attempt(mode, `.word ${status}`, { cause: Cause.illegal, tval: status }, "mstatus");
    const mret = encode("mret");
    s.attempt(mode, `.word ${mret}`, { cause: Cause.illegal, tval: mret }, "mret");
  }
  const satp = encode("csrrs", { rd: 5, rs1: 0, csr: 0x180 });
  s.attempt("U", `.word ${satp}`, { cause: Cause.illegal, tval: satp }, "satp");
  s.emit(`li t0, ${Status.FS}\n csrc mstatus, t0`);
  for (const name of ["fadd.d", "fld", "fsd", "fmv.x.d", "fcvt.w.d"]) {
    const bits = encode(name);
    s.attempt("U", `.word ${bits}`, { cause: Cause.illegal, tval: bits }, `${name} without FS`);
  }
  const fcsr = encode("csrrs", { rd: 5, rs1: 0, csr: 3 });
  s.attempt("M", `.word ${fcsr}`, { cause: Cause.illegal, tval: fcsr }, "fcsr without FS");
  s.emit(`li t0, ${Status.FS}\n csrs mstatus, t0`, "li t0, 5\n csrw frm, t0");
  const add = encode("fadd.s", { rm: 7 });
  s.attempt("U", `.word ${add}`, { cause: Cause.illegal, tval: add }, "reserved frm");
  s.attempt("U", `.word ${encode("fadd.s", { rm: 1 })}`, {}, "reserved frm, static mode");
  s.emit("csrw frm, zero");
}

function calls(s: Script): void {
  s.attempt("U", "@: ecall", { cause: Cause.ecallU }, "ecall");
  s.attempt("S", "@: ecall", { cause: Cause.ecallS }, "ecall");
  s.attempt("M", "@: ecall", { cause: Cause.ecallM }, "ecall");
}

function accessFaults(s: Script): void {
  const loads = ["lb", "lbu", "lh", "lhu", "lw", "lwu", "ld"];
  for (const mode of MODES) {
    for (const load of loads) {
      const expected = { cause: Cause.loadAccess, tval: NOWHERE + 8 };
      s.attempt(mode, `li t0, ${NOWHERE}\n @: ${load} t1, 8(t0)`, expected, load);
    }
    for (const store of ["sb", "sh", "sw", "sd"]) {
      const expected = { cause: Cause.storeAccess, tval: NOWHERE - 8 };
      s.attempt(mode, `li t0, ${NOWHERE}\n @: ${store} t1, -8(t0)`, expected, store);
    }
    const fetch = { cause: Cause.fetchAccess, tval: NOWHERE, epc: "nowhere" };
    s.run(mode, `li t0, ${NOWHERE}\n jr t0`);
    s.equal("s2", fetch.cause, `jump to nowhere (${mode}): cause`);
    s.equal("s3", NOWHERE, `jump to nowhere (${mode}): tval`);
    s.equal("s4", NOWHERE, `jump to nowhere (${mode}): epc`);
    const end = RAM + RAM_SIZE;
    s.attempt(
      mode,
      `li t0, ${end}\n ld t1, -8(t0)\n @: lb t1, 0(t0)`,
      { cause: Cause.loadAccess, tval: end },
      "end of RAM",
    );
    s.attempt(
      mode,
      `li t0, ${NOWHERE}\n @: lr.d t1, (t0)`,
      { cause: Cause.loadAccess, tval: NOWHERE },
      "lr",
    );
  }
  // A faulting load or jump-and-link leaves its destination register alone.
  s.run("M", `li t0, ${NOWHERE}\n li t1, 77\n ld t1, 0(t0)`);
  s.equal("t1", 77, "rd after a faulting load");
  s.run("M", `li t0, ${NOWHERE}\n li ra, 77\n jalr ra, 0(t0)`);
  s.check("ra after a jump to nowhere");
  s.emit("li t0, 77\n bne ra, t0, linked\n j fail\n linked:");
}

function breakpoints(s: Script): void {
  for (const mode of MODES) {
    s.run(mode, "ebreak");
    s.equal("s2", Cause.breakpoint, `ebreak (${mode})`);
    s.run(mode, ".half 0x9002, 1");
    s.equal("s2", Cause.breakpoint, `c.ebreak (${mode})`);
  }
}

function atomicFaults(s: Script): void {
  for (const [size, bytes] of [
    ["w", 4],
    ["d", 8],
  ] as const) {
    for (let offset = 1; offset < bytes; offset++) {
      const address = `la t0, data\n addi t0, t0, ${offset}`;
      const tval = `data+${offset}`;
      s.attempt(
        "U",
        `${address}\n @: amoadd.${size} t1, t2, (t0)`,
        { cause: Cause.storeMisaligned, tval },
        `amo at ${offset}`,
      );
      s.attempt(
        "U",
        `${address}\n @: lr.${size} t1, (t0)`,
        { cause: Cause.loadMisaligned, tval },
        `lr at ${offset}`,
      );
    }
  }
}

function storeFaultsOfAtomics(s: Script): void {
  for (const name of ["amoswap.w", "amoadd.d", "amomaxu.w"]) {
    const expected = { cause: Cause.storeAccess, tval: NOWHERE };
    s.attempt("S", `li t0, ${NOWHERE}\n @: ${name} t1, t2, (t0)`, expected, name);
  }
  const misaligned = { cause: Cause.storeMisaligned, tval: "data+4" };
  s.attempt("S", "la t0, data\n addi t0, t0, 4\n @: sc.d t1, t2, (t0)", misaligned, "sc");
}

const DATA = "j past_data\n .align 8\n data: .dword 1, 2\n past_data:";

export function trapTests(): Selftest[] {
  const s = new Script("exceptions");
  s.emit(DATA);
  illegal(s);
  calls(s);
  accessFaults(s);
  breakpoints(s);
  atomicFaults(s);
  const atomics = new Script("faults of atomics");
  atomics.emit(DATA);
  storeFaultsOfAtomics(atomics);
  return [
    s.done(),
    atomics.done(
      "it reports the faults of an AMO as a load's, and lets a failing SC be misaligned",
    ),
  ];
}
