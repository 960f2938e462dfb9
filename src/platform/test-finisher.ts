/**
 * SiFive's test finisher: one register through which the guest powers off, fails or reboots.
 *
 * Device trees describe it as a `syscon`, with a poweroff and a reboot node that say what to write.
 */
import type { AccessSize, MmioHandler } from "../bus/bus.ts";
import type { DeviceNode } from "./device-node.ts";

const Finish = { fail: 0x3333, pass: 0x5555, reset: 0x7777 } as const;

export type FinishRequest =
  | { readonly kind: "poweroff" }
  | { readonly kind: "reboot" }
  /** `code` is 0 to 65535. */
  | { readonly kind: "fail"; readonly code: number };

export class TestFinisher implements MmioHandler {
  readonly name = "test-finisher";
  readonly node: DeviceNode = {
    name: "test",
    properties: { compatible: ["sifive,test1", "sifive,test0", "syscon"] },
    companions: (phandle) => ({
      poweroff: {
        compatible: "syscon-poweroff",
        regmap: [phandle],
        offset: [0],
        value: [Finish.pass],
      },
      reboot: {
        compatible: "syscon-reboot",
        regmap: [phandle],
        offset: [0],
        value: [Finish.reset],
      },
    }),
  };

  readonly #finish: (request: FinishRequest) => void;

  constructor(finish: (request: FinishRequest) => void) {
    this.#finish = finish;
  }

  read(): number {
    return 0;
  }

  peek(): number {
    return 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    // Firmware writes the plain commands with 16-bit stores; a code needs all 32 bits.
    if (offset !== 0 || size === 1) return;
    switch (value & 0xffff) {
      case Finish.pass:
        this.#finish({ kind: "poweroff" });
        break;
      case Finish.reset:
        this.#finish({ kind: "reboot" });
        break;
      case Finish.fail:
        this.#finish({ kind: "fail", code: value >>> 16 });
        break;
    }
  }
}
