/** Addresses of links and networks as text. */
import { readU16 } from "../../packet/bytes.ts";
import { hexBytes } from "../hex.ts";

export const MAC_BYTES = 6;
export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;

/** Who talks to whom, for the summaries of what is inside. */
export interface Ends {
  readonly source: string;
  readonly target: string;
}

export function macText(bytes: Uint8Array): string {
  return hexBytes(bytes, ":");
}

export function ipv4Text(bytes: Uint8Array): string {
  return bytes.join(".");
}

/** As RFC 5952 has it: the first of the longest runs of zeros is left out. */
export function ipv6Text(bytes: Uint8Array): string {
  const words = Array.from({ length: IPV6_BYTES / 2 }, (_, i) => readU16(bytes, 2 * i));
  let best = { start: 0, length: 0 };
  for (let start = 0; start < words.length; start++) {
    let end = start;
    while (end < words.length && words[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  const text = (part: readonly number[]) => part.map((word) => word.toString(16)).join(":");
  if (best.length < 2) return text(words);
  const { start, length } = best;
  return `${text(words.slice(0, start))}::${text(words.slice(start + length))}`;
}
