/** A virtqueue drawn as the ring that it is: its places, and how far either side has come. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { PositionView, QueueView } from "../../inspect/calls.ts";

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
/** Numbers of places are within the markers. */
const LABELS = MARKERS.device - MARKER_LENGTH - 14;
const EXTENT = 126;
/** Where places are numbered. */
const QUARTERS = [0, 0.25, 0.5, 0.75];

export function QueueRing({ view, selected, onPlace }: QueueRingProps): JSX.Element | null {
  const { ring, addresses } = view;
  if (ring === undefined || addresses === undefined) return null;
  const { first, states, positions } = ring;
  const { size } = addresses;
  const count = states.length;
  const turn = (place: number): number => ((place - first + size) % size) / count;
  const placeAt = (i: number): number => (first + i) % size;
  return (
    <figure class="queue-ring">
      <svg
        viewBox={`${-EXTENT} ${-EXTENT} ${2 * EXTENT} ${2 * EXTENT}`}
        role="img"
        aria-label={ringText(view)}
      >
        {states.map((state, i) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: the table has the same by keyboard.
          <path
            key={placeAt(i)}
            class="place"
            d={arc(i / count, 1 / count)}
            data-state={state}
            data-selected={selected.includes(placeAt(i)) || undefined}
            onClick={() => onPlace(placeAt(i))}
          >
            <title>{`place ${placeAt(i)}: ${state}`}</title>
          </path>
        ))}
        {QUARTERS.slice(0, count).map((quarter) => {
          const i = Math.floor(quarter * count);
          return <Label key={quarter} turn={(i + 0.5) / count} text={String(placeAt(i))} />;
        })}
        {positions.map((position) => (
          <Marker
            key={position.name}
            position={position}
            turn={turn(position.place)}
            size={count}
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
  const [x, y] = point(turn, LABELS);
  return (
    <text class="place-label" x={x} y={y}>
      {text}
    </text>
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

function ringText({ layout, addresses, inFlight, waiting }: QueueView): string {
  return `A ${layout} ring of ${addresses?.size} places: ${inFlight} in flight, ${waiting} available`;
}
