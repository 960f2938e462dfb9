/** Faults on demand: what to make fail, and what is armed. */
import "./faults-panel.css";
import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import type { DiskFault, FaultsView, Remote, WireFault } from "../../inspect/calls.ts";
import { Complaint, Empty } from "./kit.tsx";
import { type Act, type PanelProps, useAct, useLook } from "./panel.ts";

export function FaultsPanel({ machine }: PanelProps): JSX.Element {
  const { value: view, error } = useLook(() => machine.faults(), [machine]).value;
  const { act, complaint } = useAct();
  if (view === undefined) return <Empty>{error ?? ""}</Empty>;
  return (
    <section class="faults-panel" aria-label="Faults">
      <Complaint text={complaint} />
      <ArmedList view={view} machine={machine} act={act} />
      <DiskForm view={view} machine={machine} act={act} />
      <WireForm view={view} machine={machine} act={act} />
      <Links view={view} machine={machine} act={act} />
      <Slots view={view} machine={machine} act={act} />
      <PulseForm view={view} machine={machine} act={act} />
    </section>
  );
}

interface PartProps {
  readonly view: FaultsView;
  readonly machine: Remote;
  readonly act: Act;
}

function ArmedList({ view, machine, act }: PartProps): JSX.Element {
  if (view.armed.length === 0) {
    return <p class="kit-aside">No fault is armed: the machine runs as it should.</p>;
  }
  return (
    <ul class="armed-list" aria-label="Armed faults">
      {view.armed.map(({ id, device, text, left, hits }) => (
        <li key={id}>
          <strong>⚠ {device}</strong>
          <span>{text}</span>
          <span class="armed-count">
            {left === undefined ? `${hits} so far` : `${left} to come, ${hits} so far`}
          </span>
          <button type="button" onClick={() => act(machine.clearFault(id))}>
            Clear
          </button>
        </li>
      ))}
    </ul>
  );
}

function DiskForm({ view, machine, act }: PartProps): JSX.Element {
  const disk = useSignal("");
  const operation = useSignal<DiskFault["operation"]>("write");
  const effect = useSignal<DiskFault["effect"]>("fail");
  const requests = useSignal("1");
  const delay = useSignal("1000");
  const name = disk.value || view.disks[0];
  if (name === undefined) return <Missing title="Disk">This machine has no disk.</Missing>;
  const isLate = effect.value === "delay";
  const arm = (): void =>
    act(
      machine.armDiskFault(name, {
        operation: operation.value,
        effect: effect.value,
        requests: Number(requests.value),
        ...(isLate && { delayMs: Number(delay.value) }),
      }),
    );
  return (
    <Part title="Disk" onSubmit={arm}>
      <Choice label="Disk" value={name} options={view.disks} onChange={set(disk)} />
      <Choice
        label="Effect"
        value={effect.value}
        options={["fail", "delay"]}
        onChange={set(effect)}
      />
      <Figure label="The next" value={requests.value} onChange={set(requests)} />
      <Choice
        label="Requests to"
        value={operation.value}
        options={["read", "write", "flush"]}
        onChange={set(operation)}
      />
      {isLate && <Figure label="By ms" value={delay.value} onChange={set(delay)} />}
      <Arm />
    </Part>
  );
}

function WireForm({ view, machine, act }: PartProps): JSX.Element {
  const card = useSignal("");
  const direction = useSignal<WireFault["direction"]>("both");
  const effect = useSignal<WireFault["effect"]>("drop");
  const unit = useSignal<"frames" | "percent">("frames");
  const amount = useSignal("10");
  const names = view.cards.map(({ name }) => name);
  const name = card.value || names[0];
  if (name === undefined) {
    return <Missing title="Network">No network: add a relay to the machine.</Missing>;
  }
  const arm = (): void =>
    act(
      machine.armWireFault(name, {
        direction: direction.value,
        effect: effect.value,
        [unit.value]: Number(amount.value),
      }),
    );
  return (
    <Part title="Network" onSubmit={arm}>
      <Choice label="Card" value={name} options={names} onChange={set(card)} />
      <Choice
        label="Effect"
        value={effect.value}
        options={["drop", "corrupt"]}
        onChange={set(effect)}
      />
      <Figure label="How much" value={amount.value} onChange={set(amount)} />
      <Choice
        label="Unit"
        value={unit.value}
        options={["frames", "percent"]}
        onChange={set(unit)}
      />
      <Choice
        label="Direction"
        value={direction.value}
        options={["both", "send", "receive"]}
        onChange={set(direction)}
      />
      <Arm />
    </Part>
  );
}

function Links({ view, machine, act }: PartProps): JSX.Element | null {
  if (view.cards.length === 0) return null;
  return (
    <Part title="Link">
      {view.cards.map(({ name, hasCarrier, isCut }) => (
        <div key={name} class="fault-row" data-faulty={isCut || undefined}>
          <strong>{name}</strong>
          <span>{isCut ? "⚠ the wire is cut" : hasCarrier ? "up" : "down: no relay answers"}</span>
          <button type="button" onClick={() => act(machine.setLink(name, isCut))}>
            {isCut ? "Mend the wire" : "Cut the wire"}
          </button>
        </div>
      ))}
    </Part>
  );
}

function Slots({ view, machine, act }: PartProps): JSX.Element {
  return (
    <Part title="Devices">
      <p class="kit-aside">
        Linux looks into a slot only when it is told: echo a name from /sys/bus/platform/devices,
        such as f001000.virtio, into bind or unbind of /sys/bus/platform/drivers/virtio-mmio.
      </p>
      {view.unplugged.map(({ slot, name }) => (
        <div key={`out ${slot}`} class="fault-row" data-faulty>
          <strong>{`${slot} ${name}`}</strong>
          <span>⚠ unplugged</span>
          <button type="button" onClick={() => act(machine.plug(slot))}>
            Plug again
          </button>
        </div>
      ))}
      {view.plugged.map(({ slot, name }) => (
        <div key={slot} class="fault-row">
          <strong>{`${slot} ${name}`}</strong>
          <span />
          <button
            type="button"
            aria-label={`Unplug ${name}`}
            onClick={() => act(machine.unplug(slot))}
          >
            Unplug
          </button>
        </div>
      ))}
    </Part>
  );
}

function PulseForm({ view, machine, act }: PartProps): JSX.Element {
  const { first, last, ofSlots } = view.spis;
  const spi = useSignal(String(ofSlots));
  return (
    <Part title="Interrupt" onSubmit={() => act(machine.pulseInterrupt(Number(spi.value)))}>
      <Figure
        label={`SPI, ${first} to ${last}; slot n has ${ofSlots} + n`}
        value={spi.value}
        onChange={set(spi)}
      />
      <button type="submit">Pulse</button>
    </Part>
  );
}

interface PartFrameProps {
  readonly title: string;
  readonly onSubmit?: () => void;
  readonly children: ComponentChildren;
}

function Part({ title, onSubmit, children }: PartFrameProps): JSX.Element {
  const submit = (event: Event): void => {
    event.preventDefault();
    onSubmit?.();
  };
  return (
    <fieldset class="fault-part">
      <legend>{title}</legend>
      {onSubmit === undefined ? (
        children
      ) : (
        <form class="fault-form" aria-label={title} onSubmit={submit}>
          {children}
        </form>
      )}
    </fieldset>
  );
}

/** A part for something that the machine does not have. */
const Missing = ({ title, children }: { title: string; children: string }): JSX.Element => (
  <Part title={title}>
    <Empty>{children}</Empty>
  </Part>
);

const Arm = (): JSX.Element => (
  <button type="submit" class="main">
    Arm
  </button>
);

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly T[];
  readonly onChange: (value: T) => void;
}

function Choice<T extends string>(props: ChoiceProps<T>): JSX.Element {
  const { label, value, options, onChange } = props;
  return (
    <label>
      <span>{label}</span>
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value as T)}>
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    </label>
  );
}

interface FigureProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function Figure({ label, value, onChange }: FigureProps): JSX.Element {
  return (
    <label>
      <span>{label}</span>
      <input
        inputMode="numeric"
        required
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </label>
  );
}

const set =
  <T,>(signal: { value: T }) =>
  (value: T): void => {
    signal.value = value;
  };
