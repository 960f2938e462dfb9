/** The timeline's place in the page's address: `@SEQ FILTER`, where both may be left out. */

export interface TimelinePlace {
  /** The request that is opened, by its number in the record. */
  readonly seq: number | undefined;
  readonly filter: string;
}

export function parsePlace(place: string): TimelinePlace {
  const [, seq, filter] = /^(?:@(\d{1,15})(?: |$))?([\s\S]*)$/.exec(place)!;
  return { seq: seq === undefined ? undefined : Number(seq), filter };
}

export function placeOf({ seq, filter }: TimelinePlace): string {
  if (seq === undefined) return filter;
  return filter === "" ? `@${seq}` : `@${seq} ${filter}`;
}
