/** What parts of RAM are for, as far as the monitor knows: rings of queues, and the kernel. */
import type { Machine } from "../machine/machine.ts";
import type { QueueAddresses } from "../virtio/queue.ts";
import { translationState } from "./hart-state.ts";
import { walkPage } from "./page-walk.ts";
import type { Symbols } from "./symbols.ts";

export interface Mark {
  readonly base: number;
  readonly size: number;
  readonly name: string;
  readonly kind: "queue" | "kernel";
}

interface Area {
  readonly name: string;
  readonly base: number;
  readonly size: number;
}

/** The three areas of a queue (virtio 2.7.2 and 2.8.14). */
function areasOf(
  layout: "split" | "packed",
  { size, desc, driver, device }: QueueAddresses,
): Area[] {
  const ring = { name: layout === "split" ? "descriptors" : "ring", base: desc, size: 16 * size };
  if (layout === "packed") {
    return [
      ring,
      { name: "driver events", base: driver, size: 4 },
      { name: "device events", base: device, size: 4 },
    ];
  }
  return [
    ring,
    { name: "available", base: driver, size: 6 + 2 * size },
    { name: "used", base: device, size: 6 + 8 * size },
  ];
}

/** Parts of a Linux kernel by the symbols at their ends. */
const KERNEL_PARTS = [
  { name: "kernel code", first: "_text", end: "_etext" },
  { name: "kernel init", first: "__init_begin", end: "__init_end" },
  { name: "kernel data", first: "_sdata", end: "__bss_start" },
  { name: "kernel bss", first: "__bss_start", end: "_end" },
] as const;

/** A kernel is smaller: what symbols of a wrong file say is not believed. */
const MAX_PART_BYTES = 256n << 20n;

export const marksOf = (machine: Machine, symbols: Symbols): Mark[] =>
  [...queueMarks(machine), ...kernelMarks(machine, symbols)].sort((a, b) => a.base - b.base);

const queueMarks = (machine: Machine): Mark[] =>
  machine.inspect().slots.flatMap(({ device }) =>
    device.queues.flatMap(({ index, layout, addresses }) => {
      if (layout === undefined || addresses === undefined) return [];
      return areasOf(layout, addresses).map(
        ({ name, ...range }): Mark => ({
          ...range,
          name: `${device.name} queue ${index}: ${name}`,
          kind: "queue",
        }),
      );
    }),
  );

function kernelMarks(machine: Machine, symbols: Symbols): Mark[] {
  const hart = machine.harts[0];
  return KERNEL_PARTS.flatMap(({ name, first, end }): Mark[] => {
    const [from, to] = [symbols.address(first), symbols.address(end)];
    if (hart === undefined || from === undefined || to === undefined) return [];
    const size = to - from;
    const page = walkPage(machine.memory, translationState(hart), from).page;
    if (page === undefined || size <= 0n || size > MAX_PART_BYTES) return [];
    // The kernel's image is mapped as it lies in memory.
    return [{ name, kind: "kernel", base: Number(page.physical), size: Number(size) }];
  });
}
