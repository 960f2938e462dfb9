/** The guest's physical address space: a strip on which each area has room, and a list. */
import type { JSX } from "preact";
import type { Mark, MemoryArea, MemoryMap } from "../../inspect/calls.ts";
import { hex, sizeText } from "./address-text.ts";
import { DataTable, Empty, Section } from "./kit.tsx";

export interface MapViewProps {
  readonly map: MemoryMap;
  readonly onGo: (physical: number) => void;
}

export function MapView({ map, onGo }: MapViewProps): JSX.Element {
  const { areas, marks } = map;
  return (
    <>
      <Section
        title="Address space"
        aside={<span class="kit-aside">heights grow with the logarithm of sizes</span>}
      >
        <div class="memory-map">
          <Strip areas={areas} />
          <DataTable<MemoryArea>
            label="Areas of the address space"
            rows={areas}
            keyOf={({ base, size, name }) => `${base} ${size} ${name}`}
            onOpen={({ base }) => onGo(base)}
            columns={[
              { title: "Base", cell: ({ base }) => <code>{hex(base, 9)}</code> },
              { title: "Size", cell: ({ size }) => sizeText(size), align: "end", digits: 8 },
              { title: "What", cell: (area) => <AreaName area={area} /> },
            ]}
          />
        </div>
      </Section>
      <Section title="Known parts of RAM">
        {marks.length === 0 ? (
          <Empty>Rings of queues are listed here once a driver has set them up.</Empty>
        ) : (
          <DataTable<Mark>
            label="Known parts of RAM"
            rows={marks}
            keyOf={({ base, name }) => `${base} ${name}`}
            onOpen={({ base }) => onGo(base)}
            columns={[
              { title: "Base", cell: ({ base }) => <code>{hex(base, 9)}</code> },
              { title: "Size", cell: ({ size }) => sizeText(size), align: "end", digits: 8 },
              { title: "What", cell: ({ name }) => name },
            ]}
          />
        )}
      </Section>
    </>
  );
}

function AreaName({ area }: { area: MemoryArea }): JSX.Element {
  const { kind, name, presentBytes } = area;
  const present = presentBytes === undefined ? "" : `, ${sizeText(presentBytes)} there`;
  return <span class="area-name" data-kind={kind}>{`${name}${present}`}</span>;
}

/** Highest addresses on top; slots lie in the window of all slots. */
function Strip({ areas }: { areas: readonly MemoryArea[] }): JSX.Element {
  const outer = areas.filter(({ kind }) => kind !== "slot").reverse();
  return (
    <div class="memory-strip" aria-hidden="true">
      {outer.map(({ base, size, kind, name }) => (
        <div
          key={base}
          data-kind={kind}
          title={`${name}: ${sizeText(size)} at ${hex(base)}`}
          style={{ flexGrow: Math.log2(size) - 6 }}
        >
          {name}
        </div>
      ))}
    </div>
  );
}
