/** A flame graph that is read with the mouse or the keyboard: arrows go, Enter zooms, Escape leaves. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId, useMemo } from "preact/hooks";
import type { PackedProfile } from "../../inspect/calls.ts";
import { countText, percentText } from "./address-text.ts";
import { childrenOf, type FlameBox, findFrames, layOut } from "./flame-layout.ts";

const ROW_PX = 20;

/** Of narrower boxes, in parts of the whole, the first letter would say nothing. */
const MIN_TEXT_WIDTH = 0.025;

export interface FlameGraphProps {
  readonly tree: PackedProfile;
  /** Marks the frames whose names have it. */
  readonly search: string;
}

export function FlameGraph({ tree, search }: FlameGraphProps): JSX.Element {
  const zoomed = useSignal(0);
  const focused = useSignal(0);
  const id = useId();
  // A profile that was cleared has fewer nodes.
  const top = zoomed.value < tree.parent.length ? zoomed.value : 0;
  const current = focused.value < tree.parent.length ? focused.value : 0;
  const boxes = useMemo(() => layOut(tree, top), [tree, top]);
  const found = useMemo(() => findFrames(tree, search.trim()), [tree, search]);
  const depth = boxes.at(-1)?.depth ?? 0;
  const textOf = (node: number): string => {
    const share = tree.total[node] / Math.max(tree.total[0], 1);
    const samples = `${countText(tree.total[node])} samples`;
    return `${tree.names[tree.name[node]]}: ${samples}, ${percentText(share)}`;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = step(event.key, tree, current);
    if (event.key === "Enter" || event.key === " ") zoomed.value = current;
    else if (event.key === "Escape" && top !== 0) zoomed.value = tree.parent[top];
    else if (next === undefined) return;
    else focused.value = next;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <>
      <div
        class="flame"
        role="tree"
        aria-label="Flame graph"
        aria-activedescendant={`${id}-${current}`}
        tabIndex={0}
        style={{ "--row": `${ROW_PX}px`, height: `${(depth + 1) * ROW_PX}px` }}
        onKeyDown={onKeyDown}
      >
        {boxes.map((box) => (
          <Frame
            key={box.node}
            id={`${id}-${box.node}`}
            box={box}
            tree={tree}
            isCurrent={box.node === current}
            isFound={found.nodes.has(box.node)}
            title={textOf(box.node)}
            onOpen={() => {
              focused.value = box.node;
              zoomed.value = box.node;
            }}
          />
        ))}
      </div>
      <output class="flame-status">
        {textOf(current)}
        {search.trim() !== "" &&
          ` · found in ${percentText(found.samples / Math.max(tree.total[0], 1))}`}
      </output>
    </>
  );
}

/** Where an arrow key leads. */
function step(key: string, tree: PackedProfile, from: number): number | undefined {
  const children = childrenOf(tree);
  if (key === "ArrowUp") return Math.max(tree.parent[from], 0);
  if (key === "ArrowDown") {
    return children[from].reduce<number | undefined>(
      (best, node) => (best === undefined || tree.total[node] > tree.total[best] ? node : best),
      undefined,
    );
  }
  const siblings = from === 0 ? [0] : children[tree.parent[from]];
  const at = siblings.indexOf(from);
  if (key === "ArrowLeft") return siblings[at - 1];
  if (key === "ArrowRight") return siblings[at + 1];
  return undefined;
}

interface FrameProps {
  readonly id: string;
  readonly box: FlameBox;
  readonly tree: PackedProfile;
  readonly isCurrent: boolean;
  readonly isFound: boolean;
  readonly title: string;
  readonly onOpen: () => void;
}

function Frame({ id, box, tree, isCurrent, isFound, title, onOpen }: FrameProps): JSX.Element {
  const { node, depth, left, width } = box;
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus, and says where in it.
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree takes the keys.
    <div
      id={id}
      class="flame-frame"
      role="treeitem"
      aria-level={depth + 1}
      aria-selected={isCurrent}
      aria-label={title}
      title={title}
      data-kind={node === 0 ? "all" : tree.kinds[tree.kind[node]]}
      data-found={isFound || undefined}
      style={{
        left: `${left * 100}%`,
        width: `${width * 100}%`,
        top: `${depth * ROW_PX}px`,
      }}
      onClick={onOpen}
    >
      {width >= MIN_TEXT_WIDTH && tree.names[tree.name[node]]}
    </div>
  );
}
