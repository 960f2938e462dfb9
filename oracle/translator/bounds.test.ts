/** What a hostile or busy guest may make the translator keep. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { MAX_REGIONS } from "../../src/cpu/layout.ts";
import { ENTRY, finish, PAGED, PAGING, pageAt, RAM, TO_SUPERVISOR } from "./testing/programs.ts";

const END = "csrr t6, minstret\nend:\n  j end";
const MIB = 1 << 20;
/** The garbage of one code space may be there at the one time and not at the other. */
const SLACK = 256 * MIB;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Memory of the process halfway, and at the end. */
function memoryOver(source: string, slices: number) {
  let count = 0;
  let early = 0;
  let mostLive = 0;
  const { machine, registers } = finish(`${source}\n${END}`, {
    translate: "eager",
    slice: 100,
    maxInstructions: 50e6,
    afterSlice: ({ hart }) => {
      mostLive = Math.max(mostLive, hart.translation?.live ?? 0);
      if (++count !== Math.floor(slices / 2)) return;
      collect();
      early = process.memoryUsage().rss;
    },
  });
  collect();
  expect(count).toBeGreaterThan(slices / 2);
  return { grown: process.memoryUsage().rss - early, mostLive, machine, registers };
}

test("rewriting code without end takes no memory", { timeout: 120_000 }, () => {
  const rounds = 12_000;
  const { grown, mostLive, machine, registers } = memoryOver(
    `
  li s0, ${rounds}
  la s2, code
  li s3, 0x00048493      # addi s1, s1, 0
  li s4, 0x100000
loop:
  add s3, s3, s4
  andi t0, s0, 1023
  bnez t0, small
  li s3, 0x00048493
small:
  sw s3, 0(s2)
  fence.i
  li s5, 20
inner:
  call code
  addi s5, s5, -1
  bnez s5, inner
  addi s0, s0, -1
  bnez s0, loop
  j done
.align 4096
code:
  addi s1, s1, 0
  ret
.align 4096
done:`,
    rounds,
  );
  const { live, compiled, dropped } = machine.hart.translation!;
  expect(compiled).toBeGreaterThan(1000);
  expect(compiled - total(dropped)).toBe(live);
  expect(mostLive).toBeLessThan(100);
  expect(registers[9]).not.toBe(0n);
  expect(grown).toBeLessThan(SLACK);
});

test("mapping and unmapping without end takes no memory", { timeout: 120_000 }, () => {
  const rounds = 8000;
  const { grown, mostLive, registers } = memoryOver(
    `
  la t0, trap
  csrw mtvec, t0
  ${PAGING}
  # A function of two instructions in each of sixteen pages.
  li t0, ${RAM + 0x10_0000}
  li t1, 0x00148493      # addi s1, s1, 1
  li t2, 0x8067          # ret
  li t3, 16
fill:
  sw t1, 0(t0)
  sw t2, 4(t0)
  li t4, 4096
  add t0, t0, t4
  addi t3, t3, -1
  bnez t3, fill
  fence.i
  ${TO_SUPERVISOR}
  li s0, ${rounds}
  li s2, ${ENTRY}
  li s5, ${PAGED}
loop:
  andi t0, s0, 15
  slli t0, t0, 10
  li t1, ${pageAt(RAM + 0x10_0000)}
  add t1, t1, t0
  sd t1, 0(s2)
  sfence.vma s5, zero
  li s6, 10
inner:
  jalr ra, 0(s5)
  addi s6, s6, -1
  bnez s6, inner
  sd zero, 0(s2)
  sfence
  addi s0, s0, -1
  bnez s0, loop
  ecall
trap:
done:`,
    rounds,
  );
  expect(registers[9]).toBe(BigInt(rounds) * 10n);
  expect(mostLive).toBeLessThan(100);
  expect(grown).toBeLessThan(SLACK);
});

test("more functions than there may be regions", { timeout: 600_000 }, () => {
  const functions = MAX_REGIONS + 100;
  const returning = 100;
  // Each adds its number; they are called one after the other, and the first, long dropped, again.
  const one = (k: number): string => `addi s1, s1, ${k % 1000}\n xor s2, s2, s1\n ret`;
  const { machine, registers } = finish(
    `
  li s0, 2
  li s4, ${functions}
again:
  la s3, functions
next:
  jalr ra, 0(s3)
  addi s3, s3, 12
  addi s4, s4, -1
  bnez s4, next
  li s4, ${returning}
  addi s0, s0, -1
  bnez s0, again
  j done
functions:
  ${Array.from({ length: functions }, (_, k) => one(k)).join("\n")}
done:
  ${END}`,
    // A slice for each function: every one of them is translated by itself.
    { translate: "eager", slice: 2 },
  );
  let sum = 0n;
  for (let k = 0; k < functions; k++) sum += BigInt(k % 1000);
  for (let k = 0; k < returning; k++) sum += BigInt(k);
  expect(registers[9]).toBe(sum);
  const { live, compiled, dropped } = machine.hart.translation!;
  expect(compiled).toBeGreaterThan(MAX_REGIONS);
  expect(live).toBeLessThan(MAX_REGIONS);
  expect(compiled - total(dropped)).toBe(live);
});
