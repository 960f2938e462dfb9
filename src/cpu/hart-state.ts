/**
 * What a saved machine keeps of a hart: what the specifications call its state, and nothing that is
 * derived from it, such as TLB, decoded or translated code. It is named, so that the struct in memory
 * may change.
 */
import {
  F_BASE,
  FIELD,
  HART_MEMORY_BYTES,
  NARROW_STATE,
  PMP,
  PMP_ENTRIES,
  WIDE_STATE,
  X_BASE,
} from "./layout.ts";
import { Mode } from "./state.ts";

const REGISTERS = 32;

type Named<K extends string, T> = { readonly [name in K]: T };

/** Structured-clonable state between two runs, version 1. */
export interface HartState {
  readonly version: 1;
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly wide: Named<(typeof WIDE_STATE)[number], bigint>;
  readonly narrow: Named<(typeof NARROW_STATE)[number], number>;
  readonly pmpcfg: readonly number[];
  readonly pmpaddr: readonly bigint[];
  /** Where LR's bytes are, from the start of RAM on in the linear memory; -1 without a reservation. */
  readonly reservation: number;
  /** Instructions retired since power-on. */
  readonly executed: number;
}

export function saveHart(data: DataView, executed: number): HartState {
  const host = data.getUint32(FIELD.reservationHost, true);
  return {
    version: 1,
    x: range(REGISTERS, (i) => (i === 0 ? 0n : data.getBigUint64(X_BASE + i * 8, true))),
    f: range(REGISTERS, (i) => data.getBigUint64(F_BASE + i * 8, true)),
    wide: named(WIDE_STATE, (name) => data.getBigUint64(FIELD[name], true)),
    narrow: named(NARROW_STATE, (name) => data.getUint32(FIELD[name], true)),
    pmpcfg: range(PMP_ENTRIES, (i) => data.getUint8(PMP.cfg + i)),
    pmpaddr: range(PMP_ENTRIES, (i) => data.getBigUint64(PMP.addr + i * 8, true)),
    reservation: host === 0 ? -1 : host - HART_MEMORY_BYTES,
    executed,
  };
}

/**
 * Puts a state into a struct that has been reset; what is derived is the caller's to renew.
 * @throws RangeError for a state that no hart can have
 */
export function loadHart(data: DataView, state: HartState): void {
  const { reservation } = state;
  const room = data.byteLength - HART_MEMORY_BYTES;
  const isMode = [Mode.U, Mode.S, Mode.M].some((mode) => mode === state.narrow.mode);
  if (!isMode || !(reservation >= -1 && reservation <= room - 8)) {
    throw new RangeError("no hart can have this state");
  }
  state.x.slice(1, REGISTERS).forEach((value, i) => {
    data.setBigUint64(X_BASE + (i + 1) * 8, value, true);
  });
  state.f.slice(0, REGISTERS).forEach((value, i) => {
    data.setBigUint64(F_BASE + i * 8, value, true);
  });
  for (const name of WIDE_STATE) data.setBigUint64(FIELD[name], state.wide[name], true);
  for (const name of NARROW_STATE) data.setUint32(FIELD[name], state.narrow[name], true);
  for (let i = 0; i < PMP_ENTRIES; i++) {
    data.setUint8(PMP.cfg + i, state.pmpcfg[i]);
    data.setBigUint64(PMP.addr + i * 8, state.pmpaddr[i], true);
  }
  const host = reservation < 0 ? 0 : HART_MEMORY_BYTES + reservation;
  data.setUint32(FIELD.reservationHost, host, true);
}

function range<T>(count: number, of: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => of(index));
}

function named<K extends string, T>(names: readonly K[], of: (name: K) => T): Named<K, T> {
  return Object.fromEntries(names.map((name) => [name, of(name)])) as Named<K, T>;
}
