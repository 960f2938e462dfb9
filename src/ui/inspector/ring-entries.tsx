/** The entries of a ring one by one, as they are in the driver's memory. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { PlaceState, PlaceView, QueueView } from "../../inspect/calls.ts";
import { useHeldLook } from "./held-look.ts";
import { type Column, DataTable, Hex } from "./kit.tsx";

export interface RingEntriesProps {
  readonly view: QueueView;
  readonly isFrozen: ReadonlySignal<boolean>;
  readonly ask: () => Promise<readonly PlaceView[]>;
}

/** Closed at first: hundreds of lines that few need. */
export function RingEntries(props: RingEntriesProps): JSX.Element {
  const isOpen = useSignal(false);
  return (
    <details
      class="ring-entries"
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>Entries of the ring</summary>
      {isOpen.value && <Entries {...props} />}
    </details>
  );
}

function Entries({ view, isFrozen, ask }: RingEntriesProps): JSX.Element {
  const { layout = "split", ring, addresses } = view;
  const { last: places = [] } = useHeldLook(ask, () => isFrozen.value, [view.slot, view.queue]);
  const size = addresses?.size ?? 1;
  const rows = places.map((place): Entry => {
    const at = (place.place - (ring?.first ?? 0) + size) % size;
    return { ...place, state: ring?.states[at] ?? "free" };
  });
  return (
    <DataTable
      label="Entries of the ring"
      columns={COLUMNS[layout]}
      rows={rows}
      keyOf={({ place }) => place}
    />
  );
}

interface Entry extends PlaceView {
  readonly state: PlaceState;
}

const PLACE: Column<Entry> = { title: "Place", cell: ({ place }) => place, digits: 5 };
const STATE: Column<Entry> = { title: "State", cell: ({ state }) => state, digits: 9 };

const COLUMNS: Readonly<Record<"split" | "packed", readonly Column<Entry>[]>> = {
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
