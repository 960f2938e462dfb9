/** The embedded Linux on a relay's LAN, with a person at its console. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fillRandom } from "../../src/host/entropy.ts";
import type { NetworkCard } from "../../src/host/network-card.ts";
import { Machine } from "../../src/machine/machine.ts";
import { RunLoop } from "../../src/machine/run-loop.ts";
import { EntropyDevice } from "../../src/virtio/devices/entropy.ts";
import { readEmbeddedGuest } from "../embedded-guest.ts";
import { connectNetwork } from "../network.ts";

const LIMIT_MS = 60_000;
const POLL_MS = 5;

export class NetGuest {
  readonly machine: Machine;
  readonly card: NetworkCard;
  readonly #loop: RunLoop;
  #output = "";

  private constructor(url: string) {
    this.machine = new Machine({
      clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
      entropy: fillRandom,
      events: {
        onConsole: (_port, bytes) => {
          this.#output += new TextDecoder().decode(Uint8Array.from(bytes));
          return true;
        },
        onWake: () => this.#loop.wake(),
      },
    });
    this.#loop = new RunLoop(this.machine, {
      defer: (callback) => void setImmediate(callback),
      sleep: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
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
    machine.boot({ ...(await readEmbeddedGuest()), append: "console=hvc0 quiet" });
    guest.#loop.start();
    await guest.until(/# /);
    await guest.command("until ip -4 addr show eth0 | grep -q inet; do usleep 50000; done");
    return guest;
  }

  /** What the console shows until then. @throws Error after a minute. */
  async until(text: RegExp): Promise<string> {
    const end = performance.now() + LIMIT_MS;
    while (!text.test(this.#output)) {
      if (performance.now() > end) throw new Error(`no ${text} in: ${this.#output}`);
      await sleep(POLL_MS);
    }
    const seen = this.#output;
    this.#output = "";
    return seen;
  }

  /** What a command prints. */
  async command(line: string): Promise<string> {
    this.type(`${line}; echo do''ne\n`);
    const shown = await this.until(/done\r\n[\s\S]*# /);
    return shown
      .slice(shown.indexOf("\r\n") + 2, shown.lastIndexOf("done\r\n"))
      .replaceAll("\r", "");
  }

  /** Makes `/tmp/<name>` of the program `<name>.c` beside this file. */
  async compile(name: string): Promise<void> {
    const source = await readFile(new URL(`${name}.c`, import.meta.url), "utf8");
    // In pieces: the shell takes lines of a thousand characters.
    for (const part of Buffer.from(source)
      .toString("base64")
      .match(/.{1,700}/g) ?? []) {
      await this.command(`echo ${part} >> /tmp/${name}.b64`);
    }
    const out = await this.command(
      `base64 -d /tmp/${name}.b64 > /tmp/${name}.c; tcc -o /tmp/${name} /tmp/${name}.c && echo ok`,
    );
    if (!out.endsWith("ok\n")) throw new Error(`${name} does not compile: ${out}`);
  }

  type(text: string): void {
    this.machine.consoles.input(new TextEncoder().encode(text));
  }

  close(): void {
    this.#loop.stop();
    this.card.close();
    this.machine.dispose();
  }
}
