/** One chain with all that is in it: descriptors, payload, bytes. */
import type { JSX } from "preact";
import type { ChainDetail as Chain, DescriptorView } from "../../inspect/calls.ts";
import { Badge, DataTable, Empty, Fault, Hex, Section } from "./kit.tsx";
import { PayloadView } from "./payload-view.tsx";

export interface ChainDetailProps {
  readonly chain: Chain;
  /** The device or the driver has it no more; what is shown is how it was last. */
  readonly isGone: boolean;
}

/** What the words for states mean. */
const STATE_TEXTS: Readonly<Record<Chain["state"], string>> = {
  available: "The driver offers it; the device has not taken it.",
  "in flight": "The device has it.",
  done: "The device gave it back; these are its bytes as they were then.",
  used: "The used ring names it; the driver may have used its memory for something else since.",
};

export function ChainDetail({ chain, isGone }: ChainDetailProps): JSX.Element {
  return (
    <>
      <Section
        title={`Chain ${chain.id}`}
        aside={
          <>
            <Badge tone={chain.state === "in flight" ? "busy" : "quiet"}>{chain.state}</Badge>
            {isGone && <Badge tone="warn">gone meanwhile</Badge>}
          </>
        }
      >
        {chain.flaw !== undefined && (
          <Fault
            what={chain.state === "used" ? "Overwritten since:" : "Malformed:"}
            reason={chain.flaw}
          />
        )}
        <p class="kit-aside">{STATE_TEXTS[chain.state]}</p>
        <DataTable
          label="Descriptors"
          columns={DESCRIPTOR_COLUMNS}
          rows={chain.descriptors}
          keyOf={({ index, isIndirect }) => `${isIndirect}${index}`}
        />
      </Section>
      <Section title="Payload" aside={<span class="kit-aside">{payloadText(chain)}</span>}>
        {chain.fields.length === 0 ? (
          <Empty>Buffers for the device to fill: nothing is in them yet.</Empty>
        ) : (
          <PayloadView
            {...chain}
            writtenLength={Math.max(chain.usedLength ?? 0, chain.written.length)}
          />
        )}
      </Section>
    </>
  );
}

const DESCRIPTOR_COLUMNS = [
  {
    title: "Descriptor",
    cell: ({ index, isIndirect }: DescriptorView) => (isIndirect ? `└ ${index}` : index),
    digits: 10,
  },
  { title: "Address", cell: ({ address }: DescriptorView) => <Hex value={address} digits={8} /> },
  { title: "Length", cell: ({ length }: DescriptorView) => length, align: "end", digits: 8 },
  { title: "Flags", cell: ({ flags }: DescriptorView) => flags },
  { title: "Next", cell: ({ next }: DescriptorView) => next ?? "", align: "end", digits: 5 },
] as const;

function payloadText({ op, summary }: Chain): string {
  return `${op} ${summary}`.trimEnd();
}
