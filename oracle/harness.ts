/** The bare-metal program that runs a batch of cases, and the memory image around it. */
import { assemble, type Program } from "./asm.ts";
import {
  C_EBREAK,
  CODE,
  CODE_WORDS,
  FILL_END,
  FILL_START,
  HARNESS,
  RAM_BASE,
  RECORD_BYTES,
  RECORD_WORDS,
  RECORDS,
  SCRATCH,
  SCRATCH_WORDS,
  Word,
} from "./layout.ts";

const FS_DIRTY = 0x6000;
const MPRV = 0x2_0000;

const lines = (count: number, line: (k: number) => string): string =>
  Array.from({ length: count }, (_, k) => line(k)).join("\n");

const copy = (words: number, from: (k: number) => string, to: (k: number) => string): string =>
  lines(words, (k) => `ld t3, ${from(k)}\n sd t3, ${to(k)}`);

/** CSRs that a case may change and every case starts with at zero. */
const CLEARED = [
  ...["mie", "mip", "medeleg", "mideleg", "mscratch", "mcause", "mtval", "mcounteren"],
  ...["sscratch", "sepc", "scause", "stval", "stvec", "satp", "scounteren"],
];

/** QEMU gets a second hart, with which its AMOs report misalignment as AMOs do; it is parked. */
const RESET = `
  csrr t0, mhartid
  bnez t0, park
  li t0, ${HARNESS}
  jr t0
park:
  wfi
  j park
`;

const START = `
  li t0, 0x02004000      # mtimecmp: never, so that no timer interrupt is pending
  li t1, -1
  sw t1, 4(t0)
  sw t1, 0(t0)
  li t0, -1              # the other modes may access all memory
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
next:
  la t0, current
  ld t1, 0(t0)
  ld t2, 8(t0)
  beq t1, t2, finish
  li t2, ${CODE}
  ${copy(
    CODE_WORDS,
    (k) => `${8 * (Word.code + k)}(t1)`,
    (k) => `${8 * k}(t2)`,
  )}
  fence.i
  csrw mepc, t2
  li t2, ${SCRATCH}
  ${copy(
    SCRATCH_WORDS,
    (k) => `${8 * (Word.scratch + k)}(t1)`,
    (k) => `${8 * k}(t2)`,
  )}
  la t0, unreserved      # no reservation is left over
  sc.d t2, t2, (t0)
  ${CLEARED.map((csr) => `csrw ${csr}, zero`).join("\n")}
  la t0, trap
  csrw mtvec, t0
  li t0, ${FS_DIRTY}
  csrw mstatus, t0
  ld t0, ${8 * Word.fcsr}(t1)
  csrw fcsr, t0
  ${lines(32, (k) => `fld f${k}, ${8 * (Word.f + k)}(t1)`)}
  ld t0, ${8 * Word.mstatus}(t1)
  csrw mstatus, t0
  mv x31, t1
  ${lines(30, (k) => `ld x${k + 1}, ${8 * (k + 1)}(x31)`)}
  ld x31, ${8 * 31}(x31)
  mret
`;

/** Both entries save x31 and x30 with no register free and no CSR that a case leaves alone. */
const entry = (kind: number): string => `
  csrw mscratch, x31
  li x31, ${MPRV}
  csrc mstatus, x31      # a case may have left MPRV set
  la x31, current
  ld x31, 0(x31)
  sd x30, ${8 * 30}(x31)
  li x30, ${kind}
  j save
`;

const SAVE = `
  sd x30, ${8 * Word.kind}(x31)
  ${lines(29, (k) => `sd x${k + 1}, ${8 * (k + 1)}(x31)`)}
  csrr t0, mscratch
  sd t0, ${8 * 31}(x31)
  csrr t0, mstatus
  sd t0, ${8 * Word.mstatus}(x31)
  li t0, ${FS_DIRTY}
  csrs mstatus, t0
  ${lines(32, (k) => `fsd f${k}, ${8 * (Word.f + k)}(x31)`)}
  csrr t0, fcsr
  sd t0, ${8 * Word.fcsr}(x31)
  beqz x30, untrapped
  csrr t0, mcause
  sd t0, ${8 * Word.mcause}(x31)
  csrr t0, mtval
  sd t0, ${8 * Word.mtval}(x31)
  csrr t0, mepc
  sd t0, ${8 * Word.mepc}(x31)
untrapped:
  li t2, ${SCRATCH}
  ${copy(
    SCRATCH_WORDS,
    (k) => `${8 * k}(t2)`,
    (k) => `${8 * (Word.scratch + k)}(x31)`,
  )}
  li t0, ${RECORD_BYTES}
  add x31, x31, t0
  la t0, current
  sd x31, 0(t0)
  j next
finish:
  li t0, 0x100000
  li t1, 0x5555
  sw t1, 0(t0)
  j finish
`;

function harness(cases: number): Program {
  const source = `${START}
.align 64
exit: ${entry(0)}
.align 64
trap: ${entry(1)}
save: ${SAVE}
.align 64
current: .dword ${RECORDS}, ${RECORDS + cases * RECORD_BYTES}
unreserved: .dword 0`;
  return assemble(source, BigInt(HARNESS));
}

/** Where a case in M-mode goes at its end. */
export const EXIT = Number(harness(0).symbols.get("exit"));

/** The memory from RAM_BASE on, before the run. Each record is a case's input. */
export function imageOf(records: readonly BigUint64Array[]): Uint8Array {
  const image = new Uint8Array(RECORDS - RAM_BASE + records.length * RECORD_BYTES);
  new Uint16Array(image.buffer).fill(
    C_EBREAK,
    (FILL_START - RAM_BASE) / 2,
    (FILL_END - RAM_BASE) / 2,
  );
  image.set(assemble(RESET).bytes);
  const program = harness(records.length);
  image.set(program.bytes, HARNESS - RAM_BASE);
  const words = new BigUint64Array(image.buffer, RECORDS - RAM_BASE);
  for (const [k, record] of records.entries()) words.set(record, k * RECORD_WORDS);
  return image;
}

/** The result records in the memory after the run. */
export function resultsIn(memory: Uint8Array, cases: number): BigUint64Array[] {
  const from = memory.byteOffset + RECORDS - RAM_BASE;
  const words = new BigUint64Array(memory.buffer, from, cases * RECORD_WORDS);
  return Array.from({ length: cases }, (_, k) =>
    words.subarray(k * RECORD_WORDS, (k + 1) * RECORD_WORDS),
  );
}
