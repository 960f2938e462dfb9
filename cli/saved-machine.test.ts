import { spawn } from "node:child_process";
import {
  appendFile,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { elfFile } from "../src/machine/testing/elf-file.ts";
import { assemble, echo, HANG, print, store } from "../src/machine/testing/program.ts";
import { main } from "./main.ts";

const BIN = fileURLToPath(new URL("../bin/tabvisor.mjs", import.meta.url));
const BASE = 0x8000_0000;
const UART = 0x1000_0000;
const FINISHER = 0x0010_0000;

let folder: string;
let program: string;
let disk: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "saved-"));
  program = join(folder, "echo.elf");
  disk = join(folder, "disk.img");
  const data = assemble([
    ...print(UART, ">"),
    ...echo(UART),
    ...store("sw", FINISHER, 0x5555),
    HANG,
  ]);
  await writeFile(program, elfFile({ address: BASE, data, size: data.length }));
});

afterAll(() => rm(folder, { recursive: true }));

/** Runs with somebody at the terminal who answers what it prints. */
async function tabvisor(argv: string[], answer: (printed: string) => string | undefined) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let [out, err] = ["", ""];
  stdout.on("data", (data) => {
    out += data;
    const text = answer(String(data));
    if (text !== undefined) stdin.write(text);
  });
  stderr.on("data", (data) => {
    err += data;
  });
  const streams = { stdin, stdout, stderr } as unknown as Parameters<typeof main>[1];
  const code = await main(["run", "--ram", "32", ...argv], streams);
  await new Promise(setImmediate);
  return { code, out, err };
}

const save = (path: string, ...more: string[]) =>
  tabvisor([program, "--disk", disk, "--save", path, ...more], () => "\x01s");
const restore = (path: string, ...more: string[]) =>
  tabvisor(["--disk", disk, "--restore", path, ...more], () => "x");

async function freshDisk(): Promise<void> {
  await writeFile(disk, new Uint8Array(64 * 1024));
}

it("saves a machine and goes on with it, as often as its disk stays as it was", async () => {
  await freshDisk();
  const path = join(folder, "machine");
  const { code, out, err } = await save(path);
  expect({ code, out }).toEqual({ code: 0, out: ">" });
  expect(err).toContain(`the machine is in ${path}`);
  expect(await readdir(folder)).not.toContain("machine.unfinished");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  // What it printed last is shown once more.
  expect(await restore(path)).toMatchObject({ code: 0, out: ">x" });
  expect(await restore(path)).toMatchObject({ code: 0, out: ">x" });
});

it("saves when the signal comes", async () => {
  await freshDisk();
  const path = join(folder, "signalled");
  const argv = [BIN, "run", "--ram", "32", program, "--disk", disk, "--save", path];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.on("data", () => child.kill("SIGUSR2"));
  const code = await new Promise((resolve) => child.on("exit", resolve));
  expect(code).toBe(0);
  expect(await restore(path)).toMatchObject({ code: 0, out: ">x" });
});

it("refuses a disk that was written since, by however little", async () => {
  const path = join(folder, "stale");
  await freshDisk();
  await save(path);
  const { atime, mtime } = await stat(disk);
  await appendFile(disk, "x");
  expect(await restore(path)).toMatchObject({
    code: 1,
    err: expect.stringContaining("blk0 was changed"),
  });
  // A whole number of seconds is not what was there.
  await writeFile(disk, new Uint8Array(64 * 1024));
  await utimes(disk, atime, new Date(Math.floor(mtime.getTime() / 1000) * 1000));
  expect(await restore(path)).toMatchObject({
    code: 1,
    err: expect.stringContaining("blk0 was changed"),
  });
});

it("refuses other machines and other files, and says why", async () => {
  await freshDisk();
  const path = join(folder, "refused");
  await save(path);
  const cases: [string[], string][] = [
    [["--ram", "64"], "its RAM in MiB is 32, here it is 64"],
    [["--irq", "aplic"], "its interrupt controller is plic, here it is aplic"],
    [["--profile", "qemu-virt"], "its memory map is tabvisor, here it is qemu-virt"],
    [["--rtc"], "in its slot 3 is nothing, here there is rtc0"],
    [["--hotplug-memory", "128"], "its memory above RAM is"],
  ];
  for (const [more, reason] of cases) {
    const { code, err } = await restore(path, ...more);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(reason) });
  }
  await writeFile(join(folder, "foreign"), "no machine at all");
  expect((await restore(join(folder, "foreign"))).err).toContain("not a saved machine");
  expect((await restore(join(folder, "missing"))).err).toContain("cannot be opened");
  const whole = await readFile(path);
  await writeFile(join(folder, "cut"), whole.subarray(0, whole.length - 1));
  expect((await restore(join(folder, "cut"))).err).toContain("damaged or not complete");
});

it("goes on if nobody has said where to save it", async () => {
  const unnamed = await tabvisor([program], () => "\x01sx");
  expect(unnamed).toMatchObject({ code: 0, err: expect.stringContaining("give --save FILE") });
});

it("goes on if the file cannot be written", async () => {
  await freshDisk();
  const path = join(folder, "no", "such", "folder");
  expect(await save(path, "--timeout", "1")).toMatchObject({
    code: 124,
    err: expect.stringContaining("It goes on"),
  });
});
