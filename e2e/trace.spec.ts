/**
 * Requests saved as Chrome's trace, read by another program: the trace engine of Chromium's own developer tools,
 * which its Performance panel uses. Perfetto itself is asked in src/inspect/timeline/perfetto.test.ts.
 */
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.ts";

interface ReadTrace {
  /** No page's own trace, but somebody else's in its format. */
  readonly isGeneric: boolean;
  readonly processes: readonly string[];
  readonly threads: readonly ReadThread[];
}

interface ReadThread {
  readonly process: string;
  readonly name: string;
  /** Events that are in no other, and how deep they are nested. */
  readonly roots: number;
  readonly depth: number;
}

/** What the developer tools find in a trace. */
async function readTrace(page: Page, trace: string): Promise<ReadTrace> {
  const tools = "devtools://devtools/bundled";
  await page.goto(`${tools}/devtools_app.html`);
  return page.evaluate(
    async ({ engine, text }) => {
      const { TraceModel } = await import(engine);
      const model = TraceModel.Model.createWithAllHandlers();
      await model.parse(JSON.parse(text).traceEvents, { isFreshRecording: false, metadata: {} });
      const { Meta, Renderer } = model.parsedTrace().data;
      const nameOf = (pid: number): string => Meta.processNames.get(pid)?.args.name;
      const threads = [...Renderer.processes].flatMap(([pid, process]) =>
        [...process.threads.values()].map(({ name, tree }) => {
          const { size: roots } = tree.roots;
          return { process: nameOf(pid), name, roots, depth: tree.maxDepth };
        }),
      );
      const processes = [...Meta.processNames.keys()].map(nameOf);
      return { isGeneric: Meta.traceIsGeneric, processes, threads };
    },
    { engine: `${tools}/models/trace/trace.js`, text: trace },
  );
}

test("saves requests that the developer tools read", async ({ vm, site, page, context }) => {
  await vm.boot(`${site}?disk=none#inspect=timeline`);
  await expect(page.getByLabel("Requests shown")).toBeVisible();
  await vm.run("head -c 100 /dev/hwrng | wc -c; echo something");
  const saved = page.waitForEvent("download");
  await vm.button("Trace").click();
  const text = readFileSync(await (await saved).path(), "utf8");
  const trace = await readTrace(await context.newPage(), text);
  expect(trace.isGeneric).toBe(true);
  const processes = ["slot 0 hvc0", "slot 2 rng0", "interrupts"];
  expect(trace.processes).toEqual(expect.arrayContaining(processes));
  const console = trace.threads.filter(({ process }) => process === "slot 0 hvc0");
  expect(console.map(({ name }) => name)).toContain("queue 1");
  // A request and its parts, and nothing that overlaps.
  for (const { process, depth } of trace.threads) {
    expect(depth).toBeLessThanOrEqual(process === "interrupts" ? 1 : 2);
  }
  const events = JSON.parse(text).traceEvents as { readonly args?: { readonly seq?: number } }[];
  const requests = events.filter(({ args }) => args?.seq !== undefined).length;
  const ofDevices = trace.threads.filter(({ process }) => process !== "interrupts");
  expect(ofDevices.reduce((sum, { roots }) => sum + roots, 0)).toBe(requests);
});
