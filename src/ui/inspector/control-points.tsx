/** Lists of breakpoints and watchpoints, and how one is added. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import type { WatchpointView } from "../../inspect/calls.ts";
import { bound } from "./bound.ts";
import { type Act, placeText } from "./control-act.ts";
import { DataTable, Empty } from "./kit.tsx";
import { PlaceForm } from "./place-form.tsx";

interface Point {
  readonly id: number;
  readonly address: bigint;
  readonly symbol?: string;
  readonly isEnabled: boolean;
  readonly hits: number;
}

export interface PointsProps<P extends Point> {
  readonly label: string;
  readonly points: readonly P[];
  readonly describe: (point: P) => string;
  readonly onEnable: (id: number, isOn: boolean) => Promise<void>;
  readonly onRemove: (id: number) => Promise<void>;
  readonly empty: ComponentChildren;
}

export function Points<P extends Point>(props: PointsProps<P>): JSX.Element {
  const { label, points, describe, onEnable, onRemove, empty } = props;
  if (points.length === 0) return <Empty>{empty}</Empty>;
  return (
    <DataTable
      label={label}
      rows={points}
      keyOf={({ id }) => id}
      columns={[
        {
          title: "On",
          cell: ({ id, isEnabled, address, symbol }) => (
            <input
              type="checkbox"
              aria-label={`${placeText(address, symbol)} is on`}
              checked={isEnabled}
              onChange={({ currentTarget }) => void onEnable(id, currentTarget.checked)}
            />
          ),
        },
        {
          title: "Where",
          cell: ({ address, symbol }) => <code>{placeText(address, symbol)}</code>,
        },
        { title: "What", cell: describe },
        { title: "Met", align: "end", digits: 8, cell: ({ hits }) => hits },
        {
          title: "",
          cell: ({ id, address, symbol }) => (
            <button
              type="button"
              class="kit-link"
              aria-label={`Remove ${placeText(address, symbol)}`}
              onClick={() => void onRemove(id)}
            >
              Remove
            </button>
          ),
        },
      ]}
    />
  );
}

const KINDS: readonly WatchpointView["kind"][] = ["write", "read", "access"];
const DEFAULT_WATCHED_BYTES = 8;

export function BreakpointForm({ act }: { act: Act }): JSX.Element {
  const place = useSignal("");
  const condition = useSignal("");
  const add = (): Promise<void> =>
    act(async (m) => {
      await m.addBreakpoint(place.value, condition.value);
      place.value = "";
      condition.value = "";
    });
  return (
    <PlaceForm
      label="Address or symbol of a new breakpoint"
      place={place}
      submit="Add"
      onSubmit={add}
    >
      <input
        aria-label="Condition"
        placeholder="if, such as a2 > 0x1000"
        spellcheck={false}
        {...bound(condition)}
      />
    </PlaceForm>
  );
}

export function WatchpointForm({ act }: { act: Act }): JSX.Element {
  const place = useSignal("");
  const access = useSignal<WatchpointView["kind"]>("write");
  const length = useSignal(DEFAULT_WATCHED_BYTES);
  const add = (): Promise<void> =>
    act(async (m) => {
      await m.addWatchpoint(place.value, length.value, access.value);
      place.value = "";
    });
  return (
    <PlaceForm
      label="Address or symbol of a new watchpoint"
      place={place}
      submit="Add"
      onSubmit={add}
    >
      <input
        aria-label="Bytes"
        class="control-bytes"
        type="number"
        min={1}
        value={length.value}
        onInput={({ currentTarget }) => {
          length.value = currentTarget.valueAsNumber;
        }}
      />
      <select
        aria-label="Kind of access"
        value={access.value}
        onChange={({ currentTarget }) => {
          access.value = KINDS[currentTarget.selectedIndex];
        }}
      >
        {KINDS.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </PlaceForm>
  );
}
