import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bareMachine } from "../cpu/testing/bare-machine.ts";
import { encode } from "../isa/assembler.ts";
import { type AccessKind, refusalOf, type TranslationState, walkPage } from "./page-walk.ts";

const RAM = 0x8000_0000;
const RAM_BYTES = 0x10_0000;
/** Tables, then pages of data, all in RAM. */
const TABLES = Array.from({ length: 6 }, (_, k) => RAM + 0x1_0000 + k * 0x1000);
const DATA = RAM + 0x8_0000;
/** Entries of each table that are set. */
const USED = 3;
const EBREAK = 0x0010_0073;

const [A0, A1, A2, A3, A4, A5, T0] = [10, 11, 12, 13, 14, 15, 5];
const csrw = (csr: number, rs1: number) => encode("csrrw", { rd: 0, csr, rs1 });
const ACCESS_AT = RAM + 0x100;
const TRAP_AT = RAM + 0x200;
const HANG = encode("jal", { rd: 0, imm: 0 });

/** The hart itself: M-mode accesses with the mode, satp, mstatus and menvcfg that it is given. */
const machine = bareMachine({ ramBytes: RAM_BYTES, translate: "never" });
const SET_UP = [
  encode("addi", { rd: T0, rs1: 0, imm: -1 }),
  csrw(0x3b0, T0),
  encode("addi", { rd: T0, rs1: 0, imm: 0x1f }),
  csrw(0x3a0, T0),
  encode("auipc", { rd: T0, imm: 0 }),
  encode("addi", { rd: T0, rs1: T0, imm: 0x200 - 16 }),
  csrw(0x305, T0),
  csrw(0x180, A0),
  csrw(0x30a, A2),
  encode("sfence.vma", { rs1: 0, rs2: 0 }),
  csrw(0x341, A3),
  csrw(0x300, A1),
];
const ACCESS: Record<AccessKind, number[]> = {
  read: [encode("lbu", { rd: A4, rs1: A3, imm: 0 }), HANG],
  write: [encode("sb", { rs1: A3, rs2: 0, imm: 0 }), HANG],
  execute: [encode("mret", {})],
};
const MODE_BITS = { S: 1n, U: 0n } as const;
const Fault = {
  access: { read: 5n, write: 7n, execute: 1n },
  page: { read: 13n, write: 15n, execute: 12n },
};
const BREAKPOINT = 3n;

interface Case {
  readonly state: TranslationState & { readonly mode: "S" | "U" };
  readonly va: bigint;
  readonly entries: readonly (readonly bigint[])[];
  readonly access: AccessKind;
}

function prepare({ entries }: Case): void {
  for (let at = DATA; at < DATA + 0x4_0000; at += 4) machine.memory.writeU32(at, EBREAK);
  for (const [table, values] of entries.entries()) {
    const bytes = machine.memory.writable(TABLES[table], 4096)!;
    const data = new DataView(bytes.buffer, bytes.byteOffset);
    for (const [k, value] of values.entries()) data.setBigUint64(8 * k, value, true);
  }
}

/** mcause after the access, or undefined if there was no trap; and what was loaded. */
function ask({ state, va, access }: Case): { cause: bigint | undefined; loaded: bigint } {
  const { hart } = machine;
  const bits = state.mstatus | (MODE_BITS[state.mode] << 11n);
  // Fetches are translated by the mode itself, after MRET; loads by MPRV.
  const mstatus = access === "execute" ? bits : bits | (1n << 17n);
  hart.reset({ pc: RAM, mode: "M", a0: 0, a1: 0 });
  const program = [...SET_UP, ...ACCESS[access]];
  machine.program(RAM, program);
  machine.program(TRAP_AT, [encode("csrrs", { rd: A5, csr: 0x342, rs1: 0 }), HANG]);
  expect(RAM + program.length * 4).toBeLessThan(ACCESS_AT);
  for (const [index, value] of [
    [A0, state.satp],
    [A1, mstatus],
    [A2, state.menvcfg],
    [A3, va],
  ] as const) {
    hart.setX(index, value);
  }
  hart.step(program.length + 4);
  const cause = hart.getX(A5);
  return { cause: cause === 0n ? undefined : cause, loaded: hart.getX(A4) };
}

const flags = fc
  .oneof(fc.constantFrom(0xcf, 0xdf, 0x5b, 0x43, 0x0f), fc.nat(0xff))
  .map((low) => BigInt(low) | 1n);
const rare = <T>(value: fc.Arbitrary<T>, otherwise: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary: value });
const ppnOf = (address: number): bigint => BigInt(address >>> 12) << 10n;
const pointer = fc.nat(TABLES.length - 1).map((table) => ppnOf(TABLES[table]) | 1n);
const leaf = fc
  .tuple(
    fc.constantFrom(
      DATA,
      DATA + 0x3000,
      DATA + 0x8000,
      DATA + 0x1_8000,
      RAM,
      RAM + 0x4000_0000,
      0x4000_0000,
      0,
    ),
    flags,
    rare(fc.nat(3), 0),
    rare(fc.boolean(), false),
  )
  .map(
    ([page, bits, pbmt, isNapot]) =>
      ppnOf(page) | bits | (BigInt(pbmt) << 61n) | (isNapot ? 1n << 63n : 0n),
  );
const entry = fc.oneof(
  { weight: 5, arbitrary: pointer },
  { weight: 5, arbitrary: leaf },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
);

const cases: fc.Arbitrary<Case> = fc
  .record({
    scheme: fc.constantFrom(8n, 9n, 10n),
    mode: fc.constantFrom("S" as const, "U" as const),
    sum: fc.boolean(),
    mxr: fc.boolean(),
    adue: fc.boolean(),
    pbmte: fc.boolean(),
    places: fc.array(fc.nat(USED - 1), { minLength: 5, maxLength: 5 }),
    offset: fc.nat(0xfff),
    top: rare(fc.nat(0xffff), 0),
    entries: fc.array(fc.array(entry, { minLength: USED, maxLength: USED }), {
      minLength: TABLES.length,
      maxLength: TABLES.length,
    }),
    // Tables that lead somewhere on the way of the address; chance alone seldom does.
    depth: fc.nat(5),
    page: leaf,
    access: fc.constantFrom<AccessKind>("read", "write", "execute"),
  })
  .map(
    ({
      scheme,
      mode,
      sum,
      mxr,
      adue,
      pbmte,
      places,
      offset,
      top,
      entries,
      depth,
      page,
      access,
    }) => {
      const levels = Number(scheme) - 5;
      // Instructions are aligned.
      let va = BigInt(access === "execute" ? offset & ~3 : offset) | (BigInt(top) << 48n);
      for (let level = 0; level < levels; level++)
        va |= BigInt(places[level]) << BigInt(12 + 9 * level);
      const last = Math.min(depth, levels - 1);
      const path = entries.map((values) => [...values]);
      for (let k = 0; k < last; k++) path[k][places[levels - 1 - k]] = ppnOf(TABLES[k + 1]) | 1n;
      if (last === levels - 1) path[last][places[0]] = page;
      const satp = (scheme << 60n) | BigInt(TABLES[0] >>> 12);
      const mstatus = (sum ? 1n << 18n : 0n) | (mxr ? 1n << 19n : 0n);
      const menvcfg = (adue ? 1n << 61n : 0n) | (pbmte ? 1n << 62n : 0n);
      return { state: { mode, satp, mstatus, menvcfg }, va, entries: path, access };
    },
  );

describe("a page walk", () => {
  it("comes to what the hart's own does, and leaves memory alone", () => {
    let mapped = 0;
    fc.assert(
      fc.property(cases, (given) => {
        prepare(given);
        const before = machine.memory.view(RAM, RAM_BYTES)!.slice();
        const walk = walkPage(machine.memory, given.state, given.va);
        expect(Buffer.compare(before, machine.memory.view(RAM, RAM_BYTES)!)).toBe(0);
        const { access } = given;
        const { cause, loaded } = ask(given);
        const lacksEntry = walk.entries.some(({ value }) => value === undefined);
        const refused = refusalOf(walk, access, given.state) !== undefined;
        if (lacksEntry) expect(cause).toBe(Fault.access[access]);
        else if (refused) expect(cause).toBe(Fault.page[access]);
        else {
          const physical = Number(walk.page!.physical);
          const isRam = machine.memory.contains(physical, 1);
          const done = access === "execute" ? BREAKPOINT : undefined;
          if (isRam && physical >= DATA) {
            mapped++;
            expect(cause).toBe(done);
            if (access === "read") expect(loaded).toBe(BigInt(before[physical - RAM]));
          } else if (!isRam) expect(cause).toBe(Fault.access[access]);
        }
      }),
      { numRuns: 600 },
    );
    // Otherwise the tables are too wild to say anything.
    expect(mapped).toBeGreaterThan(20);
  });

  it("ends where tables lead in a circle", () => {
    const view = machine.memory.writable(TABLES[0], 4096)!;
    new DataView(view.buffer, view.byteOffset).setBigUint64(0, ppnOf(TABLES[0]) | 1n, true);
    const satp = (10n << 60n) | BigInt(TABLES[0] >>> 12);
    const walk = walkPage(machine.memory, { mode: "S", satp, mstatus: 0n, menvcfg: 0n }, 0n);
    expect(walk.entries).toHaveLength(5);
    expect(walk.fault).toBe("the last level has a pointer, not a page");
  });

  it("names flags, superpages and memory types", () => {
    const view = machine.memory.writable(TABLES[0], 4096)!;
    const entryBits = ppnOf(RAM) | 0xefn | (1n << 61n);
    new DataView(view.buffer, view.byteOffset).setBigUint64(16, entryBits, true);
    const satp = (8n << 60n) | BigInt(TABLES[0] >>> 12);
    const state = { mode: "S", satp, mstatus: 0n, menvcfg: 1n << 62n } as const;
    const walk = walkPage(machine.memory, state, (2n << 30n) + 0x1234n);
    expect(walk.entries[0].flags).toEqual(["V", "R", "W", "X", "G", "A", "D", "NC"]);
    expect(walk.page).toMatchObject({
      physical: 0x8000_1234n,
      base: 0x8000_0000n,
      bytes: 1n << 30n,
    });
    const without = walkPage(machine.memory, { ...state, menvcfg: 0n }, 2n << 30n);
    expect(without.fault).toBe("PBMT is set, but menvcfg.PBMTE is not");
    expect(walkPage(machine.memory, state, 1n << 40n).fault).toContain("bit 38");
  });
});
