/** The entries of a ring one by one, as they are in the driver's memory. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { PlaceView, QueueView } from "../../inspect/calls.ts";
import { type Column, DataTable, Hex } from "./kit.tsx";

/** Closed at first: hundreds of lines that few need. */
export function RingEntries({ view }: { view: QueueView }): JSX.Element | null {
  const isOpen = useSignal(false);
  const { ring, layout } = view;
  if (ring === undefined || layout === undefined) return null;
  return (
    <details
      class="ring-entries"
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>Entries of the ring</summary>
      {isOpen.value && (
        <DataTable
          label="Entries of the ring"
          columns={COLUMNS[layout]}
          rows={ring.places}
          keyOf={({ place }) => place}
        />
      )}
    </details>
  );
}

const PLACE: Column<PlaceView> = { title: "Place", cell: ({ place }) => place, digits: 5 };
const STATE: Column<PlaceView> = { title: "State", cell: ({ state }) => state, digits: 9 };

const COLUMNS: Readonly<Record<"split" | "packed", readonly Column<PlaceView>[]>> = {
  split: [
    PLACE,
    STATE,
    { title: "Available head", cell: ({ head }) => head, align: "end", digits: 5 },
    { title: "Used id", cell: ({ used }) => used?.id, align: "end", digits: 5 },
    { title: "Used length", cell: ({ used }) => used?.length, align: "end", digits: 8 },
  ],
  packed: [
    PLACE,
    STATE,
    {
      title: "Address",
      cell: ({ descriptor }) => <Hex value={descriptor?.address ?? 0} digits={8} />,
    },
    { title: "Length", cell: ({ descriptor }) => descriptor?.length, align: "end", digits: 8 },
    { title: "Id", cell: ({ descriptor }) => descriptor?.id, align: "end", digits: 5 },
    { title: "Flags", cell: ({ descriptor }) => descriptor?.flags, digits: 24 },
  ],
};
