/** Drives one page as a person does: looks at the terminal, types, presses buttons. */
import { expect, type Page } from "@playwright/test";

interface GuestStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

declare global {
  interface Window {
    /** What the page offers to scripts. */
    tabvisor?: {
      readonly state: string;
      text(): string;
      send(text: string): void;
      port(name: string): Promise<GuestStream>;
      readonly vsock: {
        connect(port: number): Promise<GuestStream>;
        listen(port: number, onStream: (stream: GuestStream) => void): () => void;
      };
    };
  }
}

/** What the guest's shell shows when it waits for a command. */
const PROMPT = /[#$] ?$/;

export class Vm {
  readonly page: Page;
  /** Errors that the browser reported; a test may expect there to be none. */
  readonly errors: string[] = [];
  #commands = 0;

  constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.errors.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
  }

  /** Opens the page and waits for the guest's prompt. */
  async boot(url: string): Promise<this> {
    await this.page.goto(url);
    await this.prompt();
    return this;
  }

  /** All text of the terminal. */
  text(): Promise<string> {
    return this.page.evaluate(() => window.tabvisor?.text() ?? "");
  }

  state(): Promise<string | undefined> {
    return this.page.evaluate(() => window.tabvisor?.state);
  }

  async prompt(): Promise<void> {
    await expect.poll(() => this.text(), { timeout: 30_000 }).toMatch(PROMPT);
  }

  /** Waits until the terminal shows something. */
  async see(text: string | RegExp, timeout = 20_000): Promise<void> {
    const pattern = typeof text === "string" ? expect.stringContaining(text) : undefined;
    const poll = expect.poll(() => this.text(), { timeout });
    if (pattern === undefined) await poll.toMatch(text);
    else await poll.toEqual(pattern);
  }

  /** Types on the keyboard, into the terminal. */
  async type(text: string): Promise<void> {
    await this.page.locator(".xterm-helper-textarea").focus();
    await this.page.keyboard.type(text);
  }

  async press(key: string): Promise<void> {
    await this.page.locator(".xterm-helper-textarea").focus();
    await this.page.keyboard.press(key);
  }

  /** Runs a command in the guest's shell; gives what it printed. Fails the test if it fails. */
  async run(command: string, timeout = 20_000): Promise<string> {
    const { status, output } = await this.try(command, timeout);
    expect(status, `${command}\n${output}`).toBe(0);
    return output;
  }

  /** Runs a command in the guest's shell; gives what it printed and its exit status. */
  async try(command: string, timeout = 20_000): Promise<{ status: number; output: string }> {
    const id = ++this.#commands;
    // The quotes keep the command as it is echoed from looking like what it prints.
    const line = `echo "<"${id}">"; ${command}; echo "<"/${id}:$?">"`;
    await this.page.evaluate((text) => window.tabvisor?.send(text), `${line}\r`);
    const whole = new RegExp(`<${id}>\\n([^]*?)<\\/${id}:(\\d+)>`);
    await this.see(whole, timeout);
    const [, output, status] = whole.exec(await this.text())!;
    return { status: Number(status), output: output.trimEnd() };
  }

  /** Writes a file of the guest's, a line at a time, with blanks for tabs, which are questions to a shell. */
  async write(path: string, text: string): Promise<void> {
    await this.run(`cat > ${path} <<'END'\n${text.trim().replaceAll("\t", " ")}\nEND\ntrue`);
  }

  /** Opens a panel of the inspector by its address, as a link to it does. */
  async inspect(panel: string): Promise<void> {
    await this.page.evaluate((id) => {
      location.hash = `inspect=${id}`;
    }, panel);
  }

  button(name: string) {
    return this.page.getByRole("button", { name });
  }
}
