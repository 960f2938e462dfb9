/** One line of bytes in base 16 with their characters beside them. */
import "./hex-line.css";
import { Fragment, type JSX } from "preact";
import { hexByte } from "./address-text.ts";
import { asciiOf, type Byte } from "./hex-rows.ts";

export interface HexLineProps {
  readonly address: string;
  /** `rowBytes`, or fewer at the end. */
  readonly bytes: readonly Byte[];
  readonly rowBytes: number;
  /** Bytes that stand out, from one place in the line to before another; both may lie beyond it. */
  readonly marked?: { readonly start: number; readonly end: number } | undefined;
  /** Where keys go, and what they have typed so far of the byte there. */
  readonly cursor?: { readonly at: number; readonly typed: string } | undefined;
  /** What the line belongs to. */
  readonly part?: { readonly kind: string; readonly name: string } | undefined;
}

type Look = "plain" | "zero" | "mark" | "cursor" | "mark cursor";

export function HexLine(props: HexLineProps): JSX.Element {
  const { address, bytes, rowBytes, marked, cursor, part } = props;
  const lookAt = (k: number): Look => {
    const isMarked = marked !== undefined && k >= marked.start && k < marked.end;
    if (k === cursor?.at) return isMarked ? "mark cursor" : "cursor";
    if (isMarked) return "mark";
    return bytes[k] === 0 ? "zero" : "plain";
  };
  const byteText = (k: number): string =>
    k === cursor?.at && cursor.typed !== "" ? cursor.typed.padEnd(2, "_") : hexText(bytes[k]);
  const gapBefore = (k: number): string => (k === rowBytes / 2 ? "  " : " ");
  const characters = asciiOf(bytes);
  return (
    <div class="hex-line" data-part={part?.kind} title={part?.name}>
      <span class="hex-address">{address}</span>
      <span class="hex-bytes" style={{ minWidth: `${3 * rowBytes}ch` }}>
        <Runs count={bytes.length} lookAt={lookAt} textAt={byteText} gapBefore={gapBefore} />
      </span>
      <span class="hex-text">
        <Runs count={bytes.length} lookAt={lookAt} textAt={(k) => characters[k]} />
      </span>
    </div>
  );
}

const hexText = (byte: Byte): string => (byte === undefined ? "··" : hexByte(byte));

interface RunsProps {
  readonly count: number;
  readonly lookAt: (k: number) => Look;
  readonly textAt: (k: number) => string;
  readonly gapBefore?: (k: number) => string;
}

/** Neighbours that look alike are one element: most lines are one or two. */
function Runs({ count, lookAt, textAt, gapBefore = () => "" }: RunsProps): JSX.Element {
  const runs: { start: number; look: Look; text: string }[] = [];
  for (let k = 0; k < count; k++) {
    const last = runs.at(-1);
    const look = lookAt(k);
    if (last?.look === look) last.text += gapBefore(k) + textAt(k);
    else runs.push({ start: k, look, text: textAt(k) });
  }
  return (
    <>
      {runs.map(({ start, look, text }) => (
        <Fragment key={start}>
          {start > 0 && gapBefore(start)}
          {look.startsWith("mark") ? (
            <mark data-look={look}>{text}</mark>
          ) : (
            <span data-look={look}>{text}</span>
          )}
        </Fragment>
      ))}
    </>
  );
}
