/** A machine's interrupt controllers on its bus, with their wires to the harts. */
import type { Bus } from "../bus/bus.ts";
import { Interrupt } from "../cpu/hart-port.ts";
import { Aclint, type AclintState } from "../irq/aclint.ts";
import type { AdjustableTimebase } from "../irq/adjustable-timebase.ts";
import { Aplic, type AplicState } from "../irq/aplic.ts";
import { Distributor, type DistributorState, SPI_BASE } from "../irq/distributor.ts";
import type { IrqLine } from "../irq/irq-line.ts";
import { Plic } from "../irq/plic.ts";
import type { InterruptControllerKind, Trigger } from "./device-tree.ts";
import type { Profile } from "./profile.ts";

export interface InterruptsOptions {
  readonly bus: Bus;
  readonly profile: Profile;
  readonly kind: InterruptControllerKind;
  readonly harts: number;
  readonly timebase: AdjustableTimebase;
  /** A wire of a hart changed. */
  readonly onWire: (hart: number, cause: Interrupt, high: boolean) => void;
}

export interface InterruptsState {
  readonly distributor: DistributorState;
  readonly aplic: AplicState | undefined;
  readonly aclint: AclintState;
}

export class Interrupts {
  readonly distributor: Distributor;
  readonly aclint: Aclint;
  /** In a machine with an APLIC, whose driver itself says how sources are triggered. */
  readonly #aplic: Aplic | undefined;

  constructor(options: InterruptsOptions) {
    const { bus, profile, harts, timebase, onWire } = options;
    if (options.kind === "plic") {
      this.distributor = plicDistributor(options);
      bus.attach(profile.plic.base, profile.plic.size, new Plic(this.distributor));
    } else {
      this.distributor = aplicDistributor(options);
      this.#aplic = new Aplic(this.distributor);
      bus.attach(profile.aplic.base, profile.aplic.size, this.#aplic);
    }
    this.aclint = new Aclint({
      harts,
      timebase,
      onSoftware: (hart, high) => onWire(hart, Interrupt.machineSoftware, high),
      onTimer: (hart, high) => onWire(hart, Interrupt.machineTimer, high),
    });
    bus.attach(profile.aclint.base, profile.aclint.size, this.aclint);
  }

  /** The wire of a device. @param source as in the device tree. */
  line(source: number, trigger: Trigger): IrqLine {
    const intid = SPI_BASE + source;
    if (this.#aplic === undefined) this.distributor.configure(intid, trigger);
    return this.distributor.line(intid);
  }

  reset(): void {
    this.distributor.reset();
    this.#aplic?.reset();
    this.aclint.reset();
  }

  save(): InterruptsState {
    return {
      distributor: this.distributor.save(),
      aplic: this.#aplic?.save(),
      aclint: this.aclint.save(),
    };
  }

  /** @throws RangeError for a state of other controllers */
  load(state: InterruptsState): void {
    if (state.aplic !== undefined) this.#aplic?.load(state.aplic);
    this.distributor.load(state.distributor);
    this.aclint.load(state.aclint);
  }
}

/** Contexts alternate: M-mode, then S-mode of each hart. */
function plicDistributor({ harts, onWire }: InterruptsOptions): Distributor {
  const { machineExternal, supervisorExternal } = Interrupt;
  return new Distributor({
    targets: 2 * harts,
    handshake: "complete",
    onWire: (context, high) =>
      onWire(context >> 1, context % 2 === 0 ? machineExternal : supervisorExternal, high),
  });
}

function aplicDistributor({ harts, onWire }: InterruptsOptions): Distributor {
  return new Distributor({
    targets: harts,
    handshake: "claim",
    onWire: (hart, high) => onWire(hart, Interrupt.supervisorExternal, high),
  });
}
