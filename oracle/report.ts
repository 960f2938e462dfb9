/** Says what a case was and what went differently. */
import { xName } from "../src/isa/disassembler.ts";
import { listing } from "./cases.ts";
import { comparedBits } from "./exclusions.ts";
import type { Changes } from "./golden.ts";
import { COMPARED_WORDS, Word } from "./layout.ts";

/** The name of a word of the record. */
function wordName(index: number): string {
  if (index === Word.kind) return "trapped";
  if (index < Word.f) return `x${index}`;
  if (index < Word.fcsr) return `f${index - Word.f}`;
  if (index >= Word.scratch) return `scratch[${index - Word.scratch}]`;
  return Object.entries(Word).find(([, at]) => at === index)?.[0] ?? `word ${index}`;
}

const hex = (value: bigint): string => value.toString(16).padStart(16, "0");

/** Words of the result that are not as QEMU left them; empty if the case agrees. */
export function differences(
  group: string,
  input: BigUint64Array,
  golden: Changes,
  result: BigUint64Array,
): number[] {
  const found: number[] = [];
  for (let k = 0; k < COMPARED_WORDS; k++) {
    const difference = result[k] ^ (golden.get(k) ?? input[k]);
    if (difference !== 0n && (difference & comparedBits(group, k)) !== 0n) found.push(k);
  }
  return found;
}

/** Registers that the listing names, with the values they started with. */
function inputsOf(input: BigUint64Array, lines: readonly string[]): string {
  const text = lines.join(" ");
  const state: string[] = [`mstatus=${hex(input[Word.mstatus])}`, `fcsr=${hex(input[Word.fcsr])}`];
  for (const [k, name] of Array.from({ length: 32 }, (_, k) => xName(k)).entries()) {
    if (k > 0 && new RegExp(`\\b${name}\\b`).test(text)) state.push(`${name}=${hex(input[k])}`);
  }
  return state.join(" ");
}

export function report(
  group: string,
  index: number,
  input: BigUint64Array,
  golden: Changes,
  result: BigUint64Array,
): string {
  const lines = listing(input);
  const wrong = differences(group, input, golden, result).map((k) => {
    const wanted = golden.get(k) ?? input[k];
    return `  ${wordName(k)}: QEMU ${hex(wanted)}, here ${hex(result[k])}, before ${hex(input[k])}`;
  });
  return [
    `${group}, case ${index}:`,
    ...lines.map((line) => `  ${line}`),
    `  ${inputsOf(input, lines)}`,
    ...wrong,
  ].join("\n");
}
