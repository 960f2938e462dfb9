/** The files that symbols come from. */
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import type { Remote, SymbolFile } from "../../inspect/calls.ts";
import { AddressForm } from "./address-form.tsx";
import { countText, hex } from "./address-text.ts";
import { Badge, DataTable, Empty, Fault, Section, type Tone } from "./kit.tsx";
import type { PanelProps } from "./panel.ts";
import type { SymbolSource } from "./symbol-source.ts";

const MATCHES: Record<SymbolFile["match"], { readonly text: string; readonly tone: Tone }> = {
  same: { text: "the kernel that runs", tone: "good" },
  different: { text: "another kernel", tone: "bad" },
  unknown: { text: "not checked", tone: "quiet" },
};

export interface SymbolFilesProps {
  readonly source: SymbolSource;
  readonly machine: Remote;
  readonly go: PanelProps["go"];
}

export function SymbolFiles({ source, machine, go }: SymbolFilesProps): JSX.Element {
  const field = useId();
  return (
    <>
      <Section title="Find a symbol">
        <AddressForm
          machine={machine}
          label="Find a symbol"
          value=""
          onGo={(text) => go(`code/${text}`)}
        />
      </Section>
      <Section title="Files">
        {source.problem !== undefined && <Fault what="Not read:" reason={source.problem} />}
        {source.files.length === 0 ? (
          <Empty>
            Addresses have no names yet: give the System.map of the kernel that runs, or an ELF file
            with a symbol table.
          </Empty>
        ) : (
          <DataTable
            label="Symbol files"
            rows={source.files}
            keyOf={({ name }) => name}
            columns={[
              { title: "File", cell: ({ name }) => name },
              { title: "Symbols", cell: ({ symbols }) => countText(symbols), align: "end" },
              { title: "Moved by", cell: ({ relocation }) => moved(relocation), align: "end" },
              {
                title: "Belongs to",
                cell: ({ match }) => (
                  <Badge tone={MATCHES[match].tone}>{MATCHES[match].text}</Badge>
                ),
              },
              {
                title: "",
                align: "end",
                cell: ({ name }) => (
                  <button
                    type="button"
                    class="kit-link"
                    aria-label={`Forget ${name}`}
                    onClick={() => void source.remove(name)}
                  >
                    forget
                  </button>
                ),
              },
            ]}
          />
        )}
        <p class="symbol-pick">
          <label for={field}>Add a System.map or an ELF file:</label>{" "}
          <input
            id={field}
            type="file"
            multiple
            onChange={({ currentTarget }) => void source.add(currentTarget.files ?? [])}
          />
        </p>
      </Section>
    </>
  );
}

const moved = (relocation: bigint): string => {
  if (relocation === 0n) return "nothing";
  return relocation < 0n ? `-${hex(-relocation)}` : hex(relocation);
};
