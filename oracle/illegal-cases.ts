/** Words that the table calls illegal: QEMU must trap on every one of them too. */
import { decode, newDecoded } from "../src/isa/decoder.ts";
import { ROWS } from "../src/isa/table.ts";
import { Case, type Group } from "./cases.ts";
import type { Random } from "./random.ts";

const decoded = newDecoded();

function isIllegal(bits: number): boolean {
  decode(bits, decoded);
  return decoded.row === undefined;
}

/** All of them: there are few enough. */
const COMPRESSED = Array.from({ length: 0x1_0000 }, (_, bits) => bits).filter(
  (bits) => (bits & 3) !== 3 && isIllegal(bits),
);

function illegalCase(bits: number, random: Random): Case {
  const c = new Case(random);
  c.setStatus("M", 3n);
  c.setFcsr(0, 0);
  c.place(bits);
  return c.finish();
}

/** A legal encoding with one or two of its fixed bits changed, or anything at all. */
function candidate(random: Random): number {
  if (random.chance(30)) return (random.u32() | 3) >>> 0;
  const { mask, match } = random.pick(ROWS).pattern;
  let bits = match | (random.u32() & ~mask);
  for (let k = 1 + random.below(2); k > 0; k--) bits ^= 1 << (2 + random.below(30));
  return (bits | 3) >>> 0;
}

export const ILLEGAL_GROUPS: readonly Group[] = [
  {
    name: "illegal 16-bit words",
    count: COMPRESSED.length,
    make: (index, random) => illegalCase(COMPRESSED[index], random),
  },
  {
    name: "illegal 32-bit words",
    count: 6000,
    make(_index, random) {
      for (;;) {
        const bits = candidate(random);
        if (isIllegal(bits)) return illegalCase(bits, random);
      }
    },
  },
];
