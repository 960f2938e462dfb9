/** The way of a virtual address through the page tables, level by level. */
import type { JSX } from "preact";
import type { AccessKind, PageTableEntry, WalkView } from "../../inspect/calls.ts";
import { AddressForm } from "./address-form.tsx";
import { hex, hex64, sizeText } from "./address-text.ts";
import { Badge, DataTable, Empty, Facts, Fault, Section } from "./kit.tsx";
import { type PanelProps, useLook } from "./panel.ts";

export function WalkPage({ machine, place, go }: PanelProps): JSX.Element {
  const { value, error } = useLook(
    async () => (place === "" ? undefined : machine.cpuWalk(place)),
    [machine, place],
  ).value;
  return (
    <>
      <AddressForm
        machine={machine}
        label="Walk the page tables for an address or symbol"
        value={place}
        onGo={(text) => go(`walk/${text}`)}
      />
      {error !== undefined && <Fault what="No walk:" reason={error} />}
      {place === "" && (
        <Empty>
          Give a virtual address, and see every page table entry that leads to its page.
        </Empty>
      )}
      {value !== undefined && <Walk view={value} go={go} />}
    </>
  );
}

function Walk({ view, go }: { view: WalkView; go: PanelProps["go"] }): JSX.Element {
  const { walk, symbol } = view;
  const { page, entries } = walk;
  return (
    <>
      <Section title={`${walk.scheme}: ${symbol ?? hex(walk.address)}`}>
        {entries.length === 0 ? (
          <Empty>Addresses are not translated: they are physical ones.</Empty>
        ) : (
          <DataTable
            label="Page table entries"
            rows={entries}
            keyOf={({ level }) => level}
            toneOf={({ kind }) => (kind === "fault" ? "bad" : undefined)}
            columns={[
              { title: "Level", cell: ({ level }) => level, align: "end" },
              { title: "Table", cell: ({ table }) => <code>{hex(table)}</code> },
              { title: "VPN", cell: ({ index }) => index, align: "end" },
              { title: "Entry", cell: ({ value }) => <code>{entryText(value)}</code> },
              { title: "Bits", cell: ({ flags }) => flags.join(" ") },
              { title: "Leads to", cell: (entry) => <Target entry={entry} /> },
            ]}
          />
        )}
        {walk.fault !== undefined && <Fault what="Page fault:" reason={walk.fault} />}
      </Section>
      {page !== undefined && (
        <Section title="Page">
          <Facts
            facts={[
              {
                name: "Physical address",
                value: (
                  <button
                    type="button"
                    class="kit-link"
                    onClick={() => go(hex(page.physical), "memory")}
                  >
                    <code>{hex(page.physical)}</code>
                  </button>
                ),
              },
              { name: "Page", value: `${sizeText(page.bytes)} at ${hex(page.base)}` },
              ...(["read", "write", "execute"] as const).map((access) => ({
                name: `${view.mode}-mode may ${access}`,
                value: <Permission view={view} access={access} />,
              })),
            ]}
          />
        </Section>
      )}
    </>
  );
}

const entryText = (value: bigint | undefined): string =>
  value === undefined ? "no memory" : hex64(value);

function Target({ entry }: { entry: PageTableEntry }): JSX.Element {
  if (entry.kind === "fault") return <Badge tone="bad">fault</Badge>;
  return (
    <>
      {entry.kind} <code>{hex(entry.target)}</code>
    </>
  );
}

function Permission({ view, access }: { view: WalkView; access: AccessKind }): JSX.Element {
  const refusal = view.refusals[access];
  return refusal === undefined ? <Badge tone="good">yes</Badge> : <span>{`no: ${refusal}`}</span>;
}
