/** A decoded payload: named values in a tree, one line each. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Field } from "../../inspect/calls.ts";

export interface FieldTreeProps {
  readonly fields: readonly Field[];
  /** The field that is pointed at or has the focus; undefined when there is none. */
  readonly onField: (field: Field | undefined) => void;
}

interface Line {
  readonly field: Field;
  /** Of places in lists, so that it is the same line when the values change. */
  readonly path: string;
  readonly level: number;
}

export function FieldTree({ fields, onField }: FieldTreeProps): JSX.Element {
  const closed = useSignal<ReadonlySet<string>>(new Set());
  const current = useSignal("0");
  const tree = useRef<HTMLDivElement>(null);
  const lines = linesOf(fields, closed.value);
  const toggle = (path: string, isOpen: boolean): void => {
    const next = new Set(closed.value);
    if (isOpen) next.delete(path);
    else next.add(path);
    closed.value = next;
  };
  const focus = (path: string | undefined): void => {
    if (path === undefined) return;
    current.value = path;
    tree.current?.querySelector<HTMLElement>(`[data-path="${path}"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = lines.findIndex(({ path }) => path === current.value);
    const line = lines[at];
    if (line === undefined) return;
    const isOpen = !closed.value.has(line.path);
    const hasChildren = line.field.children !== undefined;
    if (event.key === "ArrowDown") focus(lines[at + 1]?.path);
    else if (event.key === "ArrowUp") focus(lines[at - 1]?.path);
    else if (event.key === "Home") focus(lines[0].path);
    else if (event.key === "End") focus(lines.at(-1)?.path);
    else if (event.key === "ArrowLeft" && hasChildren && isOpen) toggle(line.path, false);
    else if (event.key === "ArrowLeft") focus(parentOf(line.path));
    else if (event.key === "ArrowRight" && hasChildren && isOpen) focus(lines[at + 1]?.path);
    else if (event.key === "ArrowRight" && hasChildren) toggle(line.path, true);
    else return;
    event.preventDefault();
  };
  // A line may be gone since it had the focus.
  const reachable = lines.some(({ path }) => path === current.value) ? current.value : "0";
  return (
    <div
      class="field-tree"
      role="tree"
      aria-label="Decoded payload"
      ref={tree}
      onKeyDown={onKeyDown}
      onMouseLeave={() => onField(undefined)}
      onFocusOut={() => onField(undefined)}
    >
      {lines.map(({ field, path, level }) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the tree has the keys.
        <div
          key={path}
          role="treeitem"
          data-path={path}
          tabIndex={path === reachable ? 0 : -1}
          aria-level={level}
          aria-expanded={field.children === undefined ? undefined : !closed.value.has(path)}
          aria-selected={path === current.value}
          style={{ "--level": level - 1 }}
          onMouseEnter={() => onField(field)}
          onFocus={() => {
            current.value = path;
            onField(field);
          }}
          onClick={() => field.children !== undefined && toggle(path, closed.value.has(path))}
        >
          <span class="field-name">{field.name}</span> <code>{field.value}</code>
          {field.note !== undefined && <span class="field-note"> {field.note}</span>}
        </div>
      ))}
    </div>
  );
}

function linesOf(
  fields: readonly Field[],
  closed: ReadonlySet<string>,
  prefix = "",
  level = 1,
): Line[] {
  return fields.flatMap((field, i) => {
    const path = `${prefix}${i}`;
    const line = { field, path, level };
    if (field.children === undefined || closed.has(path)) return [line];
    return [line, ...linesOf(field.children, closed, `${path}.`, level + 1)];
  });
}

function parentOf(path: string): string | undefined {
  const dot = path.lastIndexOf(".");
  return dot < 0 ? undefined : path.slice(0, dot);
}
