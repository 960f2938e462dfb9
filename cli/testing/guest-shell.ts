/** A person at the console of an embedded Linux, wherever it runs. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const LIMIT_MS = 60_000;
const POLL_MS = 5;

export class GuestShell {
  readonly #type: (text: string) => void;
  #output = "";

  /** `type` passes keys on. */
  constructor(type: (text: string) => void) {
    this.#type = type;
  }

  /** The console has printed that. */
  print(text: string): void {
    this.#output += text;
  }

  type(text: string): void {
    this.#type(text);
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

  /** Waits for the prompt, and for an address of the LAN's gateway. */
  async start(): Promise<void> {
    await this.until(/# /);
    await this.command("until ip -4 addr show eth0 | grep -q inet; do usleep 50000; done");
  }

  /** What a command prints. */
  async command(line: string): Promise<string> {
    this.type(`${line}; echo do''ne\n`);
    const shown = await this.until(/done\r\n[\s\S]*# /);
    const from = shown.indexOf("\r\n") + 2;
    return shown.slice(from, shown.lastIndexOf("done\r\n")).replaceAll("\r", "");
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
}
