/**
 * The device tree, generated from the profile and the list of attached devices.
 *
 * Bindings are those of Linux's `Documentation/devicetree/bindings`: riscv/cpus, riscv/extensions,
 * timer/sifive,clint, interrupt-controller/sifive,plic-1.0.0 and riscv,aplic, virtio/mmio.
 */
import { CACHE_BLOCK_BYTES } from "../cpu/cache-block.ts";
import { Interrupt } from "../cpu/hart-port.ts";
import { TIMEBASE_HZ } from "../irq/timebase.ts";
import type { DeviceNode, Properties } from "../platform/device-node.ts";
import { cells64, type TreeNode } from "./fdt.ts";
import { isaString } from "./isa-string.ts";
import { INTERRUPT_SOURCES, type Profile, type Window } from "./profile.ts";

export type InterruptControllerKind = "plic" | "aplic";
export type Trigger = "edge" | "level";

export interface CpuDescription {
  /** Lower-case names as in `riscv,isa-extensions`. */
  readonly extensions: readonly string[];
  /** The widest translation mode that `satp` accepts. */
  readonly mmu: "sv39" | "sv48" | "sv57";
}

/** A device at its place: the machine knows where, the device knows what. */
export interface PlacedDevice {
  readonly node: DeviceNode;
  readonly window: Window;
  readonly interrupt?: { readonly source: number; readonly trigger: Trigger };
}

export interface TreeOptions {
  readonly profile: Profile;
  readonly interruptController: InterruptControllerKind;
  readonly harts: number;
  readonly cpu: CpuDescription;
  readonly ramBytes: number;
  /** In any order: the tree is sorted by address. */
  readonly devices: readonly PlacedDevice[];
  readonly bootArgs: string;
  readonly initrd?: Window;
  readonly rngSeed: Uint8Array;
  /** Compatible string of the device that early boot messages go to. */
  readonly stdout: string;
}

/** Where the tree says how long a cache block is, for the instructions that work on one. */
const BLOCK_SIZE_PROPERTIES: { readonly [extension: string]: string } = {
  zicbom: "riscv,cbom-block-size",
  zicbop: "riscv,cbop-block-size",
  zicboz: "riscv,cboz-block-size",
};

/** Interrupt types of the two-cell form (Linux `dt-bindings/interrupt-controller/irq.h`). */
const INTERRUPT_TYPE = { edge: 1, level: 4 } as const;

export function deviceTree(options: TreeOptions): TreeNode {
  const phandles = new Phandles();
  const intcs = Array.from({ length: options.harts }, () => phandles.next());
  const controller = phandles.next();
  const stdout = options.devices.find((d) => compatible(d.node).includes(options.stdout));
  const { soc, companions } = socNodes(options, phandles, intcs, controller);
  return {
    name: "",
    properties: {
      "#address-cells": [2],
      "#size-cells": [2],
      compatible: ["tabvisor,virt", "riscv-virtio"],
      model: `tabvisor,${options.profile.name}`,
    },
    children: [
      chosen(options, stdout),
      cpus(options, intcs),
      {
        name: `memory@${options.profile.ramBase.toString(16)}`,
        properties: {
          device_type: "memory",
          reg: reg({ base: options.profile.ramBase, size: options.ramBytes }),
        },
      },
      ...companions,
      {
        name: "soc",
        properties: {
          "#address-cells": [2],
          "#size-cells": [2],
          compatible: "simple-bus",
          ranges: true,
          "interrupt-parent": [controller],
        },
        children: soc,
      },
    ],
  };
}

class Phandles {
  #last = 0;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}

function chosen(options: TreeOptions, stdout: PlacedDevice | undefined): TreeNode {
  const initrd = options.initrd;
  return {
    name: "chosen",
    properties: {
      bootargs: options.bootArgs,
      "rng-seed": options.rngSeed,
      ...(stdout === undefined ? {} : { "stdout-path": `/soc/${unitName(stdout)}` }),
      ...(initrd === undefined
        ? {}
        : {
            "linux,initrd-start": cells64(initrd.base),
            "linux,initrd-end": cells64(initrd.base + initrd.size),
          }),
    },
  };
}

function cpus(options: TreeOptions, intcs: readonly number[]): TreeNode {
  const { extensions, mmu } = options.cpu;
  const blocks: Record<string, number[]> = {};
  for (const name of extensions) {
    const property = BLOCK_SIZE_PROPERTIES[name];
    if (property !== undefined) blocks[property] = [CACHE_BLOCK_BYTES];
  }
  return {
    name: "cpus",
    properties: {
      "#address-cells": [1],
      "#size-cells": [0],
      "timebase-frequency": [TIMEBASE_HZ],
    },
    children: intcs.map((intc, hart) => ({
      name: `cpu@${hart.toString(16)}`,
      properties: {
        device_type: "cpu",
        reg: [hart],
        status: "okay",
        compatible: "riscv",
        // Older kernels read only the first of these, newer ones prefer the other two.
        "riscv,isa": isaString(extensions),
        "riscv,isa-base": "rv64i",
        "riscv,isa-extensions": extensions,
        ...blocks,
        "mmu-type": `riscv,${mmu}`,
      },
      children: [
        {
          name: "interrupt-controller",
          properties: {
            "#interrupt-cells": [1],
            // Nothing below it has an address; without the property dtc warns.
            "#address-cells": [0],
            compatible: "riscv,cpu-intc",
            "interrupt-controller": true,
            phandle: [intc],
          },
        },
      ],
    })),
  };
}

function socNodes(
  options: TreeOptions,
  phandles: Phandles,
  intcs: readonly number[],
  controller: number,
): { soc: TreeNode[]; companions: TreeNode[] } {
  const companions: TreeNode[] = [];
  const placed: { base: number; tree: TreeNode }[] = [
    { base: options.profile.aclint.base, tree: clint(options.profile.aclint, intcs) },
    controllerNode(options, intcs, controller),
  ];
  for (const device of options.devices) {
    const { node, window, interrupt } = device;
    const properties: Record<string, Properties[string]> = {
      ...node.properties,
      reg: reg(window),
    };
    if (interrupt !== undefined) {
      properties.interrupts =
        options.interruptController === "plic"
          ? [interrupt.source]
          : [interrupt.source, INTERRUPT_TYPE[interrupt.trigger]];
    }
    if (node.companions !== undefined) {
      const phandle = phandles.next();
      properties.phandle = [phandle];
      for (const [name, of] of Object.entries(node.companions(phandle))) {
        companions.push({ name, properties: of });
      }
    }
    placed.push({ base: window.base, tree: { name: unitName(device), properties } });
  }
  placed.sort((a, b) => a.base - b.base);
  return { soc: placed.map((p) => p.tree), companions };
}

function clint(window: Window, intcs: readonly number[]): TreeNode {
  return {
    name: `clint@${window.base.toString(16)}`,
    properties: {
      compatible: ["sifive,clint0", "riscv,clint0"],
      reg: reg(window),
      "interrupts-extended": intcs.flatMap((intc) => [
        intc,
        Interrupt.machineSoftware,
        intc,
        Interrupt.machineTimer,
      ]),
    },
  };
}

function controllerNode(
  options: TreeOptions,
  intcs: readonly number[],
  phandle: number,
): { base: number; tree: TreeNode } {
  const isPlic = options.interruptController === "plic";
  const window = isPlic ? options.profile.plic : options.profile.aplic;
  const kind: Properties = isPlic
    ? {
        compatible: ["sifive,plic-1.0.0", "riscv,plic0"],
        "#interrupt-cells": [1],
        "riscv,ndev": [INTERRUPT_SOURCES],
        // Context 2h is hart h in M-mode and 2h+1 in S-mode, which some guests have built in.
        "interrupts-extended": intcs.flatMap((intc) => [
          intc,
          Interrupt.machineExternal,
          intc,
          Interrupt.supervisorExternal,
        ]),
      }
    : {
        compatible: "riscv,aplic",
        "#interrupt-cells": [2],
        "riscv,num-sources": [INTERRUPT_SOURCES],
        "interrupts-extended": intcs.flatMap((intc) => [intc, Interrupt.supervisorExternal]),
      };
  return {
    base: window.base,
    tree: {
      name: `interrupt-controller@${window.base.toString(16)}`,
      properties: {
        ...kind,
        reg: reg(window),
        "interrupt-controller": true,
        "#address-cells": [0],
        phandle: [phandle],
      },
    },
  };
}

function unitName(device: PlacedDevice): string {
  return `${device.node.name}@${device.window.base.toString(16)}`;
}

function compatible(node: DeviceNode): readonly string[] {
  const value = node.properties.compatible;
  return typeof value === "string" ? [value] : (value as readonly string[]);
}

function reg(window: Window): number[] {
  return [...cells64(window.base), ...cells64(window.size)];
}
