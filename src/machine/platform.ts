/** The devices that every machine has beside virtio: serial port, clock, test finisher. */
import type { Bus, MmioHandler } from "../bus/bus.ts";
import type { DeviceNode } from "../platform/device-node.ts";
import { GoldfishRtc, type GoldfishRtcState } from "../platform/goldfish-rtc.ts";
import { type FinishRequest, TestFinisher } from "../platform/test-finisher.ts";
import { Uart16550, type UartState } from "../platform/uart16550.ts";
import type { ConsoleHub } from "./console-hub.ts";
import type { PlacedDevice } from "./device-tree.ts";
import type { Interrupts } from "./interrupts.ts";
import type { InterruptWindow, Profile, Window } from "./profile.ts";

/** Compatible string of the device that a kernel's first messages go to. */
export const STDOUT_DEVICE = "ns16550a";

export interface PlatformOptions {
  readonly bus: Bus;
  readonly profile: Profile;
  readonly interrupts: Interrupts;
  readonly consoles: ConsoleHub;
  readonly wallClockMs: () => number;
  readonly finish: (request: FinishRequest) => void;
}

export interface PlatformState {
  readonly uart: UartState;
  readonly rtc: GoldfishRtcState;
}

/** Every slot is in the tree, the empty ones too: a driver may look again after a device came. */
export function slotNodes({ virtio }: Profile): PlacedDevice[] {
  return Array.from({ length: virtio.slots }, (_, slot) => ({
    node: { name: "virtio", properties: { compatible: "virtio,mmio" } },
    window: { base: virtio.base + slot * virtio.stride, size: virtio.stride },
    interrupt: { source: virtio.firstSpi + slot, trigger: virtio.trigger },
  }));
}

export class Platform {
  readonly uart: Uart16550;
  readonly rtc: GoldfishRtc;
  /** For the device tree. */
  readonly placed: readonly PlacedDevice[];

  constructor(options: PlatformOptions) {
    const { bus, profile, interrupts, consoles } = options;
    const line = (window: InterruptWindow) => interrupts.line(window.source, "level");
    const port = consoles.add("uart", { input: (bytes) => this.uart.input(bytes) });
    this.uart = new Uart16550({
      irq: line(profile.uart),
      output: (byte) => port.outputByte(byte),
      inputSpace: () => port.inputSpace(),
    });
    this.rtc = new GoldfishRtc({ irq: line(profile.rtc), wallClockMs: options.wallClockMs });
    const finisher = new TestFinisher(options.finish);
    const attach = (window: Window, device: MmioHandler & { node: DeviceNode }): PlacedDevice => {
      bus.attach(window.base, window.size, device);
      return { node: device.node, window };
    };
    const withIrq = (window: InterruptWindow, device: MmioHandler & { node: DeviceNode }) => ({
      ...attach(window, device),
      interrupt: { source: window.source, trigger: "level" as const },
    });
    this.placed = [
      attach(profile.testFinisher, finisher),
      withIrq(profile.rtc, this.rtc),
      withIrq(profile.uart, this.uart),
    ];
  }

  reset(): void {
    this.uart.reset();
    this.rtc.reset();
  }

  save(): PlatformState {
    return { uart: this.uart.save(), rtc: this.rtc.save() };
  }

  load(state: PlatformState): void {
    this.uart.load(state.uart);
    this.rtc.load(state.rtc);
  }
}
