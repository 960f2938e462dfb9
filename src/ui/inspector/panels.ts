/** The inspector's panels, in the order of their tabs. A panel is one file, loaded when it is shown. */
import type { Panel } from "./panel.ts";

export const PANELS: readonly Panel[] = [
  {
    id: "devices",
    title: "Devices",
    load: async () => (await import("./devices-panel.tsx")).DevicesPanel,
  },
  {
    id: "control",
    title: "Control",
    load: async () => (await import("./control-panel.tsx")).ControlPanel,
  },
  {
    id: "cpu",
    title: "CPU",
    load: async () => (await import("./cpu-panel.tsx")).CpuPanel,
  },
  {
    id: "profile",
    title: "Profile",
    load: async () => (await import("./profile-panel.tsx")).ProfilePanel,
  },
  {
    id: "memory",
    title: "Memory",
    load: async () => (await import("./memory-panel.tsx")).MemoryPanel,
  },
];
