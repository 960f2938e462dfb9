import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { elfFile } from "../src/machine/testing/elf-file.ts";
import {
  assemble,
  echo,
  HANG,
  type Instruction,
  print,
  store,
  T0,
  T1,
} from "../src/machine/testing/program.ts";
import { main } from "./main.ts";
import { EXIT_TIMEOUT } from "./run.ts";

const BASE = 0x8000_0000;
const UART = 0x1000_0000;
const FINISHER = 0x0010_0000;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-"));
});

afterAll(() => rm(folder, { recursive: true }));

interface Result {
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
}

async function tabvisor(argv: string[], input = "", stdout = new PassThrough()): Promise<Result> {
  const stdin = new PassThrough();
  const stderr = new PassThrough();
  stdin.write(input);
  const streams = { stdin, stdout, stderr } as unknown as Parameters<typeof main>[1];
  let out = "";
  let err = "";
  stdout.on("data", (data) => {
    out += data;
  });
  stderr.on("data", (data) => {
    err += data;
  });
  const code = await main(argv, streams);
  await new Promise(setImmediate);
  return { code, out, err };
}

async function program(name: string, instructions: readonly Instruction[]): Promise<string> {
  const data = assemble(instructions);
  const path = join(folder, name);
  await writeFile(path, elfFile({ address: BASE, data, size: data.length }));
  return path;
}

describe("run", () => {
  it("prints what the guest prints and exits with its code", async () => {
    const path = await program("fail.elf", [
      ...print(UART, "bye\n"),
      ...store("sw", FINISHER, 0x7_3333),
      HANG,
    ]);
    expect(await tabvisor(["run", path, "--ram", "32"])).toEqual({
      code: 7,
      out: "bye\n",
      err: "",
    });
  });

  it("exits with 0 after a power-off, and says how it went if asked", async () => {
    const path = await program("off.elf", [...store("sw", FINISHER, 0x5555), HANG]);
    const { code, err } = await tabvisor(["run", "--kernel", path, "--stats"]);
    expect(code).toBe(0);
    expect(err).toMatch(/million instructions/);
  });

  it("takes a packed file, and a failure's code never turns into 0", async () => {
    const path = await program("code.elf", [...store("sw", FINISHER, 0x0100_3333), HANG]);
    await writeFile(`${path}.gz`, gzipSync(await readFile(path)));
    expect((await tabvisor(["run", `${path}.gz`])).code).toBe(1);
  });

  it("gives up after the time-out", async () => {
    const path = await program("hang.elf", [HANG]);
    const { code, err } = await tabvisor(["run", path, "--timeout", "0.1"]);
    expect(code).toBe(EXIT_TIMEOUT);
    expect(err).toContain("0.1 seconds");
  });

  it("passes standard input to the console that spoke", async () => {
    const path = await program("echo.elf", [
      ...print(UART, ">"),
      ...echo(UART),
      ...store("sw", FINISHER, 0x5555),
      HANG,
    ]);
    expect(await tabvisor(["run", path], "x")).toMatchObject({ code: 0, out: ">x" });
  });

  it("restarts the guest until it is told not to", async () => {
    const path = await program("reboot.elf", [
      ...print(UART, "."),
      ...store("sw", FINISHER, 0x7777),
      HANG,
    ]);
    expect(await tabvisor(["run", path, "--no-reboot"])).toMatchObject({ code: 0, out: "." });
    const { out } = await tabvisor(["run", path, "--timeout", "0.2"]);
    expect(out.length).toBeGreaterThan(2);
  });

  it("lets a guest wait that prints faster than its output is read", async () => {
    const path = await program("flood.elf", [
      ...print(UART, "x"),
      ["sb", { rs1: T0, rs2: T1, imm: 0 }],
      ["jal", { rd: 0, imm: -4 }],
    ]);
    const slow = new PassThrough({ highWaterMark: 1000 });
    let most = 0;
    slow.pipe(
      new Writable({
        highWaterMark: 1000,
        write: (_chunk, _encoding, done) => {
          most = Math.max(most, slow.writableLength + slow.readableLength);
          setTimeout(done, 20);
        },
      }),
    );
    expect((await tabvisor(["run", path, "--timeout", "0.5"], "", slow)).code).toBe(EXIT_TIMEOUT);
    expect(most).toBeGreaterThan(0);
    // What one slice prints may come on top.
    expect(most).toBeLessThan(1_000_000);
  });

  it("ends some time after a kernel's panic", async () => {
    const path = await program("panic.elf", [
      ...print(UART, "Kernel panic - not syncing: x\n"),
      HANG,
    ]);
    expect((await tabvisor(["run", path, "--timeout", "20"])).code).toBe(1);
  });

  it("explains what it cannot boot or understand", async () => {
    const junk = join(folder, "junk");
    await writeFile(junk, "junk");
    expect(await tabvisor(["run", junk])).toMatchObject({
      code: 1,
      err: expect.stringContaining("neither a Linux Image nor an ELF"),
    });
    expect(await tabvisor(["run", join(folder, "none")])).toMatchObject({ code: 1 });
    expect(await tabvisor(["run", "--ram", "7"])).toMatchObject({ code: 2 });
    expect(await tabvisor(["run", "--what"])).toMatchObject({ code: 2 });
  });
});

it("has help for people who ask", async () => {
  expect((await tabvisor(["--help"])).out).toContain("Usage");
  expect((await tabvisor(["run", "--help"])).out).toContain("--kernel");
  expect(await tabvisor([])).toMatchObject({ code: 2, err: expect.stringContaining("Usage") });
});
