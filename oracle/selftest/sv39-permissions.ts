/** Every combination of R, W, X and U with SUM, MXR and MPRV, for each kind of access and mode. */
import { enablePaging, Pte, pteOf, smallEntry, WINDOW } from "./paging.ts";
import { Cause, MODE_NUMBER, PAGES, Script, type Selftest, Status } from "./script.ts";

type Access = "load" | "store" | "amo" | "fetch";

const BODIES: Readonly<Record<Access, string>> = {
  load: `li a0, ${WINDOW}\n ld a1, 0(a0)`,
  store: `li a0, ${WINDOW + 8}\n sd a1, 0(a0)`,
  amo: `li a0, ${WINDOW}\n amoadd.d a1, zero, (a0)`,
  fetch: `li a0, ${WINDOW}\n jr a0`,
};

const FAULTS: Readonly<Record<Access, number>> = {
  load: Cause.loadPage,
  store: Cause.storePage,
  amo: Cause.storePage,
  fetch: Cause.fetchPage,
};

/** A line of the table that the program works through. */
interface Line {
  readonly flags: bigint;
  /** SUM, MXR, and for M-mode MPRV with MPP. */
  readonly status: number;
  readonly mode: "M" | "S" | "U";
  readonly access: Access;
  readonly cause: number;
  readonly what: string;
}

/** What the specification says (Privileged Architecture 10.3.2), for an access as mode `as`. */
function isAllowed(flags: bigint, as: "S" | "U", access: Access, sum: boolean, mxr: boolean) {
  const has = (bit: bigint): boolean => (flags & bit) !== 0n;
  if (!has(Pte.R) && (has(Pte.W) || !has(Pte.X))) return false;
  if (as === "U" && !has(Pte.U)) return false;
  if (as === "S" && has(Pte.U) && (access === "fetch" || !sum)) return false;
  if (access === "fetch") return has(Pte.X);
  if (access === "load") return has(Pte.R) || (mxr && has(Pte.X));
  return has(Pte.W);
}

const COMBINATIONS = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].flatMap((rwx) => [
  rwx << 1n,
  (rwx << 1n) | Pte.U,
]);

const SETTINGS = [0, Status.SUM, Status.MXR, Status.SUM | Status.MXR];
const ACCESSES = ["load", "store", "amo", "fetch"] as const;
const ECALL = { M: Cause.ecallM, S: Cause.ecallS, U: Cause.ecallU };

/** An access as mode `as`, made in that mode or in M-mode by MPRV. */
function lineOf(flags: bigint, set: number, as: "S" | "U", access: Access, mprv: boolean): Line {
  const [sum, mxr] = [(set & Status.SUM) !== 0, (set & Status.MXR) !== 0];
  const mode = mprv ? "M" : as;
  const allowed = isAllowed(flags, as, access, sum, mxr);
  // What a fetch from the window finds there is an ECALL too.
  const cause = allowed ? ECALL[mode] : FAULTS[access];
  const status = set | (mprv ? Status.MPRV | (MODE_NUMBER[as] << 11) : 0);
  const settings = `${mprv ? ", MPRV" : ""}${sum ? ", SUM" : ""}${mxr ? ", MXR" : ""}`;
  const what = `${access} as ${as}, flags 0x${flags.toString(16)}${settings}`;
  return { flags, status, mode, access, cause, what };
}

function allLines(): Line[] {
  const lines: Line[] = [];
  for (const flags of COMBINATIONS) {
    for (const set of SETTINGS) {
      for (const as of ["S", "U"] as const) {
        for (const access of ACCESSES) {
          lines.push(lineOf(flags, set, as, access, false));
          // MPRV has no effect on fetches.
          if (access !== "fetch") lines.push(lineOf(flags, set, as, access, true));
        }
      }
    }
  }
  return lines;
}

const LINE_BYTES = 40;

const LOOP = `
  la s0, lines
  li s11, 0
line:
  la t0, lines_end
  bne s0, t0, line_starts
  j lines_done
line_starts:
  addi s11, s11, 1
  ld t1, 0(s0)           # the entry
  li t0, ${smallEntry(0)}
  sd t1, 0(t0)
  sfence
  li t0, ${Status.SUM | Status.MXR | Status.MPP | Status.MPRV}
  csrc mstatus, t0
  ld s1, 8(s0)           # mstatus for the access; M-mode sets it itself
  ld t1, 16(s0)          # mstatus for getting there
  csrs mstatus, t1
  ld t0, 24(s0)
  csrw mepc, t0
  la s9, line_after
  li s3, -1
  mret
line_after:
  li t0, ${Status.MPRV}
  csrc mstatus, t0
  ld t0, 32(s0)
  bne t0, s2, line_failed
  li t1, ${Cause.fetchPage}
  blt t0, t1, line_next
  bne s3, a0, line_failed
line_next:
  addi s0, s0, ${LINE_BYTES}
  j line
line_failed:
  j fail
`;

export function permissionTests(): Selftest[] {
  const s = new Script("Sv39 permissions");
  s.emit(`li t0, ${PAGES}\n li t1, 0x73\n sd t1, 0(t0)\n sd zero, 8(t0)`);
  enablePaging(s);
  const lines = allLines();
  for (const { what } of lines) s.name(what);
  s.emit(LOOP, "j lines_done");
  for (const access of ACCESSES) {
    s.emit(`body_${access}: ${BODIES[access]}\n ecall`);
    s.emit(`machine_${access}: csrs mstatus, s1\n ${BODIES[access]}`);
    s.emit(`li t0, ${Status.MPRV}\n csrc mstatus, t0\n ecall`);
  }
  s.emit(".align 8", "lines:");
  for (const { flags, status, mode, access, cause } of lines) {
    const pte = pteOf(PAGES, flags | Pte.V | Pte.A | Pte.D);
    const enter = mode === "M" ? Status.MPP : status | (MODE_NUMBER[mode] << 11);
    const body =
      mode === "M" ? `machine_${access}` : `body_${access}+${mode === "U" ? s.userOffset : 0}`;
    s.emit(`.dword ${pte}, ${status}, ${enter}, ${body}, ${cause}`);
  }
  s.emit("lines_end:", "lines_done:");
  return [s.done()];
}
