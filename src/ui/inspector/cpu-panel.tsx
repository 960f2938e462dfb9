/** The CPU: what the hart executes, its registers, its page tables, and what makes it fast. */
import "./cpu-panel.css";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { CpuView } from "../../inspect/calls.ts";
import { hex, hex64 } from "./address-text.ts";
import { CodeView } from "./cpu-code.tsx";
import { CsrList } from "./cpu-csrs.tsx";
import { RegisterList } from "./cpu-registers.tsx";
import { SpeedView } from "./cpu-speed.tsx";
import { WalkPage } from "./cpu-walk.tsx";
import { Badge, DataTable, Empty, Fault, Section, Subtabs } from "./kit.tsx";
import { type PanelProps, useLook } from "./panel.ts";
import { SymbolFiles } from "./symbol-files.tsx";
import { type SymbolSource, useSymbols } from "./symbol-source.ts";

/** Between two looks at what runs, in ms; held still, there is but one. */
const LIVE_MS = 250;
const HELD_MS = 2 ** 31 - 1;

const VIEWS = [
  { id: "", title: "Now" },
  { id: "csrs", title: "CSRs" },
  { id: "walk", title: "Page walk" },
  { id: "speed", title: "TLB and JIT" },
  { id: "symbols", title: "Symbols" },
] as const;

export function CpuPanel(props: PanelProps): JSX.Element {
  const { machine, session, place, go } = props;
  const symbols = useSymbols(machine, session);
  const [view, ...rest] = place.split("/");
  const current = VIEWS.find(({ id }) => id === view)?.id ?? "";
  return (
    <div class="cpu">
      <Subtabs label="CPU" tabs={VIEWS} shown={current} onShow={go} />
      <CpuPage {...props} view={current} detail={rest.join("/")} symbols={symbols} />
    </div>
  );
}

interface CpuPageProps extends PanelProps {
  readonly view: (typeof VIEWS)[number]["id"];
  readonly detail: string;
  readonly symbols: SymbolSource;
}

function CpuPage({ view, detail, symbols, ...props }: CpuPageProps): JSX.Element {
  switch (view) {
    case "csrs":
      return <CsrList machine={props.machine} />;
    case "walk":
      return <WalkPage {...props} place={detail} />;
    case "speed":
      return <SpeedView machine={props.machine} />;
    case "symbols":
      return <SymbolFiles source={symbols} machine={props.machine} go={props.go} />;
    default:
      return <Now {...props} />;
  }
}

/** The present moment; `code/ADDRESS` has other code in sight. */
function Now({ machine, place, go }: PanelProps): JSX.Element {
  const isLive = useSignal(true);
  const everyMs = isLive.value ? LIVE_MS : HELD_MS;
  const { value: cpu, error } = useLook(
    () => machine.cpuState(),
    [machine, everyMs],
    everyMs,
  ).value;
  if (cpu === undefined)
    return error ? <Fault what="Nothing to see:" reason={error} /> : <Empty>…</Empty>;
  const code = place.startsWith("code/") ? place.slice("code/".length) : "";
  return (
    <>
      <header class="cpu-head">
        <Badge tone={cpu.mode === "U" ? "good" : "busy"} title="Privilege mode">
          {`${cpu.mode}-mode`}
        </Badge>
        <code class="cpu-pc" title="pc">
          {hex64(cpu.pc)}
        </code>
        <span class="cpu-where">{cpu.symbol ?? "no symbol"}</span>
        <span class="cpu-task" title={cpu.task}>
          {cpu.task === undefined ? "" : `task ${cpu.task}`}
        </span>
        <label class="cpu-live">
          <input
            type="checkbox"
            checked={isLive.value}
            onChange={({ currentTarget }) => {
              isLive.value = currentTarget.checked;
            }}
          />
          Live
        </label>
      </header>
      <CodeView machine={machine} cpu={cpu} place={code} go={go} />
      <Stack cpu={cpu} go={go} />
      <RegisterList cpu={cpu} go={go} />
    </>
  );
}

const ORIGINS: Record<CpuView["stack"][number]["origin"], string> = {
  pc: "here",
  ra: "from ra",
  stack: "on the stack",
  pointer: "by frame pointer",
  trap: "interrupted by a trap",
};

function Stack({ cpu, go }: { cpu: CpuView; go: PanelProps["go"] }): JSX.Element {
  return (
    <Section title="Call stack">
      <div class="cpu-stack">
        <DataTable
          label="Call stack"
          rows={cpu.stack.map((frame, depth) => ({ ...frame, depth }))}
          keyOf={({ depth }) => depth}
          onOpen={({ pc }) => go(`code/${hex(pc)}`)}
          columns={[
            { title: "Function", cell: ({ symbol, pc }) => symbol ?? hex(pc) },
            { title: "Address", cell: ({ pc }) => <code>{hex64(pc)}</code> },
            { title: "Found", cell: ({ origin }) => ORIGINS[origin] },
          ]}
        />
      </div>
      {cpu.mode === "U" && cpu.stack.length === 1 && (
        <Empty>Programs without symbols or frame pointers do not say who called.</Empty>
      )}
    </Section>
  );
}
