/** Physical memory protection (Privileged Architecture 3.7): the check, and the registers' writes. */
import { br, type Func, i32, i64, label, loop, ret, set, when } from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import { PMP, PMP_ENTRIES } from "./layout.ts";
import { get32, Mode } from "./state.ts";

/** Kinds of access, with the bit values of pmpcfg; a PTE has the same bits one place up. */
export const Access = { read: 1, write: 2, execute: 4 } as const;

const LOCKED = 0x80;
const ADDRESS_MODE = 0x18;
const WRITABLE_CFG = 0x9f;

export interface PmpFunctions {
  /** (first, last, access, mode): whether all bytes may be accessed. */
  readonly check: Func<"i32">;
  /** (first, last): whether no entry covers only a part of the bytes. */
  readonly uniform: Func<"i32">;
}

export function definePmp(module: ModuleBuilder): PmpFunctions {
  const check = module.define(
    "pmp_check",
    ["i64", "i64", "i32", "i32"],
    "i32",
    (first, last, access, mode) => {
      const [range, left, cfg] = [i32.local(), i32.local(), i32.local()];
      const next = label("next");
      const granted = i32.ne(i32.and(cfg, access), 0);
      return [
        set(range, PMP.ranges),
        set(left, get32("pmpActive")),
        loop(next, [
          when(left, [
            // The first entry that touches any byte decides, and must cover all of them.
            when(i32.and(i64.le_u(i64.load(range, 0), last), i64.ge_u(i64.load(range, 8), first)), [
              set(cfg, i32.load(range, 16)),
              when(
                i32.or(i64.gt_u(i64.load(range, 0), first), i64.lt_u(i64.load(range, 8), last)),
                [ret(i32.const(0))],
              ),
              when(i32.and(i32.eq(mode, Mode.M), i32.eqz(i32.and(cfg, LOCKED))), [
                ret(i32.const(1)),
              ]),
              ret(granted),
            ]),
            set(range, i32.add(range, PMP.rangeBytes)),
            set(left, i32.sub(left, 1)),
            br(next),
          ]),
        ]),
        ret(i32.eq(mode, Mode.M)),
      ];
    },
  );
  const uniform = module.define("pmp_uniform", ["i64", "i64"], "i32", (first, last) => {
    const [range, left] = [i32.local(), i32.local()];
    const next = label("next");
    return [
      set(range, PMP.ranges),
      set(left, get32("pmpActive")),
      loop(next, [
        when(left, [
          when(i32.and(i64.le_u(i64.load(range, 0), last), i64.ge_u(i64.load(range, 8), first)), [
            // An earlier entry that covers the whole page hides the later ones.
            ret(i32.and(i64.le_u(i64.load(range, 0), first), i64.ge_u(i64.load(range, 8), last))),
          ]),
          set(range, i32.add(range, PMP.rangeBytes)),
          set(left, i32.sub(left, 1)),
          br(next),
        ]),
      ]),
      ret(i32.const(1)),
    ];
  });
  return { check, uniform };
}

/** The registers as software sees them; writes recompute the ranges that the check reads. */
export class PmpRegisters {
  readonly #data: DataView;
  readonly #active: number;

  constructor(data: DataView, activeField: number) {
    this.#data = data;
    this.#active = activeField;
  }

  /** Writes the eight entries of pmpcfg`register` (0 or 2); locked entries keep their value. */
  writeCfg(register: number, value: bigint): void {
    for (let k = 0; k < 8; k++) {
      const entry = register * 4 + k;
      const cfg = Number((value >> BigInt(k * 8)) & 0xffn) & WRITABLE_CFG;
      // Write without read is reserved; the write of such an entry is ignored (3.7.1).
      if (this.#locked(entry) || (cfg & 3) === 2) continue;
      this.#data.setUint8(PMP.cfg + entry, cfg);
    }
    this.update();
  }

  writeAddr(entry: number, value: bigint): void {
    const next = entry + 1;
    const bounds = next < PMP_ENTRIES && this.#locked(next) && this.#mode(next) === 1;
    if (this.#locked(entry) || bounds) return;
    // Physical addresses have 56 bits, of which the register leaves out the low two.
    this.#data.setBigUint64(PMP.addr + entry * 8, value & ((1n << 54n) - 1n), true);
    this.update();
  }

  /** Recomputes the ranges from the registers. */
  update(): void {
    let active = 0;
    for (let entry = 0; entry < PMP_ENTRIES; entry++) {
      const range = this.#range(entry);
      if (range === undefined) continue;
      const at = PMP.ranges + active * PMP.rangeBytes;
      this.#data.setBigUint64(at, range[0], true);
      this.#data.setBigUint64(at + 8, range[1], true);
      this.#data.setUint32(at + 16, this.#data.getUint8(PMP.cfg + entry), true);
      active++;
    }
    this.#data.setUint32(this.#active, active, true);
  }

  /** First and last byte of an entry, or undefined if it is off or empty. */
  #range(entry: number): readonly [bigint, bigint] | undefined {
    const address = this.#address(entry);
    switch (this.#mode(entry)) {
      case 1: {
        const low = entry === 0 ? 0n : this.#address(entry - 1);
        return low < address ? [low << 2n, (address << 2n) - 1n] : undefined;
      }
      case 2:
        return [address << 2n, (address << 2n) + 3n];
      case 3: {
        // NAPOT: the trailing ones give the size; the first zero above them is part of it.
        const ones = address ^ (address + 1n);
        const first = (address & ~ones) << 2n;
        return [first, first + (ones << 2n) + 3n];
      }
      default:
        return undefined;
    }
  }

  #mode(entry: number): number {
    return (this.#data.getUint8(PMP.cfg + entry) & ADDRESS_MODE) >> 3;
  }

  #locked(entry: number): boolean {
    return (this.#data.getUint8(PMP.cfg + entry) & LOCKED) !== 0;
  }

  #address(entry: number): bigint {
    return this.#data.getBigUint64(PMP.addr + entry * 8, true);
  }
}
