/** The request that is selected in the list, and the keys that go from one to another. */
import { useEffect, useRef } from "preact/hooks";
import type { IndexedRow, Remote, TimelineState } from "../../inspect/calls.ts";

export interface CursorProps {
  readonly machine: Remote;
  readonly state: TimelineState;
  readonly selected: number | undefined;
  readonly selectedIndex: number | undefined;
  readonly known: ReadonlyMap<number, IndexedRow>;
  /** How far the keys for pages go. */
  readonly pageRows: number;
  readonly onSelect: (seq: number, how: "click" | "key") => void;
  readonly onClose: () => void;
}

/** Where somebody went; which request is there may have to be asked. */
interface Target {
  readonly index: number;
  readonly revision: number;
  seq?: number;
}

/** What the keys do: from an index to another, which may lie beyond the list. */
const STEPS: Readonly<Record<string, (here: number, pageRows: number) => number>> = {
  ArrowDown: (here) => here + 1,
  j: (here) => here + 1,
  ArrowUp: (here) => here - 1,
  k: (here) => here - 1,
  PageDown: (here, pageRows) => here + pageRows,
  PageUp: (here, pageRows) => here - pageRows,
  Home: () => Number.NEGATIVE_INFINITY,
  End: () => Number.POSITIVE_INFINITY,
};

export function useCursor(props: CursorProps) {
  const { machine, state, selected, selectedIndex, known, pageRows, onSelect, onClose } = props;
  const { first, end, revision } = state;
  const target = useRef<Target | undefined>(undefined);
  const missed = useRef<string | undefined>(undefined);
  // Keys that repeat are faster than the answer to where the selected request is.
  const last = target.current?.revision === revision ? target.current : undefined;
  const isThere = last?.seq === undefined || last.seq === selected;
  const index = (isThere ? last?.index : undefined) ?? selectedIndex;

  const rowAt = async (index: number): Promise<IndexedRow | undefined> => {
    const [row] = await machine.timelineRows(index, 1, revision).catch(() => []);
    return row?.index === index ? row : undefined;
  };
  const goTo = async (index: number, key: string): Promise<void> => {
    const here: Target = { index, revision };
    target.current = here;
    const row = known.get(index) ?? (await rowAt(index));
    // Another key has led elsewhere since.
    if (target.current !== here) return;
    if (row !== undefined) {
      here.seq = row.seq;
      onSelect(row.seq, "key");
    } else {
      target.current = undefined;
      missed.current = key;
    }
  };
  const step = (key: string): boolean => {
    if (!Object.hasOwn(STEPS, key) || end === first) return false;
    // From the last one that was selected, if there is none now.
    const to = STEPS[key];
    // With none at all, keys that go up begin at the end.
    const here = index ?? last?.index ?? (to(0, pageRows) < 0 ? end : first - 1);
    const next = to(here, pageRows);
    void goTo(Math.min(end - 1, Math.max(first, next)), key);
    return true;
  };
  // A key that came when the list was another one already goes where it leads in that.
  useEffect(() => {
    const key = missed.current;
    missed.current = undefined;
    if (key !== undefined) step(key);
  }, [revision]);
  return {
    /** Of the selected request among the matches, as far as that is known. */
    index,
    select: (seq: number, index: number): void => {
      target.current = { index, revision, seq };
      onSelect(seq, "click");
    },
    onKeyDown: (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "Escape" && selected !== undefined) onClose();
      else if (!step(event.key)) return;
      event.preventDefault();
    },
  };
}
