/** The bytes of a request, some of them marked. */
import type { JSX } from "preact";
import { HexLine } from "./hex-line.tsx";
import { ROW_BYTES } from "./hex-rows.ts";

export interface HexDumpProps {
  readonly label: string;
  readonly bytes: Uint8Array;
  /** Of all that there are: how many more is said. */
  readonly total: number;
  /** Marked from `start` to before `end`. */
  readonly start: number;
  readonly end: number;
}

export function HexDump({ label, bytes, total, start, end }: HexDumpProps): JSX.Element {
  const lines = Math.ceil(bytes.length / ROW_BYTES);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by the keyboard too.
    <section class="hex-dump" aria-label={label} tabIndex={0}>
      <h4>{label}</h4>
      {Array.from({ length: lines }, (_, line) => line * ROW_BYTES).map((at) => (
        <HexLine
          key={at}
          address={at.toString(16).padStart(4, "0")}
          bytes={[...bytes.subarray(at, at + ROW_BYTES)]}
          marked={{ start: start - at, end: end - at }}
        />
      ))}
      {total > bytes.length && <p class="kit-aside">{`${total - bytes.length} more bytes`}</p>}
    </section>
  );
}
