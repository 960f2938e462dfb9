/** The integer and floating-point registers; what changed since the last look stands out. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { CpuView, FloatView, RegisterView } from "../../inspect/calls.ts";
import { hex, hex64 } from "./address-text.ts";
import { Section } from "./kit.tsx";
import type { PanelProps } from "./panel.ts";

/** Names whose values differ from those of the look before. */
export function useChanged(
  values: readonly { readonly name: string; readonly value: bigint }[],
  moment: unknown,
): ReadonlySet<string> {
  const last = useRef({ moment: undefined as unknown, values: new Map<string, bigint>() });
  const changed = useRef<ReadonlySet<string>>(new Set());
  if (last.current.moment !== moment) {
    const before = last.current.values;
    changed.current = new Set(
      values.flatMap(({ name, value }) => {
        const old = before.get(name);
        return old === undefined || old === value ? [] : [name];
      }),
    );
    last.current = { moment, values: new Map(values.map(({ name, value }) => [name, value])) };
  }
  return changed.current;
}

export function RegisterList({ cpu, go }: { cpu: CpuView; go: PanelProps["go"] }): JSX.Element {
  const showsFloat = useSignal(false);
  const changed = useChanged([...cpu.x, ...cpu.f], cpu);
  return (
    <>
      <Section title="Registers">
        <dl class="registers">
          {cpu.x.map((register) => (
            <Integer key={register.number} {...{ register, changed, go }} />
          ))}
        </dl>
      </Section>
      <Section
        title="Floating point"
        aside={
          <button
            type="button"
            class="kit-link"
            aria-expanded={showsFloat.value}
            onClick={() => {
              showsFloat.value = !showsFloat.value;
            }}
          >
            {showsFloat.value ? "hide" : "show"}
          </button>
        }
      >
        {showsFloat.value && (
          <dl class="registers floats">
            {cpu.f.map((register) => (
              <Float key={register.number} register={register} changed={changed} />
            ))}
          </dl>
        )}
      </Section>
    </>
  );
}

interface IntegerProps {
  readonly register: RegisterView;
  readonly changed: ReadonlySet<string>;
  readonly go: PanelProps["go"];
}

function Integer({ register, changed, go }: IntegerProps): JSX.Element {
  const { name, number, value, symbol } = register;
  return (
    <div data-changed={changed.has(name) || undefined}>
      <dt>
        {name} <span>{number}</span>
      </dt>
      <dd>
        <button
          type="button"
          class="kit-link plain"
          title={`${BigInt.asIntN(64, value)}; show memory there`}
          onClick={() => go(`virtual/${hex(value)}`, "memory")}
        >
          <code>{hex64(value)}</code>
        </button>
        <span class="register-symbol">{symbol ?? ""}</span>
      </dd>
    </div>
  );
}

interface FloatProps {
  readonly register: FloatView;
  readonly changed: ReadonlySet<string>;
}

function Float({ register, changed }: FloatProps): JSX.Element {
  const { name, number, value, double, single } = register;
  const text = single === undefined ? `${double}` : `${single} (single)`;
  return (
    <div data-changed={changed.has(name) || undefined}>
      <dt>
        {name} <span>{number}</span>
      </dt>
      <dd>
        <code>{hex64(value)}</code>
        <span class="register-symbol">{text}</span>
      </dd>
    </div>
  );
}
