/** Disassembled code around the pc, or around another address. */
import type { JSX } from "preact";
import type { CodeLine, CpuView, Remote } from "../../inspect/calls.ts";
import { AddressForm } from "./address-form.tsx";
import { hex, hex64 } from "./address-text.ts";
import { Empty, Section } from "./kit.tsx";
import { type PanelProps, useLook } from "./panel.ts";

/** Lines before and after an address that somebody went to. */
const BEFORE = 8;
const AFTER = 40;

/** Code changes seldom; in ms. */
const CODE_MS = 1000;

export interface CodeViewProps {
  readonly machine: Remote;
  readonly cpu: CpuView;
  /** An address or symbol; empty to follow the pc. */
  readonly place: string;
  readonly go: PanelProps["go"];
}

export function CodeView({ machine, cpu, place, go }: CodeViewProps): JSX.Element {
  const look = useLook(
    async () => {
      if (place === "") return undefined;
      const address = await machine.resolveAddress(place);
      return { address, lines: await machine.cpuCode(address, BEFORE, AFTER) };
    },
    [machine, place],
    CODE_MS,
  ).value;
  const other = place === "" ? undefined : look.value;
  const lines = other?.lines ?? (place === "" ? cpu.code : []);
  const following = <span class="kit-aside">follows the pc</span>;
  const back = (
    <button type="button" class="kit-link" onClick={() => go("")}>
      back to the pc
    </button>
  );
  return (
    <Section title="Code" aside={place === "" ? following : back}>
      <AddressForm
        machine={machine}
        label="Go to code at an address or symbol"
        value={place}
        onGo={(text) => go(`code/${text}`)}
      />
      {look.error !== undefined && <Empty>{look.error}</Empty>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by the keyboard. */}
      <section class="code" aria-label="Disassembly" tabIndex={0}>
        {rowsOf(lines).map((row, index) =>
          typeof row === "string" ? (
            <div key={index} class="code-label">{`${row}:`}</div>
          ) : (
            <Line key={index} line={row} pc={cpu.pc} at={other?.address} go={go} />
          ),
        )}
      </section>
    </Section>
  );
}

/** Labels have rows of their own. Rows stay where they are while what is in them follows the pc. */
const rowsOf = (lines: readonly CodeLine[]): readonly (string | CodeLine)[] =>
  lines.flatMap((line) => (line.label === undefined ? [line] : [line.label, line]));

interface LineProps {
  readonly line: CodeLine;
  readonly pc: bigint;
  readonly at: bigint | undefined;
  readonly go: PanelProps["go"];
}

function Line({ line, pc, at, go }: LineProps): JSX.Element {
  const { address, length, bits, text, target, targetText } = line;
  const [operation, ...operands] = text.split(" ");
  return (
    <div
      class="code-line"
      data-pc={address === pc || undefined}
      data-at={address === at || undefined}
    >
      <span class="code-address">{hex64(address)}</span>
      <span class="code-bits">
        {length === 0 ? "" : bits.toString(16).padStart(length * 2, "0")}
      </span>
      <span class="code-text">
        <b>{operation}</b> {operands.join(" ")}
        {address === pc && <span class="kit-unseen"> (pc)</span>}
      </span>
      {target === undefined ? (
        <span />
      ) : (
        <button type="button" class="kit-link" onClick={() => go(`code/${hex(target)}`)}>
          {targetText ?? "→"}
        </button>
      )}
    </div>
  );
}
