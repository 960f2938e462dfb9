/** Misaligned accesses, LR/SC, code that changes itself, and counters. */
import { encode } from "../../src/isa/assembler.ts";
import { Cause, PAGES, Script, type Selftest } from "./script.ts";

const SIZES = [
  ["h", "lhu", 2],
  ["w", "lwu", 4],
  ["d", "ld", 8],
] as const;
const PATTERN = 0x8877_6655_4433_2211n;

/** Every offset around the end of a page, without translation; also floating-point accesses. */
function misaligned(s: Script): void {
  const border = PAGES + 0x1000;
  for (const [size, load, bytes] of SIZES) {
    for (let offset = -8; offset <= 8; offset++) {
      const at = border + offset;
      const value = PATTERN & ((1n << BigInt(8 * bytes)) - 1n);
      s.attempt(
        "U",
        `li t0, ${at}\n sd zero, -8(t0)\n sd zero, 0(t0)\n sd zero, 8(t0)\n li t1, ${PATTERN}
         s${size} t1, 0(t0)\n ${load} a0, 0(t0)\n lbu a1, -1(t0)
         lbu a2, ${bytes}(t0)\n lbu a3, ${bytes - 1}(t0)`,
        {},
        `s${size} at ${offset}`,
      );
      s.equal("a0", value, `${load} at ${offset}`);
      s.equal("a1", 0, `byte before s${size} at ${offset}`);
      s.equal("a2", 0, `byte after s${size} at ${offset}`);
      s.equal("a3", value >> BigInt(8 * bytes - 8), `last byte of s${size} at ${offset}`);
    }
  }
  const odd = `li t0, ${border - 3}\n li t1, ${PATTERN}\n`;
  s.attempt("U", `${odd} fmv.d.x ft0, t1\n fsd ft0, 0(t0)\n ld a0, 0(t0)`, {}, "fsd");
  s.equal("a0", PATTERN, "misaligned fsd");
  s.attempt("U", `${odd} sd t1, 0(t0)\n fld ft1, 0(t0)\n fmv.x.d a0, ft1`, {}, "fld");
  s.equal("a0", PATTERN, "misaligned fld");
  s.attempt("U", `${odd} sd t1, 0(t0)\n flw ft1, 0(t0)\n fmv.x.d a0, ft1`, {}, "flw");
  s.equal("a0", 0xffff_ffff_4433_2211n, "misaligned flw");
}

function reservations(s: Script): void {
  s.emit(`li s0, ${PAGES}\n li t0, 5\n sd t0, 0(s0)`);
  s.emit("lr.d a0, (s0)\n li t0, 6\n sc.d a1, t0, (s0)\n ld a2, 0(s0)");
  s.equal("a0", 5, "lr");
  s.equal("a1", 0, "sc after lr");
  s.equal("a2", 6, "memory after sc");
  s.emit("li t0, 7\n sc.d a1, t0, (s0)\n ld a2, 0(s0)");
  s.equal("a1", 1, "second sc");
  s.equal("a2", 6, "memory after a failed sc");
  s.emit("lr.w a0, (s0)\n addi t1, s0, 1024\n sc.w a1, t0, (t1)\n sc.w a2, t0, (s0)");
  s.equal("a1", 1, "sc elsewhere");
  s.equal("a2", 1, "sc after an sc elsewhere");
  s.emit("li t0, -1\n sw t0, 8(s0)\n addi t1, s0, 8\n lr.w a0, (t1)\n sc.w a1, a0, (t1)");
  s.equal("a0", -1, "lr.w extends the sign");
  s.equal("a1", 0, "sc.w");
  // A counting loop: the usual use.
  const again = s.label("again");
  s.emit(`sd zero, 0(s0)\n li t2, 1000\n ${again}:`);
  s.emit(`lr.d t0, (s0)\n addi t0, t0, 1\n sc.d t1, t0, (s0)\n bnez t1, ${again}`);
  s.emit(`addi t2, t2, -1\n bnez t2, ${again}\n ld a0, 0(s0)`);
  s.equal("a0", 1000, "counting with lr and sc");
}

const addi = (imm: number): number => encode("addi", { rd: 10, rs1: 10, imm });
const RET = encode("jalr", { rd: 0, rs1: 1, imm: 0 });

/** With FENCE.I, the next fetch sees what was stored, however often the old code has run. */
function changingCode(s: Script): void {
  const code = PAGES + 0x2000;
  s.emit(`li s0, ${code}\n li t0, ${RET}\n sw t0, 4(s0)`);
  const [round, hot] = [s.label("round"), s.label("hot")];
  // Each round patches the immediate of `addi a0, a0, n` and calls it many times.
  s.emit(
    `li s1, 1\n ${round}:`,
    `slli t0, s1, 20\n li t1, ${addi(0)}\n or t0, t0, t1\n sw t0, 0(s0)\n fence.i`,
    `li a0, 0\n li t2, 500\n ${hot}: jalr ra, 0(s0)\n addi t2, t2, -1\n bnez t2, ${hot}`,
  );
  s.check("patched code runs");
  const good = s.label("good");
  s.emit(`li t0, 500\n mul t0, t0, s1\n beq a0, t0, ${good}\n j fail\n ${good}:`);
  s.emit(`addi s1, s1, 1\n li t0, 40\n bne s1, t0, ${round}`);
  // Half of an instruction, and two instructions by one store.
  s.emit(
    `li a0, 0\n li t0, ${(addi(3) >>> 16) & 0xffff}\n sh t0, 2(s0)\n fence.i\n jalr ra, 0(s0)`,
  );
  s.equal("a0", 3, "upper half patched");
  const two = (BigInt(RET) << 32n) | BigInt(addi(9));
  s.emit(`li a0, 0\n li t0, ${two}\n sd t0, 0(s0)\n fence.i\n jalr ra, 0(s0)`);
  s.equal("a0", 9, "two instructions patched");
  // An instruction over the end of a page, of which the second page changes.
  s.emit(
    `li s0, ${code + 0x1000 - 2}\n li t0, ${addi(4) & 0xffff}\n sh t0, 0(s0)`,
    `li t0, ${(addi(4) >>> 16) & 0xffff}\n sh t0, 2(s0)\n li t0, ${RET & 0xffff}\n sh t0, 4(s0)`,
    `li t0, ${RET >>> 16}\n sh t0, 6(s0)\n fence.i\n li a0, 0\n jalr ra, 0(s0)`,
  );
  s.equal("a0", 4, "code across pages");
  s.emit(
    `li t0, ${(addi(5) >>> 16) & 0xffff}\n sh t0, 2(s0)\n fence.i\n li a0, 0\n jalr ra, 0(s0)`,
  );
  s.equal("a0", 5, "code across pages, second half patched");
}

/** A loop that patches an instruction further on in its own straight line of code. */
function changingItself(s: Script): void {
  const [loop, patch] = [s.label("loop"), s.label("patch")];
  s.emit(
    `li a0, 0\n li s1, 0\n la s0, ${patch}\n ${loop}:`,
    `slli t0, s1, 20\n li t1, ${addi(0)}\n or t0, t0, t1\n sw t0, 0(s0)\n fence.i`,
    `${patch}: addi a0, a0, 0`,
    `addi s1, s1, 1\n li t0, 100\n bne s1, t0, ${loop}`,
  );
  s.equal("a0", 4950, "a loop that patches itself");
}

function counters(s: Script): void {
  s.emit("csrr a0, instret\n nop\n nop\n nop\n csrr a1, instret\n sub a0, a1, a0");
  s.equal("a0", 4, "instret over three instructions");
  s.emit("csrr a0, cycle\n nop\n csrr a1, cycle\n sltu a0, a0, a1");
  s.equal("a0", 1, "cycle increases");
  s.emit("csrr a0, minstret\n csrr a1, instret\n sub a0, a1, a0");
  s.equal("a0", 1, "minstret and instret");
  s.emit("li t0, 1000\n csrw minstret, t0\n csrr a0, minstret");
  s.equal("a0", 1000, "minstret after a write");
  s.emit("li t0, 5000\n csrw mcycle, t0\n csrr a0, mcycle\n li t0, 5000\n sltu a0, a0, t0");
  s.equal("a0", 0, "mcycle after a write");
  const loop = s.label("loop");
  s.emit(`li t0, 100000\n csrr a0, instret\n ${loop}: addi t0, t0, -1\n bnez t0, ${loop}`);
  s.emit("csrr a1, instret\n sub a0, a1, a0");
  s.equal("a0", 200_001, "instret over a hot loop");
  // An exception is no retired instruction; the handler and the return are counted as they are.
  const [handler, resume] = [s.label("handler"), s.label("resume")];
  s.emit(
    `la t0, ${handler}\n csrw mtvec, t0\n csrr a0, instret\n ecall\n ${resume}: j ${resume}_on`,
  );
  s.emit(`.align 4\n ${handler}: csrr a1, instret\n ${resume}_on: la t0, trap_m\n csrw mtvec, t0`);
  s.emit("sub a0, a1, a0");
  s.equal("a0", 1, "an ecall does not retire");
}

const COUNTERS = [
  ["cycle", 0xc00, 1],
  ["time", 0xc01, 2],
  ["instret", 0xc02, 4],
] as const;

/** mcounteren gates S and U, scounteren gates U. */
function counterAccess(s: Script): void {
  for (const [name, csr, bit] of COUNTERS) {
    const tval = encode("csrrs", { rd: 10, rs1: 0, csr });
    const illegal = { cause: Cause.illegal, tval };
    for (const machine of [0, bit]) {
      for (const supervisor of [0, bit]) {
        s.emit(
          `li t0, ${machine}\n csrw mcounteren, t0\n li t0, ${supervisor}\n csrw scounteren, t0`,
        );
        const what = `${name}, mcounteren ${machine}, scounteren ${supervisor}`;
        const body = `@: csrr a0, ${name}`;
        s.attempt("S", body, machine === 0 ? illegal : {}, what);
        s.attempt("U", body, machine === 0 || supervisor === 0 ? illegal : {}, what);
        s.attempt("M", body, {}, what);
      }
    }
  }
}

/** An operation that raises a flag changes fcsr, so that FS must say dirty. */
function dirtyState(s: Script): void {
  const body = (text: string) =>
    `li t0, 0x6000\n csrc mstatus, t0\n li t0, 0x2000\n csrs mstatus, t0
     ${text}\n csrr a0, mstatus\n li t0, 0x6000\n and a0, a0, t0`;
  for (const [what, text] of [
    ["flw", `li t1, ${PAGES}\n flw ft0, 0(t1)`],
    ["fmv.d.x", "fmv.d.x ft0, zero"],
    ["fadd.d", "fadd.d ft0, ft1, ft2"],
    ["csrw fflags", "csrw fflags, zero"],
    ["csrw frm", "csrw frm, zero"],
  ] as const) {
    s.attempt("M", body(text), {}, `FS after ${what}`);
    s.equal("a0", 0x6000, `FS after ${what}`);
  }
  s.attempt("M", body("fmv.x.d a1, ft0"), {}, "FS");
  s.equal("a0", 0x2000, "FS after fmv.x.d");
}

function dirtyFlags(s: Script): void {
  const nan = "li t0, 0x7ff0000000000001\n fmv.d.x ft0, t0\n csrw fflags, zero";
  s.emit(`${nan}\n li t0, 0x6000\n csrc mstatus, t0\n li t0, 0x2000\n csrs mstatus, t0`);
  s.emit("feq.d a1, ft0, ft0\n csrr a0, mstatus\n li t0, 0x6000\n and a0, a0, t0");
  s.equal("a0", 0x6000, "FS after a comparison that raises a flag");
}

export function memoryTests(): Selftest[] {
  const s = new Script("misaligned accesses, LR/SC, changing code");
  misaligned(s);
  reservations(s);
  changingCode(s);
  changingItself(s);
  counterAccess(s);
  dirtyState(s);
  const exact = new Script("exact counters");
  counters(exact);
  const flags = new Script("FS and flags");
  dirtyFlags(flags);
  return [
    s.done(),
    exact.done("its counters follow the host's clock"),
    flags.done("it leaves FS alone after a comparison"),
  ];
}
