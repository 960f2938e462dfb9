/** Bytes in base 16 with their characters beside them, some of them marked. */
import type { JSX } from "preact";

export interface HexDumpProps {
  readonly label: string;
  readonly bytes: Uint8Array;
  /** Of all that there are: how many more is said. */
  readonly total: number;
  /** Marked from `start` to before `end`. */
  readonly start: number;
  readonly end: number;
}

const ROW = 16;

export function HexDump({ label, bytes, total, start, end }: HexDumpProps): JSX.Element {
  const rows = Math.ceil(bytes.length / ROW);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by the keyboard too.
    <section class="hex-dump" aria-label={label} tabIndex={0}>
      <h4>{label}</h4>
      <pre>
        {Array.from({ length: rows }, (_, row) => (
          <HexRow key={row} bytes={bytes} at={row * ROW} start={start} end={end} />
        ))}
      </pre>
      {total > bytes.length && <p class="hex-more">{`${total - bytes.length} more bytes`}</p>}
    </section>
  );
}

interface HexRowProps {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

function HexRow({ bytes, at, start, end }: HexRowProps): JSX.Element {
  const row = bytes.subarray(at, at + ROW);
  const from = Math.min(Math.max(start - at, 0), row.length);
  const to = Math.min(Math.max(end - at, from), row.length);
  const parts = [row.subarray(0, from), row.subarray(from, to), row.subarray(to)] as const;
  const hex = parts.map((part) => Array.from(part, hexOf).join(" "));
  const gap = (i: number): string => (parts[i].length > 0 ? " " : "");
  const pad = "   ".repeat(ROW - row.length);
  return (
    <div>
      <span class="hex-at">{at.toString(16).padStart(4, "0")}</span>
      {"  "}
      {hex[0]}
      {gap(0)}
      {to > from && <mark>{hex[1]}</mark>}
      {gap(1)}
      {hex[2]}
      {gap(2)}
      {pad} {textOf(parts[0])}
      {to > from && <mark>{textOf(parts[1])}</mark>}
      {textOf(parts[2])}
    </div>
  );
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** What is no printable ASCII is a dot. */
function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
  ).join("");
}
