/** A virtqueue drawn as the ring that it is: its places, and how far either side has come. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { PlaceView, PositionView, QueueView } from "../../inspect/calls.ts";

export interface QueueRingProps {
  readonly view: QueueView;
  /** Places of the chain that is open. */
  readonly selected: readonly number[];
  readonly onPlace: (place: number) => void;
}

/** Of the drawing, in its own units. */
const OUTER = 100;
const INNER = 82;
/** Markers of the driver are outside of the ring, those of the device inside. */
const MARKERS = { driver: OUTER + 3, device: INNER - 3 };
const MARKER_LENGTH = 9;
const EXTENT = 126;

export function QueueRing({ view, selected, onPlace }: QueueRingProps): JSX.Element | null {
  const { ring, addresses } = view;
  if (ring === undefined || addresses === undefined) return null;
  const { places, positions } = ring;
  const [first] = places;
  const turn = (place: number): number => {
    const ahead = (place - first.place + addresses.size) % addresses.size;
    return ahead / places.length;
  };
  return (
    <figure class="queue-ring">
      <svg
        viewBox={`${-EXTENT} ${-EXTENT} ${2 * EXTENT} ${2 * EXTENT}`}
        role="img"
        aria-label={ringText(view)}
      >
        {places.map((place) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: the table has the same by keyboard.
          <path
            key={place.place}
            class="place"
            d={arc(turn(place.place), 1 / places.length)}
            data-state={place.state}
            data-selected={selected.includes(place.place) || undefined}
            onClick={() => onPlace(place.place)}
          >
            <title>{placeText(place)}</title>
          </path>
        ))}
        {quarters(places).map((place) => (
          <Label key={place} turn={turn(place) + 0.5 / places.length} text={String(place)} />
        ))}
        {positions.map((position) => (
          <Marker
            key={position.name}
            position={position}
            turn={turn(position.place)}
            size={places.length}
          />
        ))}
        <text class="count" y="-2">
          {view.inFlight}
        </text>
        <text class="unit" y="16">
          in flight
        </text>
      </svg>
      <ul class="queue-positions" aria-label="Positions">
        {positions.map(({ name, side, value }) => (
          <li key={name} data-side={side}>
            <svg viewBox="-8 -8 16 16" aria-hidden="true" data-marker={name}>
              <path
                d={`M0 ${side === "driver" ? 6 : -6} l-5 ${side === "driver" ? -11 : 11} h10 z`}
              />
            </svg>
            <span>{name}</span>
            <code>{value}</code>
          </li>
        ))}
      </ul>
    </figure>
  );
}

interface MarkerProps {
  readonly position: PositionView;
  readonly turn: number;
  /** Places in the drawing. */
  readonly size: number;
}

/** Goes forward only, as positions do. */
function Marker({ position, turn, size }: MarkerProps): JSX.Element {
  const turns = useRef(turn);
  const before = turns.current;
  const ahead = (((turn - before) % 1) + 1) % 1;
  // Half a place is what numbers with fractions may be off.
  turns.current = ahead > 1 - 0.5 / size ? before : before + ahead;
  const radius = MARKERS[position.side];
  const base = position.side === "driver" ? radius + MARKER_LENGTH : radius - MARKER_LENGTH;
  return (
    <path
      class="marker"
      data-marker={position.name}
      style={{ transform: `rotate(${360 * (turns.current + 0.5 / size)}deg)` }}
      d={`M0 ${-radius} L-5 ${-base} L5 ${-base} Z`}
    >
      <title>{`${position.name} ${position.value}`}</title>
    </path>
  );
}

function Label({ turn, text }: { turn: number; text: string }): JSX.Element {
  const [x, y] = point(turn, INNER - 19);
  return (
    <text class="place-label" x={x} y={y}>
      {text}
    </text>
  );
}

/** The places that are written beside the ring. */
function quarters(places: readonly PlaceView[]): number[] {
  const count = Math.min(4, places.length);
  return Array.from(
    { length: count },
    (_, i) => places[Math.floor((i * places.length) / count)].place,
  );
}

/** A place: a piece of the ring that begins at `turn` and is `length` of a turn long. */
function arc(turn: number, length: number): string {
  const gap = Math.min(length * 0.15, 0.004);
  const [from, to] = [turn + gap / 2, turn + length - gap / 2];
  const isLarge = length > 0.5 ? 1 : 0;
  const [a, b, c, d] = [point(from, OUTER), point(to, OUTER), point(to, INNER), point(from, INNER)];
  return (
    `M${a} A${OUTER} ${OUTER} 0 ${isLarge} 1 ${b} ` +
    `L${c} A${INNER} ${INNER} 0 ${isLarge} 0 ${d} Z`
  );
}

/** Clockwise from the top. */
function point(turn: number, radius: number): [x: string, y: string] {
  const angle = 2 * Math.PI * turn;
  return [(radius * Math.sin(angle)).toFixed(2), (-radius * Math.cos(angle)).toFixed(2)];
}

function placeText({ place, state, head, used, descriptor }: PlaceView): string {
  const lines = [`place ${place}: ${state}`];
  if (head !== undefined) lines.push(`avail.ring: head ${head}`);
  if (used !== undefined) lines.push(`used.ring: id ${used.id}, length ${used.length}`);
  if (descriptor !== undefined) {
    const { address, length, flags } = descriptor;
    lines.push(`0x${address.toString(16)} ${length} bytes ${flags}`);
  }
  return lines.join("\n");
}

function ringText({ layout, addresses, inFlight, waiting }: QueueView): string {
  return `A ${layout} ring of ${addresses?.size} places: ${inFlight} in flight, ${waiting} available`;
}
