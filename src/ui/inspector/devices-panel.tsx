/** The virtio slots. */
import type { JSX } from "preact";
import { type PanelProps, useLook } from "./panel.ts";

export function DevicesPanel({ machine }: PanelProps): JSX.Element {
  const { value: slots, error } = useLook(() => machine.slots()).value;
  if (slots === undefined) return <p class="empty">{error ?? ""}</p>;
  return (
    <ul>
      {slots.map(({ slot, device }) => (
        <li key={slot}>{`${slot}: ${device.name}`}</li>
      ))}
    </ul>
  );
}
