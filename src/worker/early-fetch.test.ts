import { expect, it } from "vitest";
import { EarlyFetch } from "./early-fetch.ts";

function trial() {
  const asked: string[] = [];
  const signals: (AbortSignal | null | undefined)[] = [];
  const early = new EarlyFetch(async (input, init) => {
    asked.push(String(input));
    signals.push(init?.signal);
    if (asked.at(-1)?.endsWith("lost")) throw new TypeError("no connection");
    return new Response(`answer ${asked.length}`);
  });
  return { asked, signals, early };
}

it("gives the response that was started, once", async () => {
  const { asked, early } = trial();
  early.start("http://x/a");
  expect(await (await early.fetch("http://x/a")).text()).toBe("answer 1");
  expect(await (await early.fetch("http://x/a")).text()).toBe("answer 2");
  expect(asked).toEqual(["http://x/a", "http://x/a"]);
});

it("leaves requests for a part alone", async () => {
  const { early } = trial();
  early.start("http://x/a");
  const part = await early.fetch("http://x/a", { headers: { Range: "bytes=0-1" } });
  expect(await part.text()).toBe("answer 2");
});

it("tells of a failure only who asks, and can be aborted by them", async () => {
  const { early, signals } = trial();
  early.start("http://x/lost");
  await expect(early.fetch("http://x/lost")).rejects.toThrow("no connection");
  early.start("http://x/a");
  const ending = new AbortController();
  await early.fetch("http://x/a", { signal: ending.signal });
  ending.abort();
  expect(signals.at(-1)?.aborted).toBe(true);
});
