/** Debian's `gdb-multiarch` with the embedded Linux, as a person would use it. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isExpected } from "../src/machine/testing/programs.ts";
import { symbolFile } from "./testing/symbol-file.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MAP = new URL("../public/guest/System.map.gz", import.meta.url);
const GDB = "gdb-multiarch";
/** A boot and a session, on a computer that does other work. */
const LIMIT_MS = 120_000;

let folder: string;
let vm: ChildProcess;
let port: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gdb-"));
  await writeFile(join(folder, "kernel.elf"), symbolFile(gunzipSync(readFileSync(MAP)).toString()));
});
afterAll(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  const args = ["bin/tabvisor.mjs", "run", "--gdb", "0", "--gdb-wait", "--timeout", "100"];
  vm = spawn(process.execPath, args, { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"] });
  vm.stdout?.resume();
  let said = "";
  for await (const text of vm.stderr ?? []) {
    said += text;
    const found = /target remote :(\d+)/.exec(said);
    if (found === null) continue;
    port = found[1];
    break;
  }
}, LIMIT_MS);
afterEach(() => {
  vm.kill();
});

/** What GDB prints for these commands. */
async function gdb(commands: readonly string[]): Promise<string> {
  const script = join(folder, "commands");
  const all = [
    ...["set pagination off", "set confirm off", "file kernel.elf", `target remote :${port}`],
    ...commands,
  ];
  await writeFile(script, all.join("\n"));
  const run = promisify(execFile);
  const options = { cwd: folder, timeout: LIMIT_MS };
  const { stdout, stderr } = await run(GDB, ["-nx", "-batch", "-x", script], options);
  return stdout + stderr;
}

describe.skipIf(!isExpected(GDB))("gdb-multiarch", () => {
  it("breaks in a function of the kernel, steps, watches, and detaches", {
    timeout: LIMIT_MS,
  }, async () => {
    const output = await gdb([
      "info threads",
      "break vfs_write",
      "continue",
      'printf "at %lx\\n", $pc - (long)&vfs_write',
      'printf "mode %d cause %d\\n", $priv, $scause',
      "x/1i $pc",
      "stepi",
      'printf "then %d\\n", $pc > (long)&vfs_write',
      "set $t6 = 0x123456789",
      'printf "t6 %lx\\n", $t6',
      "print $fa0",
      "delete",
      "watch *(long *)&jiffies",
      "continue",
      'printf "before %d\\n", jiffies > 0',
      "delete",
      "hbreak *(long)&handle_exception",
      "continue",
      'printf "trap %d\\n", $pc == (long)&handle_exception',
      "monitor info devices",
      "delete",
      "detach",
    ]);
    expect(output).toMatch(/Thread 1 \(Hart 0, S-mode\)/);
    expect(output).toMatch(/Breakpoint 1, 0x\w+ in vfs_write/);
    expect(output).toMatch(/^at 0$/m);
    expect(output).toMatch(/^mode 1 cause 8$/m);
    expect(output).toMatch(/<vfs_write>:\s+add/);
    expect(output).toMatch(/^then 1$/m);
    expect(output).toMatch(/^t6 123456789$/m);
    expect(output).toMatch(/double = /);
    expect(output).toMatch(/Hardware watchpoint 2[\s\S]*Old value = \d+\s+New value = \d+/);
    expect(output).toMatch(/^trap 1$/m);
    expect(output).toMatch(/^0: console0 at 0x\w+, interrupt \d+$/m);
    expect(output).toMatch(/detached/);
  });

  it("interrupts a run, detaches, comes again, and ends the machine", {
    timeout: LIMIT_MS,
  }, async () => {
    const ended = once(vm, "exit");
    const client = spawn(GDB, ["-nx", "-q"], { cwd: folder });
    let output = "";
    for (const stream of [client.stdout, client.stderr]) {
      stream.on("data", (text) => {
        output += text;
      });
    }
    const say = (...lines: string[]) => client.stdin.write(`${lines.join("\n")}\n`);
    const heard = (pattern: RegExp) =>
      expect.poll(() => output, { timeout: LIMIT_MS / 4 }).toMatch(pattern);
    say("set pagination off", "set confirm off", "file kernel.elf", `target remote :${port}`);
    // By then the kernel has page tables.
    say("break vfs_write", "continue", "delete", "continue");
    await heard(/Breakpoint 1, [\s\S]*Continuing/);
    await sleep(500);
    client.kill("SIGINT");
    await heard(/received signal SIGINT/);
    say("x/gx 0", "x/4i $pc", 'printf "pc %d\\n", $minstret > 0');
    say('eval "monitor translate %#lx", (long)&vfs_write');
    say("maint packet qqemu.PhyMemMode", "detach");
    await heard(/detached/);
    expect(output).toMatch(/Cannot access memory at address 0x0/);
    expect(output).toMatch(/^(\(gdb\) )?pc 1$/m);
    expect(output).toMatch(/level 2: 0x\w+ at 0x\w+ V[\s\S]*Sv\d\d: 0x\w+/);
    expect(output).toMatch(/received: "0"/);
    output = "";
    say(`target remote :${port}`, "info threads", "stepi", "monitor quit");
    await heard(/bye/);
    expect(output).toMatch(/Thread 1 \(Hart 0, [SU]-mode\)/);
    expect((await ended)[0]).toBe(0);
    client.kill();
  });

  it("kills the machine", { timeout: LIMIT_MS }, async () => {
    const ended = once(vm, "exit");
    await gdb(["stepi", "kill"]);
    expect((await ended)[0]).toBe(0);
  });
});
