/** The bytes of a request, some of them marked. */
import type { JSX } from "preact";
import { useMedia } from "../media.ts";
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

/** On a telephone's screen rows are half as long. */
const NARROW = "(max-width: 480px)";

export function HexDump({ label, bytes, total, start, end }: HexDumpProps): JSX.Element {
  const rowBytes = useMedia(NARROW) ? ROW_BYTES / 2 : ROW_BYTES;
  const lines = Math.ceil(bytes.length / rowBytes);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by the keyboard too.
    <section class="hex-dump" aria-label={label} tabIndex={0}>
      <h4>{label}</h4>
      {Array.from({ length: lines }, (_, line) => line * rowBytes).map((at) => (
        <HexLine
          key={at}
          address={at.toString(16).padStart(4, "0")}
          bytes={[...bytes.subarray(at, at + rowBytes)]}
          rowBytes={rowBytes}
          marked={{ start: start - at, end: end - at }}
        />
      ))}
      {total > bytes.length && <p class="kit-aside">{`${total - bytes.length} more bytes`}</p>}
    </section>
  );
}
