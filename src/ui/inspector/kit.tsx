/** What panels are made of: facts, tables, flags and numbers that look alike. */
import "./kit.css";
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import { hex } from "./address-text.ts";

/** What a colour says: `good` works, `busy` is at it, `warn` wants a look, `bad` is broken. */
export type Tone = "quiet" | "good" | "busy" | "warn" | "bad";

export interface SectionProps {
  readonly title: string;
  /** Beside the heading: a number, a flag, a button. */
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A part of a panel under a heading, by which screen readers find it. */
export function Section({ title, aside, children }: SectionProps): JSX.Element {
  const heading = useId();
  return (
    <section class="kit-section" aria-labelledby={heading}>
      <header>
        <h3 id={heading}>{title}</h3>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Names with their values, in as many columns as there is room for. */
export function Facts({ facts }: { facts: readonly Fact[] }): JSX.Element {
  return (
    <dl class="kit-facts">
      {facts.map(({ name, value, title }) => (
        <div key={name} title={title}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export interface Fact {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly title?: string | undefined;
}

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** `end` for numbers. */
  readonly align?: "start" | "end";
  /** In the width of digits, so that a column holds still while its numbers change. */
  readonly digits?: number;
}

export interface DataTableProps<Row> {
  /** What the table has, for screen readers. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string | number;
  /** Makes the first cell of each row a button. */
  readonly onOpen?: (row: Row) => void;
  readonly isOpen?: (row: Row) => boolean;
  readonly toneOf?: (row: Row) => Tone | undefined;
}

/** A table whose head stays in sight; it scrolls by itself when it is larger than the panel. */
export function DataTable<Row>(props: DataTableProps<Row>): JSX.Element {
  const { label, columns, rows, keyOf } = props;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by the keyboard too.
    <section class="kit-table" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" data-align={column.align} style={widthOf(column)}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <TableRow key={keyOf(row)} row={row} table={props} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface TableRowProps<Row> {
  readonly row: Row;
  readonly table: DataTableProps<Row>;
}

function TableRow<Row>({ row, table }: TableRowProps<Row>): JSX.Element {
  const { columns, onOpen, isOpen, toneOf } = table;
  const [first, ...others] = columns;
  const isCurrent = isOpen?.(row) ?? false;
  const cell = first.cell(row);
  return (
    <tr data-tone={toneOf?.(row)} aria-current={isCurrent || undefined}>
      <th scope="row" data-align={first.align}>
        {onOpen ? (
          <button type="button" class="kit-link" onClick={() => onOpen(row)}>
            {cell}
          </button>
        ) : (
          cell
        )}
      </th>
      {others.map((column) => (
        <td key={column.title} data-align={column.align}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}

function widthOf({ digits }: { digits?: number }): { minWidth: string } | undefined {
  return digits === undefined ? undefined : { minWidth: `calc(${digits}ch + var(--space-4))` };
}

export interface BadgeProps {
  readonly tone?: Tone;
  readonly title?: string | undefined;
  readonly children: ComponentChildren;
}

/** A word or two that stand out. */
export function Badge({ tone = "quiet", title, children }: BadgeProps): JSX.Element {
  return (
    <span class="kit-badge" data-tone={tone} title={title}>
      {children}
    </span>
  );
}

export interface Flag {
  readonly name: string;
  readonly isOn: boolean;
  /** Of the flag when it is on; default `good`. */
  readonly tone?: Tone;
  readonly title?: string | undefined;
}

/** Bits by their names; those that are off keep their places, so that nothing jumps. */
export function Flags({ flags, label }: { flags: readonly Flag[]; label: string }): JSX.Element {
  return (
    <ul class="kit-flags" aria-label={label}>
      {flags.map(({ name, isOn, tone = "good", title }) => (
        <li key={name} class="kit-badge" data-tone={isOn ? tone : "off"} title={title}>
          {name}
          <span class="kit-unseen">{isOn ? " on" : " off"}</span>
        </li>
      ))}
    </ul>
  );
}

export interface SubtabsProps<Id extends string> {
  /** What has these parts. */
  readonly label: string;
  readonly tabs: readonly { readonly id: Id; readonly title: string }[];
  readonly shown: Id;
  readonly onShow: (id: Id) => void;
}

/** The parts of one panel, of which one is shown. */
export function Subtabs<Id extends string>(props: SubtabsProps<Id>): JSX.Element {
  const { label, tabs, shown, onShow } = props;
  return (
    <nav class="kit-subtabs" aria-label={label}>
      {tabs.map(({ id, title }) => (
        <button
          key={id}
          type="button"
          aria-current={id === shown ? "page" : undefined}
          onClick={() => onShow(id)}
        >
          {title}
        </button>
      ))}
    </nav>
  );
}

/** A number in base 16 with leading zeros up to so many digits. */
export function Hex({ value, digits = 1 }: { value: number | bigint; digits?: number }) {
  return <code class="kit-hex">{hex(value, digits)}</code>;
}

/** Nothing to show; a sentence says why, and how something would come here. */
export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="kit-empty">{children}</p>;
}

/** Something that went wrong, with its reason. */
export function Fault({ what, reason }: { what: string; reason: string }): JSX.Element {
  return (
    <p class="kit-fault">
      <strong>{what}</strong> {reason}
    </p>
  );
}

/** Why the last thing that was asked for was not done; empty if it was. */
export function Complaint({ text }: { text: string }): JSX.Element {
  return (
    <p class="kit-complaint" role="alert">
      {text}
    </p>
  );
}
