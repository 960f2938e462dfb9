/** What there is to see of interrupts, from the wires of devices to those of harts. */
import { type HartPort, Interrupt } from "../cpu/hart-port.ts";
import { SPI_BASE, type SpiSnapshot } from "../irq/distributor.ts";
import { TIMEBASE_HZ } from "../irq/timebase.ts";
import type { Clock } from "../machine/clock.ts";
import type { Machine } from "../machine/machine.ts";
import type { HistogramView } from "./histogram.ts";
import { ServiceTimes } from "./service-times.ts";
import type { Subject } from "./subject.ts";

/**
 * Interrupts per second of one source that are called a storm: one each 50 µs, for which a guest's
 * handler leaves little time to anything else. A level that nobody lowers gets there by claims alone.
 */
const STORM_PER_SECOND = 20_000;

/** CSRs of the Privileged Architecture by their numbers (2.2). */
const MIDELEG = 0x303;
const MIE = 0x304;
const MIP = 0x344;
const STIMECMP = 0x14d;

/** The names of `mip` and `mie` for each cause (3.1.9). */
const CAUSES: readonly { readonly cause: number; readonly name: string; readonly what: string }[] =
  [
    { cause: Interrupt.supervisorSoftware, name: "SSI", what: "supervisor software" },
    { cause: Interrupt.machineSoftware, name: "MSI", what: "machine software" },
    { cause: Interrupt.supervisorTimer, name: "STI", what: "supervisor timer" },
    { cause: Interrupt.machineTimer, name: "MTI", what: "machine timer" },
    { cause: Interrupt.supervisorExternal, name: "SEI", what: "supervisor external" },
    { cause: Interrupt.machineExternal, name: "MEI", what: "machine external" },
  ];

/** Whose wire it is. */
interface SpiSource {
  readonly name: string;
  /** Of a virtio device. */
  readonly slot?: number;
}

export interface SpiView extends SpiSnapshot {
  readonly spi: number;
  /** Absent for a wire without a device. */
  readonly source?: SpiSource;
  /** From claim to completion, since somebody looks; absent while there was none. */
  readonly service?: HistogramView;
}

/** One wire from the controller to a hart. */
interface TargetView {
  readonly target: number;
  readonly name: string;
  /** Only greater priorities raise the wire. */
  readonly threshold: number;
  readonly isHigh: boolean;
}

interface CauseView {
  readonly cause: number;
  readonly name: string;
  readonly what: string;
  readonly isPending: boolean;
  readonly isEnabled: boolean;
  readonly isDelegated: boolean;
}

/** A comparison with the clock; without a tick it is never met. */
interface TimerView {
  readonly name: "mtimecmp" | "stimecmp";
  readonly tick: number | undefined;
  /** Until it is due; not positive if it has been. */
  readonly inMs: number | undefined;
}

export interface HartWires {
  readonly hart: number;
  readonly causes: readonly CauseView[];
  readonly timers: readonly TimerView[];
}

export interface InterruptsView {
  /** When this was seen, in ms of the host's clock. */
  readonly atMs: number;
  readonly controller: "plic" | "aplic";
  readonly stormPerSecond: number;
  readonly targets: readonly TargetView[];
  /** Those with a device, that somebody has enabled or that have ever been raised. */
  readonly spis: readonly SpiView[];
  readonly harts: readonly HartWires[];
  /** Ticks of the timebase, and how many make a second. */
  readonly ticks: number;
  readonly frequency: number;
}

export function interruptCalls({ machine, clock }: Subject) {
  const times = new ServiceTimes(clock, (observer) => machine.observe(observer));
  return { interrupts: () => viewInterrupts(machine, clock, times) };
}

/** From now on services are measured; the APLIC knows of no completion, and none is. */
function viewInterrupts(machine: Machine, clock: Clock, times: ServiceTimes): InterruptsView {
  const { distributor } = machine.interrupts;
  const sources = sourcesOf(machine);
  if (distributor.handshake === "complete") times.look();
  return {
    atMs: clock.nowMs(),
    controller: machine.interruptController,
    stormPerSecond: STORM_PER_SECOND,
    targets: Array.from({ length: distributor.targets }, (_, target) => ({
      target,
      name: targetName(machine, target),
      threshold: distributor.threshold(target),
      isHigh: distributor.wire(target),
    })),
    spis: distributor.inspect().flatMap((seen) => {
      const spi = seen.intid - SPI_BASE;
      const source = sources.get(spi);
      // Linux gives every source a priority, whether or not anything is there.
      const isQuiet = seen.pulses === 0 && seen.enabledTargets.length === 0;
      if (source === undefined && isQuiet) return [];
      const service = times.of(seen.intid);
      return [{ ...seen, spi, ...(source && { source }), ...(service && { service }) }];
    }),
    harts: machine.harts.map((hart) => viewHart(machine, hart)),
    ticks: machine.timebase.ticks(),
    frequency: TIMEBASE_HZ,
  };
}

/** PLIC contexts alternate between M-mode and S-mode of the harts; the APLIC is for S-mode. */
function targetName({ interruptController }: Machine, target: number): string {
  if (interruptController === "aplic") return `hart ${target} S-mode`;
  return `hart ${target >> 1} ${target % 2 === 0 ? "M" : "S"}-mode`;
}

function sourcesOf({ slots, platform }: Machine): Map<number, SpiSource> {
  const sources = new Map<number, SpiSource>();
  for (const { node, interrupt } of platform.placed) {
    if (interrupt !== undefined) sources.set(interrupt.source, { name: node.name });
  }
  for (const { slot, spi, transport } of slots.occupied) {
    sources.set(spi, { name: transport.name, slot });
  }
  return sources;
}

function viewHart(machine: Machine, hart: HartPort): HartWires {
  const has = (csr: number, cause: number): boolean =>
    (((hart.peekCsr(csr) ?? 0n) >> BigInt(cause)) & 1n) !== 0n;
  const now = machine.timebase.ticks();
  const mtimecmp = machine.interrupts.aclint.nextTimerTick(hart.id);
  const stimecmp = hart.peekCsr(STIMECMP) === undefined ? undefined : hart.nextTimerTick();
  return {
    hart: hart.id,
    causes: CAUSES.map((row) => ({
      ...row,
      isPending: has(MIP, row.cause),
      isEnabled: has(MIE, row.cause),
      isDelegated: has(MIDELEG, row.cause),
    })),
    timers: [
      viewTimer("mtimecmp", mtimecmp, now),
      ...(stimecmp === undefined ? [] : [viewTimer("stimecmp", stimecmp, now)]),
    ],
  };
}

function viewTimer(name: TimerView["name"], tick: number, now: number): TimerView {
  // All ones, which software writes for "never", is more than the clock will ever count.
  if (tick > Number.MAX_SAFE_INTEGER) return { name, tick: undefined, inMs: undefined };
  return { name, tick, inMs: ((tick - now) * 1000) / TIMEBASE_HZ };
}
