/** The page's icons: 16 by 16, one stroke, in the colour of the text around them. */
import type { JSX } from "preact";

const PATHS = {
  restart: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3",
  power: "M8 2v6M4.6 4.4a5 5 0 1 0 6.8 0",
  start: "M5 3.2l7.5 4.8L5 12.8z",
  save: "M3 2.8h8l2.2 2.2v8.2H3zM5.4 2.8v3.4h4.4V2.8M5 13.2V9h6v4.2",
  files: "M2.5 12.5v-9h4l1.5 2h5.5v7zM8 7v3.6M6.2 8.8h3.6",
  erase:
    "M3 8.2a5 1.8 0 0 0 10 0M3 4.2v7.6a5 1.8 0 0 0 10 0V4.2M3 4.2a5 1.8 0 1 0 10 0a5 1.8 0 1 0-10 0",
  grow: "M2 6a4.4 1.6 0 0 0 8.8 0a4.4 1.6 0 1 0-8.8 0v5a4.4 1.6 0 0 0 5 1.6M12 9v5M9.5 11.5h5",
  inspect: "M10.6 10.6L14 14M2.5 7a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0M4.6 7h1.2l1-2 1 3.6.8-1.6h1",
  close: "M4 4l8 8M12 4l-8 8",
  keys: "M1.8 4h12.4v8H1.8zM4.4 6.6h.1M7 6.6h.1M9.6 6.6h.1M11.8 6.6h.1M5 9.4h6",
  expand: "M2.8 6V2.8H6M10 2.8h3.2V6M13.2 10v3.2H10M6 13.2H2.8V10",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
