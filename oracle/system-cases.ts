/** Cases for the privileged instructions and for SC, which need something set up before them. */
import { encode } from "../src/isa/assembler.ts";
import { Case, type Mode, Mstatus } from "./cases.ts";
import { CSR } from "./csr-names.ts";
import { FILL_START, HARNESS, SCRATCH, SCRATCH_WORDS } from "./layout.ts";
import type { Random } from "./random.ts";
import { integer } from "./values.ts";

const MODES: readonly Mode[] = ["U", "S", "M"];

const T0 = 5;
const T1 = 6;

const csrw = (csr: string, rs1: number): number => encode("csrrw", { rd: 0, rs1, csr: CSR[csr] });

/** An even address in the filling, where a C.EBREAK shows the arrival. */
function landing(random: Random): bigint {
  return BigInt(FILL_START + 2 * random.below((HARNESS - FILL_START) / 2));
}

function flag(random: Random, bit: bigint): bigint {
  return random.chance(50) ? bit : 0n;
}

/** Trap-related bits that both returns shuffle. */
function statusBits(random: Random): bigint {
  const { SPIE, MPIE, SPP, SUM, MXR, TVM, TW, TSR } = Mstatus;
  return [SPIE, MPIE, SPP, SUM, MXR, TVM, TW, TSR].reduce(
    (sum, bit) => sum | flag(random, bit),
    0n,
  );
}

/** MRET in M-mode sets mstatus and mepc itself; in other modes it is illegal. */
function mret(random: Random): Case {
  const c = new Case(random);
  c.setStatus(random.pick(["M", "M", "M", "M", "S", "U"]), 3n, statusBits(random));
  if (c.mode === "M") {
    const mpp = random.pick([0n, 1n, 3n]) << Mstatus.MPP_SHIFT;
    c.setX(T0, statusBits(random) | mpp | flag(random, Mstatus.MPRV));
    c.setX(T1, landing(random));
    c.place(csrw("mstatus", T0));
    c.place(csrw("mepc", T1));
  }
  c.place(encode("mret"));
  return c.finish();
}

function sret(random: Random): Case {
  const c = new Case(random);
  c.setStatus(random.pick(["M", "M", "S", "S", "S", "U"]), 3n, statusBits(random));
  c.setX(T0, landing(random));
  if (c.mode !== "U") c.place(csrw("sepc", T0));
  c.place(encode("sret"));
  return c.finish();
}

/** Goes on in another mode, by MRET with mstatus from T1. */
function returnTo(c: Case, mode: Mode): void {
  c.place(csrw("mstatus", T1));
  // AUIPC, ADDI, CSRRW and MRET are sixteen bytes.
  c.place(encode("auipc", { rd: T1, imm: 0 }));
  c.place(encode("addi", { rd: T1, rs1: T1, imm: 16 }));
  c.place(csrw("mepc", T1));
  c.place(encode("mret"));
  c.mode = mode;
}

/** Something is always pending, so that WFI goes on at once; it is legal, or it is not. */
function wfi(random: Random): Case {
  const c = new Case(random);
  c.setStatus(random.pick(["M", "M", "S", "S", "U"]), 3n, statusBits(random));
  c.setX(T0, 2n);
  if (c.mode === "M") {
    const both = random.chance(50);
    if (both) c.place(csrw("mideleg", T0));
    c.place(csrw("mie", T0));
    c.place(csrw("mip", T0));
    c.place(encode("wfi"));
    return c.finish();
  }
  // In S-mode it is reached by MRET with the interrupt delegated and SIE clear.
  const tw = c.mode === "U" || random.chance(50);
  const [mode, mpp] = [c.mode, c.mode === "S" ? 1n : 0n];
  c.setStatus("M", 3n);
  c.setX(T1, (mpp << Mstatus.MPP_SHIFT) | (tw ? Mstatus.TW : 0n));
  const enabled = mode === "S";
  if (enabled) {
    c.place(csrw("mideleg", T0));
    c.place(csrw("mie", T0));
    c.place(csrw("mip", T0));
  }
  returnTo(c, mode);
  c.place(encode("wfi"));
  return c.finish();
}

const sfence =
  (name: string) =>
  (random: Random): Case => {
    const c = new Case(random);
    c.setStatus(random.pick(MODES), 3n, statusBits(random));
    const [rs1, rs2] = [random.below(32), random.below(32)];
    c.setX(rs1, integer(random));
    c.setX(rs2, integer(random));
    c.place(encode(name, { rs1, rs2 }));
    return c.finish();
  };

/** SFENCE.W.INVAL and SFENCE.INVAL.IR, not in U-mode: QEMU 7.2 does not look at the mode. */
const orderInvalidations =
  (name: string) =>
  (random: Random): Case => {
    const c = new Case(random);
    c.setStatus(random.pick(["S", "M"]), 3n, statusBits(random));
    c.place(encode(name));
    return c.finish();
  };

/** CBO instructions in all modes, as menvcfg and senvcfg allow them; some blocks are nowhere. */
const cacheBlock =
  (name: string) =>
  (random: Random): Case => {
    const c = new Case(random);
    const mode = random.pick(MODES);
    const envcfg = (): bigint =>
      (random.pick([0n, 1n, 3n]) << 4n) | (BigInt(random.below(4)) << 6n);
    c.setStatus("M", 3n);
    c.setX(T0, envcfg());
    c.place(csrw("menvcfg", T0));
    c.setX(T0 + 2, envcfg());
    c.place(csrw("senvcfg", T0 + 2));
    const rs1 = 8 + random.below(24);
    const nowhere = name === "cbo.zero" && random.chance(15) ? 0x2000_0000n : 0n;
    c.setX(rs1, BigInt(SCRATCH + random.below(8 * SCRATCH_WORDS)) + nowhere);
    if (mode !== "M") {
      c.setX(T1, (mode === "S" ? 1n : 0n) << Mstatus.MPP_SHIFT);
      returnTo(c, mode);
    }
    c.place(encode(name, { rs1 }));
    return c.finish();
  };

const OTHER = BigInt(SCRATCH + 0x400);

/** SC after an LR of the same place, of another one, or after none. */
function storeConditional(size: "w" | "d"): (random: Random) => Case {
  return (random) => {
    const c = new Case(random);
    c.setStatus(random.pick(MODES), 3n);
    const bytes = size === "w" ? 4 : 8;
    const address = BigInt(SCRATCH + bytes * random.below((8 * SCRATCH_WORDS) / bytes));
    const [rd, rs1, rs2] = [random.below(28), 1 + random.below(27), random.below(28)];
    c.setX(rs2, integer(random));
    c.setX(rs1, address);
    c.setX(30, random.chance(85) ? address : OTHER);
    if (random.chance(80)) c.place(encode(`lr.${size}`, { rd: 29, rs1: 30, aq: random.below(2) }));
    const order = { aq: random.below(2), rl: random.below(2) };
    c.place(encode(`sc.${size}`, { rd, rs1, rs2, ...order }));
    // A second SC never succeeds, whatever the first one did.
    c.setX(31, address);
    if (random.chance(50)) c.place(encode(`sc.${size}`, { rd: 28, rs1: 31, rs2: 29 }));
    return c.finish();
  };
}

export const SYSTEM_CASES: Readonly<Record<string, (random: Random) => Case>> = {
  mret,
  sret,
  wfi,
  "sfence.vma": sfence("sfence.vma"),
  "sinval.vma": sfence("sinval.vma"),
  "sfence.w.inval": orderInvalidations("sfence.w.inval"),
  "sfence.inval.ir": orderInvalidations("sfence.inval.ir"),
  "cbo.inval": cacheBlock("cbo.inval"),
  "cbo.clean": cacheBlock("cbo.clean"),
  "cbo.flush": cacheBlock("cbo.flush"),
  "cbo.zero": cacheBlock("cbo.zero"),
  "sc.w": storeConditional("w"),
  "sc.d": storeConditional("d"),
};
