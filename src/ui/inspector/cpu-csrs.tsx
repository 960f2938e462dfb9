/** The control and status registers by field. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { CsrView, Remote } from "../../inspect/calls.ts";
import { hex, hex64 } from "./address-text.ts";
import { bound } from "./bound.ts";
import { useChanged } from "./cpu-registers.tsx";
import { Empty } from "./kit.tsx";
import { useLook } from "./panel.ts";

export function CsrList({ machine }: { machine: Remote }): JSX.Element {
  const filter = useSignal("");
  const { value: csrs = [], error } = useLook(() => machine.cpuCsrs(), [machine]).value;
  const changed = useChanged(csrs, csrs);
  const wanted = filter.value.trim().toLowerCase();
  const shown = csrs.filter(({ name }) => name.includes(wanted));
  return (
    <>
      <input
        type="search"
        class="csr-filter"
        aria-label="Show CSRs whose name has"
        placeholder="satp, cause, pmp…"
        {...bound(filter)}
      />
      {error !== undefined && <Empty>{error}</Empty>}
      <div class="csrs">
        {shown.map((csr) => (
          <Csr key={csr.name} csr={csr} isChanged={changed.has(csr.name)} />
        ))}
      </div>
    </>
  );
}

function Csr({ csr, isChanged }: { csr: CsrView; isChanged: boolean }): JSX.Element {
  const { name, number, value, fields, symbol } = csr;
  return (
    <section aria-label={name} data-changed={isChanged || undefined}>
      <header>
        <h3>{name}</h3>
        <span class="kit-aside">{hex(number, 3)}</span>
        <code>{hex64(value)}</code>
        <span class="register-symbol">{symbol ?? ""}</span>
      </header>
      {fields.length > 0 && (
        <ul>
          {fields.map((field) => (
            <li
              key={field.name}
              class="csr-field"
              data-set={field.value !== 0n || undefined}
              title={
                field.high === field.low ? `bit ${field.low}` : `bits ${field.high} to ${field.low}`
              }
            >
              <span>{field.name}</span> {field.text ?? `${field.value}`}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
