/**
 * What Perfetto makes of an exported trace: its own trace processor is asked. Debian has it in `chromium-shell`;
 * without that package, or without a C compiler, this is skipped.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sleep } from "../../host/sleep.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "../../machine/testing/linux-session.ts";
import { createCalls } from "../calls.ts";

const LIBRARY = "/usr/lib/chromium/libtest_trace_processor.so";
const SOURCE = fileURLToPath(new URL("testing/perfetto.c", import.meta.url));
const isThere = existsSync(LIBRARY) && spawnSync("cc", ["--version"]).status === 0;

const SLICES = `select s.name, s.ts, s.dur, t.tid, p.name as process, s.depth
  from slice s join thread_track k on s.track_id = k.id join thread t using (utid) join process p using (upid)
  order by s.ts, s.depth`;

describe.skipIf(!isThere || !hasGuest)("a trace in Perfetto", () => {
  const folder = mkdtempSync(join(tmpdir(), "tabvisor-perfetto-"));
  const program = join(folder, "perfetto");
  const file = join(folder, "trace.json");
  let calls: ReturnType<typeof createCalls>;
  let session: LinuxSession;

  /** The rows of each query, by the names of their columns. */
  function ask(...queries: string[]): Record<string, string>[][] {
    const output = execFileSync(program, [LIBRARY, file, ...queries], { encoding: "utf8" });
    return output
      .split("\n\n")
      .slice(0, -1)
      .map((answer) => {
        const [names, ...rows] = answer.split("\n").map((line) => line.split("\t"));
        return rows.map((row) => Object.fromEntries(row.map((field, i) => [names[i], field])));
      });
  }

  beforeAll(async () => {
    execFileSync("cc", ["-O1", "-o", program, SOURCE]);
    session = new LinuxSession({ append: "console=hvc0 quiet tabvisor.disk=none" });
    await session.until(PROMPT);
    const clock = { nowMs: () => performance.now(), wallClockMs: () => Date.now() };
    calls = createCalls({ machine: session.machine, clock, sleep });
    calls.timeline("");
    await session.command("dd if=/dev/zero of=/dev/vda bs=64k count=64 conv=fsync,notrunc");
    await session.command("head -c 4096 /dev/hwrng | wc -c");
    calls.timeline("");
    calls.timelineExport("trace");
    const pieces: Uint8Array[] = [];
    for (let piece = calls.timelineExportNext(); piece; piece = calls.timelineExportNext()) {
      pieces.push(piece);
    }
    writeFileSync(file, Buffer.concat(pieces));
  }, LIMIT_MS);

  afterAll(() => {
    session.machine.dispose();
    rmSync(folder, { recursive: true });
  });

  it("is read without an error and without a loss", () => {
    const [wrong] = ask(
      "select name, severity, value from stats where value > 0 and severity != 'info'",
    );
    expect(wrong).toEqual([]);
  });

  it("shows each request once, with its parts below it", () => {
    const state = calls.timeline("");
    const rows = calls.timelineRows(state.first, state.end - state.first, state.revision);
    expect(rows.length).toBeGreaterThan(20);
    const [slices, requests] = ask(
      SLICES,
      "select s.name, s.dur, extract_arg(s.arg_set_id, 'args.seq') as seq from slice s where seq is not null",
    );
    expect(requests.map(({ seq }) => Number(seq)).toSorted((a, b) => a - b)).toEqual(
      rows.map(({ seq }) => seq),
    );
    for (const { seq, op, start, times } of rows) {
      const { name, dur } = requests.find((request) => Number(request.seq) === seq)!;
      expect(name).toBe(op);
      expect(Math.abs(Number(dur) / 1000 - (times.claim! - start))).toBeLessThan(0.2);
    }
    const names = new Set(slices.map(({ process, name, depth }) => `${process} ${depth} ${name}`));
    expect([...names]).toEqual(
      expect.arrayContaining([
        "slot 1 blk0 0 write",
        "slot 1 blk0 1 device",
        "slot 1 blk0 1 to the driver",
        "interrupts 0 interrupt",
      ]),
    );
  });

  it("leads from each request to its interrupt", () => {
    const [flows] = ask(`select a.name as request, b.name as interrupt, a.ts + a.dur as end, b.ts
      from flow f join slice a on f.slice_out = a.id join slice b on f.slice_in = b.id`);
    const { first, end } = calls.timeline("");
    expect(flows).toHaveLength(end - first);
    for (const flow of flows) {
      expect(flow.interrupt).toBe("interrupt");
      expect(Number(flow.ts)).toBeGreaterThanOrEqual(Number(flow.end));
    }
  });
});
