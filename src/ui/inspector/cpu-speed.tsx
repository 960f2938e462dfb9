/** What makes the hart fast: the cache of translations, and translated code. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Remote, TranslationView } from "../../inspect/calls.ts";
import { countText, percentText } from "./address-text.ts";
import { DataTable, Empty, Facts, Section } from "./kit.tsx";
import { useLook } from "./panel.ts";

/** Rates are counted over this time, in ms. */
const RATE_MS = 1000;

export function SpeedView({ machine }: { machine: Remote }): JSX.Element {
  const { value: view, error } = useLook(() => machine.cpuTranslation(), [machine], RATE_MS).value;
  const before = useRef<TranslationView | undefined>(undefined);
  const current = useRef<TranslationView | undefined>(undefined);
  if (view !== current.current) {
    before.current = current.current;
    current.current = view;
  }
  if (view === undefined) return <Empty>{error ?? "…"}</Empty>;
  const last = before.current;
  const rate = (count: (of: TranslationView) => number): string => {
    const passed = last === undefined ? 0 : view.runMs - last.runMs;
    if (last === undefined || passed <= 0) return "–";
    return `${countText(((count(view) - count(last)) * 1000) / passed)}/s`;
  };
  return (
    <>
      <Tlb tlb={view.tlb} rate={rate} />
      <Jit view={view} rate={rate} />
    </>
  );
}

type Rate = (count: (of: TranslationView) => number) => string;

function Tlb({ tlb, rate }: { tlb: TranslationView["tlb"]; rate: Rate }): JSX.Element {
  const used = (entries: number): string => `${entries} (${percentText(entries / tlb.entries)})`;
  return (
    <Section
      title="Soft TLB"
      aside={<span class="kit-aside">{`${tlb.entries} entries a table`}</span>}
    >
      <DataTable
        label="TLB entries in use"
        rows={tlb.contexts}
        keyOf={({ name }) => name}
        columns={[
          { title: "Context", cell: ({ name }) => CONTEXTS[name] },
          { title: "Read", cell: ({ read }) => used(read), align: "end", digits: 12 },
          { title: "Write", cell: ({ write }) => used(write), align: "end", digits: 12 },
          { title: "Execute", cell: ({ execute }) => used(execute), align: "end", digits: 12 },
        ]}
      />
      <Facts
        facts={[
          { name: "Misses filled", value: countText(tlb.fills) },
          { name: "Misses now", value: rate((of) => of.tlb.fills) },
          { name: "Flushes of all", value: countText(tlb.flushes) },
          { name: "Flushes of all now", value: rate((of) => of.tlb.flushes) },
          { name: "Flushes of a page", value: countText(tlb.pageFlushes) },
          { name: "Flushes of a page now", value: rate((of) => of.tlb.pageFlushes) },
        ]}
      />
    </Section>
  );
}

const CONTEXTS: Record<TranslationView["tlb"]["contexts"][number]["name"], string> = {
  user: "User",
  supervisor: "Supervisor",
  supervisorSum: "Supervisor with SUM",
  machine: "Machine",
};

const REASONS: Record<keyof NonNullable<TranslationView["jit"]>["dropped"], string> = {
  written: "Invalidated: code was written",
  replaced: "Replaced by a better one",
  evicted: "Evicted to make room",
  retreating: "Retreated too often",
  breakpoint: "Given up for a breakpoint",
  cleared: "Cleared with all others",
};

function Jit({ view, rate }: { view: TranslationView; rate: Rate }): JSX.Element {
  const { jit, runMs } = view;
  if (jit === undefined) return <Empty>This hart translates nothing.</Empty>;
  const time = (ms: number): string =>
    `${countText(ms)} ms (${percentText(runMs === 0 ? 0 : ms / runMs)})`;
  const perRegion = (amount: number): string =>
    jit.compiled === 0 ? "–" : countText(amount / jit.compiled);
  const reasons = Object.keys(REASONS) as (keyof typeof REASONS)[];
  return (
    <Section title="Translated code">
      <Facts
        facts={[
          { name: "Regions", value: countText(jit.live) },
          { name: "Being compiled", value: countText(jit.awaited) },
          { name: "Compiled so far", value: countText(jit.compiled) },
          { name: "Compiled now", value: rate((of) => of.jit?.compiled ?? 0) },
          { name: "Instructions in a region", value: perRegion(jit.instructions) },
          { name: "Bytes of WebAssembly in one", value: perRegion(jit.wasmBytes) },
          { name: "WebAssembly so far", value: `${countText(jit.wasmBytes / 1024)} KiB` },
          { name: "Work on the hart's thread", value: time(jit.hartMs) },
          { name: "Work on the compiler's thread", value: time(jit.threadMs) },
          ...reasons.map((reason) => ({
            name: REASONS[reason],
            value: countText(jit.dropped[reason]),
          })),
        ]}
      />
    </Section>
  );
}
