/** Downloads that start before the code that needs them has loaded. */

interface Started {
  readonly response: Promise<Response>;
  readonly controller: AbortController;
}

export class EarlyFetch {
  readonly #fetch: typeof fetch;
  readonly #started = new Map<string, Started>();

  constructor(inner: typeof fetch) {
    this.#fetch = inner;
  }

  /** Asks for the file at `url` now. */
  start(url: string): void {
    const controller = new AbortController();
    const response = this.#fetch(url, { signal: controller.signal });
    // Whoever takes the response hears of a failure; nobody else needs to.
    response.catch(() => {});
    this.#started.set(url, { response, controller });
  }

  /** As the browser's `fetch`, but a plain request for a file that was started gets that one. */
  readonly fetch: typeof fetch = (input, init) => {
    const url = String(input);
    const started = init?.headers === undefined ? this.#started.get(url) : undefined;
    if (started === undefined) return this.#fetch(input, init);
    // A response can be read once.
    this.#started.delete(url);
    init?.signal?.addEventListener("abort", () => started.controller.abort());
    return started.response;
  };
}
