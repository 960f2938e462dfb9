/** The virtio slots as a map, and the device in one of them. */
import "./devices-panel.css";
import type { JSX } from "preact";
import type { SlotView } from "../../inspect/calls.ts";
import { hex } from "./address-text.ts";
import { DeviceDetail } from "./device-detail.tsx";
import { Empty, Section } from "./kit.tsx";
import { type PanelProps, useLook } from "./panel.ts";

export function DevicesPanel({ machine, place, go }: PanelProps): JSX.Element {
  const { value: slots, error } = useLook(() => machine.slotMap()).value;
  if (slots === undefined) return <Empty>{error ?? "Looking…"}</Empty>;
  const occupied = slots.filter(({ device }) => device !== undefined);
  const wanted = place === "" ? occupied[0]?.slot : Number(place);
  return (
    <>
      <Section title="Slots" aside={<Taken slots={slots} count={occupied.length} />}>
        <SlotMap slots={slots} shown={wanted} onShow={(slot) => go(String(slot))} />
      </Section>
      {occupied.some(({ slot }) => slot === wanted) ? (
        <DeviceDetail key={wanted} machine={machine} slot={wanted!} />
      ) : (
        <Empty>
          {occupied.length === 0
            ? "No device is attached yet: they come with the machine when it starts."
            : "This slot is empty: its DeviceID reads 0, at which drivers turn away."}
        </Empty>
      )}
    </>
  );
}

function Taken({ slots, count }: { slots: readonly SlotView[]; count: number }): JSX.Element {
  return <span class="kit-aside">{`${count} of ${slots.length} taken`}</span>;
}

interface SlotMapProps {
  readonly slots: readonly SlotView[];
  readonly shown: number | undefined;
  readonly onShow: (slot: number) => void;
}

function SlotMap({ slots, shown, onShow }: SlotMapProps): JSX.Element {
  return (
    <ol class="slot-map" aria-label="Slots">
      {slots.map((view) => (
        <li key={view.slot}>
          <Slot view={view} isShown={view.slot === shown} onShow={onShow} />
        </li>
      ))}
    </ol>
  );
}

interface SlotProps {
  readonly view: SlotView;
  readonly isShown: boolean;
  readonly onShow: (slot: number) => void;
}

function Slot({ view, isShown, onShow }: SlotProps): JSX.Element {
  const { slot, base, spi, intid, device } = view;
  const where = `${hex(base)}, SPI ${spi}, INTID ${intid}`;
  if (device === undefined) {
    return (
      <span class="slot" title={`Slot ${slot}, empty: ${where}`}>
        <span class="slot-number">{slot}</span>
        <span class="kit-unseen"> empty</span>
      </span>
    );
  }
  return (
    <button
      type="button"
      class="slot"
      data-tone={device.hasFault ? "bad" : device.stage === "DRIVER_OK" ? "good" : "quiet"}
      aria-current={isShown || undefined}
      title={`${device.title}, ${device.stage}: ${where}`}
      onClick={() => onShow(slot)}
    >
      <span class="slot-number">{slot}</span>
      <span class="slot-name">{device.name}</span>
      {device.hasFault && <span class="kit-unseen"> has a fault</span>}
    </button>
  );
}
