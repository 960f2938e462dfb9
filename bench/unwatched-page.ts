/**
 * A page that no developer's tools watch. Playwright has browsers report every message of a WebSocket, with
 * its bytes in Base64, as long as it is connected: a guest's network then has a third of its speed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { chromium, type Page } from "@playwright/test";
import { WebSocket } from "ws";
import { chromiumOptions } from "../e2e/browsers.ts";
import type { DrivenPage } from "./guest-page.ts";

/** What answers a command of the Chrome DevTools Protocol. */
interface Answer {
  readonly id?: number;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

type Parameters = Readonly<Record<string, unknown>>;

export class UnwatchedPage implements DrivenPage {
  readonly #browser: ChildProcess;
  readonly #endpoint: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #session: unknown;

  private constructor(browser: ChildProcess, endpoint: string, socket: WebSocket) {
    this.#browser = browser;
    this.#endpoint = endpoint;
    this.#socket = socket;
    socket.on("message", (data) => {
      const answer: Answer = JSON.parse(data.toString());
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    });
  }

  /** The one page of a browser that keeps its storage in `folder`. */
  static async open(folder: string): Promise<UnwatchedPage> {
    const { args, executablePath = chromium.executablePath() } = chromiumOptions();
    const more = ["--headless", `--user-data-dir=${folder}`, "--remote-debugging-port=0"];
    const browser = spawn(executablePath, [...args, ...more, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const endpoint = await endpointOf(browser);
    const socket = new WebSocket(endpoint);
    await once(socket, "open");
    const page = new UnwatchedPage(browser, endpoint, socket);
    await page.#attach();
    return page;
  }

  async version(): Promise<string> {
    const { product } = await this.#command("Browser.getVersion");
    return String(product).replace(/^.*\//, "");
  }

  async goto(url: string): Promise<void> {
    await this.#command("Page.navigate", { url });
  }

  /** As Playwright's, for arguments and results that JSON can hold. */
  async evaluate<A, R>(work: (argument: A) => R | Promise<R>, argument?: A): Promise<R> {
    const { result, exceptionDetails } = await this.#command("Runtime.evaluate", {
      expression: `(${work})(${JSON.stringify(argument)})`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: R }).value;
  }

  /** Has Playwright watch the page while `use` looks at it. */
  async watched<T>(use: (page: Page) => Promise<T>): Promise<T> {
    const connection = await chromium.connectOverCDP(this.#endpoint);
    try {
      return await use(connection.contexts()[0].pages()[0]);
    } finally {
      await connection.close();
    }
  }

  /** Ends the browser. */
  async close(): Promise<void> {
    this.#socket.close();
    const ended = once(this.#browser, "exit");
    this.#browser.kill();
    await ended;
  }

  async #attach(): Promise<void> {
    const { targetInfos } = await this.#command("Target.getTargets");
    const targets = targetInfos as readonly { readonly type: string; readonly targetId: string }[];
    const targetId = targets.find(({ type }) => type === "page")?.targetId;
    const { sessionId } = await this.#command("Target.attachToTarget", { targetId, flatten: true });
    this.#session = sessionId;
  }

  async #command(method: string, params: Parameters = {}): Promise<Parameters> {
    const id = ++this.#lastId;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    const { result, error } = await answered;
    this.#waiting.delete(id);
    if (result === undefined) throw new Error(`${method}: ${error?.message}`);
    return result;
  }
}

/** Where a browser that has just been started takes commands. */
async function endpointOf({ stderr }: ChildProcess): Promise<string> {
  if (stderr === null) throw new Error("the browser's messages go elsewhere");
  for await (const line of createInterface(stderr)) {
    const [, endpoint] = /^DevTools listening on (\S+)$/.exec(line) ?? [];
    if (endpoint !== undefined) {
      // What else it says is of no interest, and must not fill the pipe.
      stderr.resume();
      return endpoint;
    }
  }
  throw new Error("the browser ended at once");
}
