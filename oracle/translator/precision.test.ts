/** Programs whose translation has to give way at the right instruction, against the interpreter. */
import { expect, test } from "vitest";
import {
  DEVICE,
  ENTRY,
  finish,
  PAGED,
  PAGING,
  pageAt,
  RAM,
  TO_SUPERVISOR,
} from "./testing/programs.ts";

/** Counts traps in s10, sums up what they say in s11, and goes on after the instruction. */
const HANDLER = `
  la t6, handler
  csrw mtvec, t6
  j start
handler:
  csrr t6, mcause
  add s11, s11, t6
  csrr t6, mtval
  xor s11, s11, t6
  csrr t6, mepc
  add s11, s11, t6
  addi t6, t6, 4
  csrw mepc, t6
  addi s10, s10, 1
  mret
start:
  li sp, ${RAM + 0x10_0000}
`;
/** What every program ends with: the number of its instructions, in x31. */
const END = "csrr t6, minstret\nend:\n  j end";

function agree(source: string) {
  const program = `${HANDLER}${source}\n${END}`;
  const expected = finish(program, { translate: "never" });
  for (const slice of [1, 7, 50, 1000]) {
    const actual = finish(program, { translate: "eager", slice });
    expect(actual.registers).toEqual(expected.registers);
    expect(actual.instructions).toBe(expected.instructions);
    expect(actual.accesses).toEqual(expected.accesses);
    expect(Buffer.compare(actual.memory, expected.memory)).toBe(0);
    expect(actual.machine.hart.translation?.compiled).toBeGreaterThan(0);
  }
  return expected;
}

test("faults in the middle of nested calls", () => {
  const { registers } = agree(`
  li s0, 200
outer:
  call first
  addi s0, s0, -1
  bnez s0, outer
  j done
first:
  addi sp, sp, -16
  sd ra, 8(sp)
  addi s1, s1, 1
  call second
  addi s1, s1, 2
  ld ra, 8(sp)
  addi sp, sp, 16
  ret
second:
  addi s2, s2, 3
  li t0, 0x40000000
  andi t1, s0, 7
  bnez t1, fine
  ld s3, 0(t0)           # nothing is there
  sd s2, 8(t0)
fine:
  sd s2, -64(sp)
  ld s4, -64(sp)
  ret
done:`);
  expect(registers[26]).toBe(50n);
});

test("recursion deeper than calls of regions may be", () => {
  const { registers } = agree(`
  li s0, 20
again:
  li a0, 3000
  call sum
  add s1, s1, a0
  addi s0, s0, -1
  bnez s0, again
  j done
sum:
  beqz a0, bottom
  addi sp, sp, -16
  sd ra, 8(sp)
  sd a0, 0(sp)
  addi a0, a0, -1
  call sum
  ld t0, 0(sp)
  add a0, a0, t0
  ld ra, 8(sp)
  addi sp, sp, 16
bottom:
  ret
done:`);
  expect(registers[9]).toBe(20n * ((3000n * 3001n) / 2n));
});

test("a call of what has to be interpreted before it goes on to translated code", () => {
  const { registers } = agree(`
  li s0, 500
again:
  call counted
  add s1, s1, a0
  addi s0, s0, -1
  bnez s0, again
  j done
counted:
  csrr t0, mscratch      # regions end before CSR instructions
  addi t0, t0, 1
  csrw mscratch, t0
  j shared
shared:
  addi s2, s2, 3
  mv a0, t0
  ret
done:`);
  expect(registers[9]).toBe((500n * 501n) / 2n);
});

test("what is interpreted in a call stores into the code that it returns to", () => {
  const { registers } = agree(`
  li s0, 200
  la s3, patched
  lw s4, 0(s3)
  li s5, 0x00100000
again:
  call patch
patched:
  addi s1, s1, 1         # a number that was stored last
  addi s0, s0, -1
  bnez s0, again
  j done
patch:
  csrw mscratch, s0
  andi t0, s0, 3
  mul t0, t0, s5
  add t0, t0, s4
  sw t0, 0(s3)
  csrr t1, mscratch
  ret
done:`);
  expect(registers[9]).toBe(200n + 50n * (1n + 2n + 3n));
});

test("branches over instructions that only compute", () => {
  const { registers } = agree(`
  li s0, 1000
again:
  andi t0, s0, 3
  bnez t0, over_first  # over one instruction
  addi s1, s1, 1
over_first:
  mv t1, s0
  andi t2, s0, 1
  beqz t2, over_second # over two, of which one needs the other's result
  slli t1, t1, 1
  add s2, s2, t1
over_second:
  addi s0, s0, -1
  blt s0, zero, over_third  # over what is never executed
  add s3, s3, s0
over_third:
  bnez s0, again
  mv s4, t1              # what is written in the last turn but one alone
`);
  expect(registers[9]).toBe(250n);
  expect(registers[18]).toBe(500_000n);
  expect(registers[19]).toBe(499_500n);
});

test("what is interpreted in a call makes its caller's floating point illegal", () => {
  const { registers } = agree(`
  li t0, 0x6000
  csrs mstatus, t0       # FS on
  li s0, 200
again:
  call round
  fadd.d f1, f1, f2      # rounds as frm says, or is illegal
  addi s0, s0, -1
  bnez s0, again
  j done
round:
  andi t0, s0, 1
  li t1, 5               # no rounding mode
  mul t0, t0, t1
  csrw frm, t0
  ret
done:`);
  expect(registers[26]).toBe(100n);
});

test("a jump out of nested calls, and one that returns twice", () => {
  agree(`
  li s0, 300
again:
  mv s3, sp
  la s4, landed
  call one
landed:
  add s1, s1, a0
  mv sp, s3
  addi s0, s0, -1
  bnez s0, again
  j done
one:
  addi sp, sp, -32
  call two
  j fail
two:
  addi sp, sp, -32
  andi a0, s0, 3
  call three
  j fail
three:
  addi sp, sp, -32
  jr s4                  # past two callers
fail:
  addi s2, s2, 1
  j done
done:`);
});

test("loads and stores of a device in a hot loop", () => {
  const { accesses } = agree(`
  li s0, 500
  li t0, ${DEVICE}
loop:
  lw t1, 4(t0)
  add s1, s1, t1
  sw s0, 8(t0)
  lbu t2, 12(t0)
  sh s1, 16(t0)
  addi s0, s0, -1
  bnez s0, loop`);
  expect(accesses).toHaveLength(2000);
});

test("accesses off one register that do not fit one page", () => {
  agree(`
  li s0, 400
  li t0, ${RAM + 0x8_0ff0}
loop:
  sd s0, 0(t0)
  sd s1, 8(t0)
  sd s0, 16(t0)          # on the next page
  ld t1, 12(t0)          # on both
  add s1, s1, t1
  sw s1, 14(t0)
  lhu t2, 17(t0)
  add s1, s1, t2
  addi s0, s0, -1
  bnez s0, loop`);
});

test("an object across two pages, in a hot loop", () => {
  const rounds = 60_000;
  const program = `${HANDLER}
  li s0, ${RAM + 0x20_0000 - 16}
  li s1, ${rounds}
again:
  ld t0, 0(s0)
  ld t1, 24(s0)
  add t0, t0, t1
  addi t0, t0, 3
  sd t0, 8(s0)
  sd t0, 24(s0)
  lw t2, 14(s0)          # lies across them by itself
  add s2, s2, t2
  addi s1, s1, -1
  bnez s1, again
${END}`;
  const expected = finish(program, { translate: "never" });
  let ticks = 0;
  const actual = finish(program, {
    translate: "eager",
    slice: 5000,
    // 10 ms pass in a slice.
    time: () => ticks,
    afterSlice: () => {
      ticks += 100_000;
    },
  });
  expect(actual.registers).toEqual(expected.registers);
  expect(actual.instructions).toBe(expected.instructions);
  expect(Buffer.compare(actual.memory, expected.memory)).toBe(0);
  // The loop is translated with a window, and then again without.
  expect(actual.machine.hart.translation?.dropped.replaced).toBeGreaterThan(0);
});

test("stores into the code that is running, and into the code around it", () => {
  agree(`
  li s0, 300
  la s2, patched
  li s3, 0x00148493      # addi s1, s1, 1
  li s4, 0x00548493      # addi s1, s1, 5
loop:
  sw s3, 0(s2)
  fence.i
patched:
  addi s1, s1, 0
  xor s3, s3, s4
  xor s4, s3, s4
  xor s3, s3, s4
  addi s0, s0, -1
  bnez s0, loop`);
});

test("pages of code that are mapped elsewhere", () => {
  const [one, two] = [RAM + 0x10_0000, RAM + 0x11_0000];
  const addi = (imm: number): number => (imm << 20) | 0x0004_8493;
  const { registers } = agree(`
  li t0, ${one}
  li t1, ${addi(1)}
  sw t1, 0(t0)
  li t1, 0x8067          # ret
  sw t1, 4(t0)
  li t0, ${two}
  li t1, ${addi(10)}
  sw t1, 0(t0)
  li t1, 0x8067
  sw t1, 4(t0)
  fence.i
  ${PAGING}
  ${TO_SUPERVISOR}
  li s0, 200
  li s2, ${ENTRY}
  li s3, ${pageAt(one)}
  li s4, ${pageAt(two)}
  li s5, ${PAGED}
loop:
  sd s3, 0(s2)
  sfence.vma s5, zero
  jalr ra, 0(s5)
  jalr ra, 0(s5)
  sd s4, 0(s2)
  sfence
  jalr ra, 0(s5)
  addi s0, s0, -1
  bnez s0, loop
  ecall`);
  expect(registers[9]).toBe(200n * 12n);
});

test("one page of code at two addresses", () => {
  const code = RAM + 0x10_0000;
  const { registers } = agree(`
  li t0, ${code}
  li t1, 0x00000517      # auipc a0, 0
  sw t1, 0(t0)
  li t1, 0x00a484b3      # add s1, s1, a0
  sw t1, 4(t0)
  li t1, 0x8067
  sw t1, 8(t0)
  fence.i
  ${PAGING}
  li t0, ${ENTRY}
  li t1, ${pageAt(code)}
  sd t1, 0(t0)
  sd t1, 24(t0)
  sfence
  ${TO_SUPERVISOR}
  li s0, 200
  li s5, ${PAGED}
  li s6, ${PAGED + 0x3000}
loop:
  jalr ra, 0(s5)
  jalr ra, 0(s6)
  addi s0, s0, -1
  bnez s0, loop
  ecall`);
  expect(registers[9]).toBe(200n * (2n * BigInt(PAGED) + 0x3000n));
});

test("permissions that change in a loop", () => {
  const { registers } = agree(`
  ${PAGING}
  ${TO_SUPERVISOR}
  li s0, 100
  li s2, ${ENTRY}
  li s3, ${pageAt(RAM + 0x10_0000)}
  andi s4, s3, -8        # no W, no X
  ori s4, s4, 3
  li s5, ${PAGED}
loop:
  sd s3, 0(s2)
  sfence.vma s5, zero
  sd s0, 0(s5)
  sd s0, 8(s5)
  ld s6, 0(s5)
  sd s4, 0(s2)
  sfence.vma s5, zero
  ld s7, 8(s5)
  sd s6, 8(s5)           # refused
  ld s8, 8(s5)
  add s1, s1, s8
  addi s0, s0, -1
  bnez s0, loop
  ecall`);
  // The refused stores, the ECALL, and minstret, which is not S-mode's.
  expect(registers[26]).toBe(102n);
});
