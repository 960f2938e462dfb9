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
  {
    id: "cpu",
    title: "CPU",
    load: async () => (await import("./cpu-panel.tsx")).CpuPanel,
  },
  {
    id: "control",
    title: "Control",
    load: async () => (await import("./control-panel.tsx")).ControlPanel,
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
  {
    id: "faults",
    title: "Faults",
    load: async () => (await import("./faults-panel.tsx")).FaultsPanel,
  },
  {
    id: "machine",
    title: "Machine",
    load: async () => (await import("./machine-panel.tsx")).MachinePanel,
  },
  {
    id: "disks",
    title: "Disks",
    load: async () => (await import("./disks-panel.tsx")).DisksPanel,
  },
  {
    id: "log",
    title: "Log",
    load: async () => (await import("./log-panel.tsx")).LogPanel,
  },
];
