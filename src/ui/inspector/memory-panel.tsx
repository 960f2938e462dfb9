/** The guest's memory: its map, its bytes, and a search. */
import "./memory-panel.css";
import type { JSX } from "preact";
import type { AddressKind, MemoryMap } from "../../inspect/calls.ts";
import { AddressForm } from "./address-form.tsx";
import { hex } from "./address-text.ts";
import { HexView } from "./hex-view.tsx";
import { Empty, Fault, Section } from "./kit.tsx";
import { MapView } from "./memory-map.tsx";
import { MemorySearch } from "./memory-search.tsx";
import { type PanelProps, useLook } from "./panel.ts";
import { useSymbols } from "./symbol-source.ts";

/** Areas and queues change seldom; in ms. */
const MAP_MS = 2000;

/** `virtual/ADDRESS` or `ADDRESS`, which is physical. */
function readPlace(place: string): { readonly kind: AddressKind; readonly text: string } {
  const prefix = "virtual/";
  if (place.startsWith(prefix)) return { kind: "virtual", text: place.slice(prefix.length) };
  return { kind: "physical", text: place };
}

const placeOf = (kind: AddressKind, text: string): string =>
  kind === "virtual" ? `virtual/${text}` : text;

export function MemoryPanel({ machine, session, place, go }: PanelProps): JSX.Element {
  useSymbols(machine, session);
  const { value: map, error } = useLook(() => machine.memoryMap(), [machine], MAP_MS).value;
  const { kind, text } = readPlace(place);
  const goal = useLook(
    async () => (text === "" ? undefined : machine.resolveAddress(text)),
    [machine, text],
    MAP_MS,
  ).value;
  if (map === undefined)
    return error ? <Fault what="Nothing to see:" reason={error} /> : <Empty>…</Empty>;
  const start = goal.value ?? (text === "" ? ramStart(map) : undefined);
  const toPhysical = (address: number): void => go(hex(address));
  return (
    <div class="memory-panel">
      <Section
        title="Bytes"
        aside={<KindChoice kind={kind} onChoose={(to) => go(placeOf(to, text))} />}
      >
        <AddressForm
          machine={machine}
          label="Go to memory at an address or symbol"
          value={text}
          onGo={(to) => go(placeOf(kindFor(to, kind), to))}
        />
        {goal.error !== undefined && <Fault what="No such place:" reason={goal.error} />}
        {start !== undefined && (
          <HexView
            key={`${kind} ${start}`}
            machine={machine}
            map={map}
            kind={kind}
            start={start}
            isMarked={text !== ""}
          />
        )}
      </Section>
      <MemorySearch machine={machine} onGo={toPhysical} />
      <MapView map={map} onGo={toPhysical} />
    </div>
  );
}

const ramStart = (map: MemoryMap): bigint =>
  BigInt(map.areas.find(({ kind }) => kind === "ram")?.base ?? 0);

/** A symbol is a virtual address, whatever was shown before. */
const kindFor = (text: string, shown: AddressKind): AddressKind =>
  /^(0x)?[0-9a-f]+$/i.test(text) ? shown : "virtual";

interface KindChoiceProps {
  readonly kind: AddressKind;
  readonly onChoose: (kind: AddressKind) => void;
}

function KindChoice({ kind, onChoose }: KindChoiceProps): JSX.Element {
  return (
    <fieldset class="kind-choice">
      <legend class="kit-unseen">Addresses are</legend>
      {(["physical", "virtual"] as const).map((option) => (
        <label key={option}>
          <input
            type="radio"
            name="address-kind"
            checked={kind === option}
            onChange={() => onChoose(option)}
          />
          {option}
        </label>
      ))}
    </fieldset>
  );
}
