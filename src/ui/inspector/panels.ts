/** The inspector's panels, in the order of their tabs. A panel is one file, loaded when it is shown. */
import type { Panel } from "./panel.ts";

export const PANELS: readonly Panel[] = [
  {
    id: "devices",
    title: "Devices",
    load: async () => (await import("./devices-panel.tsx")).DevicesPanel,
  },
  {
    id: "queues",
    title: "Queues",
    load: async () => (await import("./queues-panel.tsx")).QueuesPanel,
  },
  {
    id: "timeline",
    title: "Timeline",
    load: async () => (await import("./timeline-panel.tsx")).TimelinePanel,
  },
  {
    id: "interrupts",
    title: "Interrupts",
    load: async () => (await import("./interrupts-panel.tsx")).InterruptsPanel,
  },
];
