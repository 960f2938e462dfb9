/**
 * Memory maps as data: where a guest finds each part of the machine.
 *
 * `tabvisor` is the machine's own map; `qemu-virt` has the addresses of QEMU's `virt` machine, so that
 * software with those compiled in runs unmodified.
 */
import { SLOT_PROFILES, type SlotProfile } from "../virtio/slots.ts";

export interface Window {
  /** First guest physical address. */
  readonly base: number;
  /** Length in bytes. */
  readonly size: number;
}

export interface InterruptWindow extends Window {
  /** Source number of the PLIC or APLIC; the INTID is 32 more. */
  readonly source: number;
}

export interface Profile {
  readonly name: ProfileName;
  readonly testFinisher: Window;
  readonly rtc: InterruptWindow;
  readonly aclint: Window;
  readonly plic: Window;
  readonly aplic: Window;
  readonly uart: InterruptWindow;
  readonly virtio: SlotProfile;
  /** First guest physical address of RAM. */
  readonly ramBase: number;
}

export type ProfileName = "tabvisor" | "qemu-virt";

/** Highest interrupt source: `riscv,ndev` and `riscv,num-sources`, as QEMU's `virt` has it. */
export const INTERRUPT_SOURCES = 95;

const common = {
  testFinisher: { base: 0x0010_0000, size: 0x1000 },
  rtc: { base: 0x0010_1000, size: 0x1000, source: 11 },
  aclint: { base: 0x0200_0000, size: 0x1_0000 },
  // Never larger: QEMU's older size of 0x400_0000 would cover the virtio slots.
  plic: { base: 0x0c00_0000, size: 0x60_0000 },
  aplic: { base: 0x0d00_0000, size: 0x8000 },
  uart: { base: 0x1000_0000, size: 0x100, source: 10 },
  ramBase: 0x8000_0000,
} as const;

export const PROFILES: { readonly [name in ProfileName]: Profile } = {
  tabvisor: {
    ...common,
    name: "tabvisor",
    virtio: SLOT_PROFILES.tabvisor,
  },
  "qemu-virt": {
    ...common,
    name: "qemu-virt",
    virtio: SLOT_PROFILES["qemu-virt"],
  },
};
