/** What the inspector says of the embedded Linux at work. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { sleep } from "../host/sleep.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "../machine/testing/linux-session.ts";
import { type Calls, createCalls } from "./calls.ts";

const MAP = new URL("../../public/guest/System.map.gz", import.meta.url);
const clock = { nowMs: () => performance.now(), wallClockMs: () => Date.now() };

describe.skipIf(!hasGuest)("a Linux at its prompt", () => {
  let session: LinuxSession;
  let calls: Calls;

  beforeAll(async () => {
    session = new LinuxSession();
    calls = createCalls({ machine: session.machine, clock, sleep });
    calls.addSymbols("System.map", gunzipSync(readFileSync(MAP)));
    await session.until(PROMPT);
    await session.runUntil(() => session.machine.inspect().state === "idle", "rest");
  }, LIMIT_MS);

  it("has its symbols where they were linked", () => {
    expect(calls.symbolFiles()).toMatchObject([{ relocation: 0n, match: "same" }]);
  });

  it("waits in its idle task, and the stack says how it came there", () => {
    const { mode, task, symbol, stack } = calls.cpuState();
    expect([mode, task]).toEqual(["S", "swapper/0"]);
    expect(symbol).toMatch(/idle/);
    const names = stack.map(({ symbol = "" }) => symbol.split("+")[0]);
    expect(names).toEqual(
      expect.arrayContaining(["default_idle_call", "do_idle", "cpu_startup_entry"]),
    );
    const csrs = new Map(calls.cpuCsrs().map((row) => [row.name, row]));
    expect(csrs.get("stvec")?.symbol).toBe("handle_exception");
    expect(csrs.get("satp")?.fields[0]).toMatchObject({ name: "MODE", text: "Sv57" });
  });

  it("has code with labels, and names where jumps lead", () => {
    const start = calls.resolveAddress("do_idle");
    const lines = calls.cpuCode(start, 4, 80);
    const first = lines.findIndex(({ address }) => address === start);
    expect(first).toBe(4);
    expect(lines[first].label).toBe("do_idle");
    expect(lines.some(({ targetText }) => targetText?.startsWith("default_idle_call"))).toBe(true);
  });

  it("maps its text by superpages that only the kernel executes", () => {
    const { walk, refusals } = calls.cpuWalk("_text");
    expect(walk.page?.bytes).toBeGreaterThan(4096n);
    expect(refusals).toMatchObject({ execute: undefined });
    const map = calls.memoryMap();
    const text = map.marks.find(({ name }) => name === "kernel code");
    expect(text?.base).toBe(Number(walk.page?.physical));
    expect(map.marks.filter(({ kind }) => kind === "queue").length).toBeGreaterThan(5);
    const banner = calls.resolveAddress("linux_banner");
    const [run] = calls.memoryBytes("virtual", banner, 32);
    expect(new TextDecoder().decode(run.bytes)).toMatch(/^Linux version/);
    let at: number | undefined = 0;
    const found: number[] = [];
    while (at !== undefined) {
      const part = calls.memorySearch('"Linux version"', at);
      found.push(...part.found);
      at = part.next;
    }
    expect(found).toContain(run.physical);
  });

  it("has memory that can be changed by virtual address, pages that are read-only too", async () => {
    const word = calls.resolveAddress("linux_proc_banner") + BigInt("%s ".length);
    const text = new TextEncoder();
    const [{ bytes }] = calls.memoryWrite("virtual", word, text.encode("Version"));
    expect(new TextDecoder().decode(bytes)).toBe("version");
    expect(await session.command("cat /proc/version")).toMatch(/^Linux Version 6/m);
    calls.memoryWrite("virtual", word, text.encode("version"));
    expect(() => calls.memoryWrite("virtual", 0n, text.encode("x"))).toThrow("is not mapped");
  });

  it(
    "is profiled by task and function, and no longer when that is over",
    async () => {
      calls.startProfile();
      await session.command(
        "i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); cat /dev/null; done & sleep 1; kill $!",
      );
      calls.stopProfile();
      const { isOn, samples, top, tree, costMs, elapsedMs } = calls.profile();
      expect(isOn).toBe(false);
      expect(samples).toBeGreaterThan(100);
      expect(costMs / elapsedMs).toBeLessThan(0.3);
      expect(top.some(({ kind }) => kind === "kernel")).toBe(true);
      expect(tree.names).toEqual(expect.arrayContaining(["sh"]));
      expect(tree.total[0]).toBe(samples);
      expect(calls.exportProfile("folded")).toMatch(
        /^sh;0x[0-9a-f]+;handle_exception;do_trap_ecall_u;.* \d+$/m,
      );
      await session.command("true");
      expect(calls.profile().samples).toBe(samples);
      const { jit, tlb } = calls.cpuTranslation();
      expect(jit?.compiled).toBeGreaterThan(0);
      expect(jit?.hartMs).toBeGreaterThan(0);
      expect(tlb.fills).toBeGreaterThan(1000);
      expect(tlb.contexts.find(({ name }) => name === "supervisor")?.read).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );
});
