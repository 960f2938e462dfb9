/** The registers of a held machine, each of which can be changed. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { DebugRegister, DebugView } from "../../inspect/calls.ts";
import { hex } from "./address-text.ts";
import type { Act } from "./control-act.ts";
import { Section } from "./kit.tsx";

export function ControlRegisters({ view, act }: { view: DebugView; act: Act }): JSX.Element {
  return (
    <Section title="Registers">
      <p class="kit-empty">
        {view.isHeld
          ? "A value, decimal or with 0x, or a symbol: Enter writes it, Escape keeps the old one."
          : "Hold the machine to change them."}
      </p>
      <div class="control-registers">
        {view.registers.map((register) => (
          <Register key={register.name} register={register} isHeld={view.isHeld} act={act} />
        ))}
      </div>
    </Section>
  );
}

interface RegisterProps {
  readonly register: DebugRegister;
  readonly isHeld: boolean;
  readonly act: Act;
}

function Register({ register: { name, value }, isHeld, act }: RegisterProps): JSX.Element {
  /** What is being typed; undefined while nothing is. */
  const edit = useSignal<string | undefined>(undefined);
  const text = value === undefined ? "" : hex(value, 16);
  const write = (): void => {
    const typed = edit.value;
    edit.value = undefined;
    if (typed !== undefined && typed !== text) void act((m) => m.writeRegister(name, typed));
  };
  return (
    <label>
      <span>{name}</span>
      <input
        spellcheck={false}
        readOnly={!isHeld}
        value={edit.value ?? text}
        onInput={({ currentTarget }) => {
          edit.value = currentTarget.value;
        }}
        onBlur={() => {
          edit.value = undefined;
        }}
        onKeyDown={({ key }) => {
          if (key === "Enter") write();
          if (key === "Escape") edit.value = undefined;
        }}
      />
    </label>
  );
}
