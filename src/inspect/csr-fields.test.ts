import { describe, expect, it } from "vitest";
import { causeName, fieldsOf } from "./csr-fields.ts";
import { CSR_LIST, csrName } from "./hart-state.ts";

const texts = (name: string, value: bigint) =>
  Object.fromEntries(fieldsOf(name, value).map(({ name, value, text }) => [name, text ?? value]));

describe("fields of CSRs", () => {
  it("have the names and numbers of the hart's own table", () => {
    expect(csrName(0x180)).toBe("satp");
    expect(new Set(CSR_LIST.map(({ number }) => number)).size).toBe(CSR_LIST.length);
  });

  it("are decoded", () => {
    expect(texts("satp", (10n << 60n) | 0x80123n)).toEqual({
      MODE: "Sv57",
      ASID: 0n,
      PPN: "table at 0x80123000",
    });
    const status = texts("mstatus", 0x8000_000a_0000_7902n);
    expect(status).toMatchObject({ SIE: 1n, MIE: 0n, SPP: "S", MPP: "M", FS: "dirty", SD: 1n });
    expect(status).toMatchObject({ UXL: "64", SXL: "64" });
    expect(texts("sip", 0x222n)).toMatchObject({ SSIP: 1n, STIP: 1n, SEIP: 1n, MEIP: 0n });
    expect(texts("menvcfg", 1n << 63n)).toMatchObject({ STCE: 1n, ADUE: 0n });
    expect(texts("pmpcfg0", 0x1fn)).toMatchObject({ pmp0cfg: "NAPOT RWX", pmp1cfg: "OFF" });
    expect(texts("misa", (2n << 62n) | 0x14112dn)).toEqual({ MXL: "64", Extensions: "ACDFIMSU" });
    expect(texts("fcsr", 0xe3n)).toMatchObject({ NX: 1n, UF: 1n, OF: 0n });
    expect(fieldsOf("sscratch", 1n)).toEqual([]);
  });

  it("do not overlap, and stay in the register", () => {
    for (const { name } of CSR_LIST) {
      let last = 64;
      for (const { high, low } of fieldsOf(name, (1n << 64n) - 1n)) {
        expect(high, name).toBeLessThan(last);
        last = low;
      }
    }
  });

  it("name causes", () => {
    expect(causeName(13n)).toBe("load page fault");
    expect(causeName((1n << 63n) | 5n)).toBe("supervisor timer interrupt");
    expect(causeName((1n << 63n) | 13n)).toBe("interrupt 13");
    expect(causeName(60n)).toBe("exception 60");
  });
});
