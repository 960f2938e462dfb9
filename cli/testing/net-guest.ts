/** The embedded Linux on a relay's LAN, with a person at its console. */
import { fillRandom } from "../../src/host/entropy.ts";
import type { NetworkCard } from "../../src/host/network-card.ts";
import { sleep } from "../../src/host/sleep.ts";
import { Machine } from "../../src/machine/machine.ts";
import { RunLoop } from "../../src/machine/run-loop.ts";
import { EntropyDevice } from "../../src/virtio/devices/entropy.ts";
import { readEmbeddedGuest } from "../embedded-guest.ts";
import { connectNetwork } from "../network.ts";
import { GuestShell } from "./guest-shell.ts";

export class NetGuest extends GuestShell {
  readonly machine: Machine;
  readonly card: NetworkCard;
  readonly #loop: RunLoop;

  private constructor(url: string) {
    super((text) => void this.machine.consoles.input(new TextEncoder().encode(text)));
    this.machine = new Machine({
      clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
      entropy: fillRandom,
      events: {
        onConsole: (_port, bytes) => {
          this.print(new TextDecoder().decode(Uint8Array.from(bytes)));
          return true;
        },
        onWake: () => this.#loop.wake(),
      },
    });
    this.#loop = new RunLoop(this.machine, {
      defer: (callback) => void setImmediate(callback),
      sleep,
    });
    this.card = connectNetwork(url, () => {});
  }

  /** Boots, and waits for an address of the gateway's. */
  static async boot(url: string): Promise<NetGuest> {
    const guest = new NetGuest(url);
    const { machine } = guest;
    machine.attach(machine.consoles.createDevice("hvc0", { cols: 200, rows: 50 }));
    machine.attach(guest.card.device);
    machine.attach(new EntropyDevice("rng0", { fill: fillRandom }));
    machine.boot(await readEmbeddedGuest());
    guest.#loop.start();
    await guest.start();
    return guest;
  }

  close(): void {
    this.#loop.stop();
    this.card.close();
    this.machine.dispose();
  }
}
