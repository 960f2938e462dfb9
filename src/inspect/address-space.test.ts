import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { GuestMemory } from "../memory/guest-memory.ts";
import { readVirtual, translate, writeVirtual } from "./address-space.ts";

const RAM = 0x8000_0000;
const BYTES = 1 << 20;
const SV39 = 8n << 60n;
const satpOf = (mode: bigint, root: number) => (mode << 60n) | BigInt(root >>> 12);
const [V, R, W, X] = [1n, 2n, 4n, 8n];

let memory: GuestMemory;
const setPte = (at: number, pte: bigint) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, pte), true);
  memory.write(at, bytes);
};
const pointer = (to: number) => (BigInt(to >>> 12) << 10n) | V;

beforeEach(() => {
  memory = new GuestMemory({ buffer: new ArrayBuffer(BYTES) }, [
    { base: RAM, size: BYTES, offset: 0 },
  ]);
});

describe("translate", () => {
  const space = { mode: "S", satp: satpOf(8n, RAM + 0x1000) } as const;

  it("gives addresses back as they are in M-mode and with Bare", () => {
    expect(translate(memory, 0x8000_1234n, { mode: "M", satp: SV39 }).physical).toBe(0x8000_1234);
    expect(translate(memory, 0x8000_1234n, { mode: "S", satp: 0n }).physical).toBe(0x8000_1234);
    expect(translate(memory, 1n << 56n, { mode: "S", satp: 0n }).fault).toMatch(/beyond/);
  });

  it("walks Sv39 and tells every step", () => {
    setPte(RAM + 0x1000, pointer(RAM + 0x2000));
    setPte(RAM + 0x2000 + 8, pointer(RAM + 0x3000));
    setPte(RAM + 0x3000 + 16, pointer(RAM + 0x5000) | R | W);
    const found = translate(memory, 0x20_2abcn, space);
    expect(found).toMatchObject({ scheme: "Sv39", physical: RAM + 0x5abc, pageBytes: 4096 });
    expect(found.bytesLeft).toBe(4096 - 0xabc);
    expect(found.steps.map(({ level, index }) => [level, index])).toEqual([
      [2, 0],
      [1, 1],
      [0, 2],
    ]);
    expect(found.flags).toMatchObject({ r: true, w: true, x: false, a: false, pbmt: "PMA" });
  });

  it("walks Sv48 and Sv57 from higher up", () => {
    setPte(RAM + 0x1000, pointer(RAM + 0x1000));
    for (const [mode, levels] of [
      [9n, 4],
      [10n, 5],
    ] as const) {
      const { steps, fault } = translate(memory, 0n, { mode: "S", satp: satpOf(mode, RAM + 4096) });
      expect(steps).toHaveLength(levels);
      expect(fault).toMatch(/another table/);
    }
  });

  it("knows superpages, and refuses those that are misaligned", () => {
    setPte(RAM + 0x1000, pointer(0x8000_0000) | R | X);
    expect(translate(memory, 0x1234_5678n, space)).toMatchObject({
      physical: 0x9234_5678,
      pageBytes: 1 << 30,
    });
    setPte(RAM + 0x1000, pointer(RAM + 0x1000) | R);
    expect(translate(memory, 0n, space).fault).toMatch(/misaligned/);
  });

  it("knows groups of pages", () => {
    setPte(RAM + 0x1000, pointer(RAM + 0x2000));
    setPte(RAM + 0x2000, pointer(RAM + 0x3000));
    setPte(RAM + 0x3000 + 3 * 8, pointer(RAM + 0x18000) | R | (1n << 63n));
    expect(translate(memory, 0x3010n, space)).toMatchObject({
      physical: RAM + 0x13010,
      pageBytes: 0x1_0000,
    });
  });

  it("says why an address is not mapped", () => {
    expect(translate(memory, 0n, space).fault).toMatch(/V is 0 at level 2/);
    expect(translate(memory, 1n << 40n, space).fault).toMatch(/bits 63 to 39/);
    setPte(RAM + 0x1000, V | W);
    expect(translate(memory, 0n, space).fault).toMatch(/W without R/);
    setPte(RAM + 0x1000, pointer(0x1000));
    expect(translate(memory, 0n, space).fault).toMatch(/not in memory/);
    expect(translate(memory, 0n, { mode: "S", satp: 5n << 60n }).fault).toMatch(/reserved/);
  });

  it("ends for any tables and any address, and changes nothing", () => {
    fc.assert(
      fc.property(
        fc.noShrink(fc.uint8Array({ minLength: 0x1000, maxLength: 0x1000 })),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.constantFrom(8n, 9n, 10n),
        (tables, va, mode) => {
          memory.write(RAM, tables);
          const before = memory.view(RAM, 0x1000)?.slice();
          const { steps, physical, fault } = translate(memory, va, {
            mode: "U",
            satp: satpOf(mode, RAM),
          });
          expect(steps.length).toBeLessThanOrEqual(5);
          expect(physical === undefined).toBe(fault !== undefined);
          expect(memory.view(RAM, 0x1000)).toEqual(before);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("readVirtual and writeVirtual", () => {
  const space = { mode: "S", satp: satpOf(8n, RAM + 0x1000) } as const;
  beforeEach(() => {
    setPte(RAM + 0x1000, pointer(RAM + 0x2000));
    setPte(RAM + 0x2000, pointer(RAM + 0x3000));
    setPte(RAM + 0x3000, pointer(RAM + 0x8000) | R);
    setPte(RAM + 0x3000 + 8, pointer(RAM + 0x6000) | R);
  });

  it("cross pages that are apart", () => {
    expect(writeVirtual(memory, space, 0xffen, Uint8Array.of(1, 2, 3, 4))).toBe(true);
    expect(memory.readU16(RAM + 0x8ffe)).toBe(0x0201);
    expect(memory.readU16(RAM + 0x6000)).toBe(0x0403);
    expect([...readVirtual(memory, space, 0xffdn, 5)]).toEqual([0, 1, 2, 3, 4]);
  });

  it("end where memory does, and write nothing if not all of it is there", () => {
    expect(readVirtual(memory, space, 0x1ffen, 8)).toHaveLength(2);
    expect(readVirtual(memory, space, 0x2000n, 8)).toHaveLength(0);
    expect(writeVirtual(memory, space, 0x1ffen, Uint8Array.of(1, 2, 3, 4))).toBe(false);
    expect(memory.readU16(RAM + 0x6ffe)).toBe(0);
  });
});
