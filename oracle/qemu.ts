/** Runs a memory image on QEMU's `virt` machine and gives the memory back. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Row } from "../src/isa/row.ts";
import { ROWS } from "../src/isa/table.ts";

/** Extensions that QEMU 7.2 can turn off, by the name that the table's rows would carry. */
const OPTIONAL: readonly string[] = ["zba", "zbb", "zbc", "zbs", "svinval", "Zfh", "Zfhmin"];

/** Extensions that QEMU 7.2 has not; the newer one does. */
const NEWER: readonly string[] = ["zicond", "zicbom", "zicboz"];

/** Extensions of paging, of which the self-tests need all details. */
const NEWER_PAGING: readonly string[] = ["svinval", "svnapot", "svpbmt"];

/** Instructions that QEMU 7.2 gets wrong: it counts the zeros of all 64 bits if the word is zero. */
const WRONG: readonly string[] = ["ctzw"];

export const isOnQemu = (row: Row): boolean =>
  !NEWER.includes(row.extension) && !WRONG.includes(row.name);

/** Extensions without instructions of their own; the hart has Sstc. */
const FIXED = "h=off,v=off,Zihintpause=off,svpbmt=off,svnapot=off,sscofpmf=off,sstc=on,pmu-num=29";

/** QEMU gets the extensions that the table has, so that both call the same encodings illegal. */
function cpuModel(): string {
  const present = new Set(ROWS.map((row) => row.extension));
  const optional = OPTIONAL.map(
    (name) => `${name}=${present.has(name.toLowerCase()) ? "on" : "off"}`,
  );
  return ["rv64", FIXED, ...optional].join(",");
}

/** A QEMU and the model of its CPU. */
export interface Qemu {
  readonly command: readonly string[];
  readonly cpu: string;
}

export const QEMU_7_2: Qemu = { command: ["qemu-system-riscv64"], cpu: cpuModel() };

/** Fetches the newer QEMU when it is asked for first. */
export function newerQemu(): Qemu {
  const script = fileURLToPath(new URL("newer-qemu", import.meta.url));
  const command = execFileSync(script, { encoding: "utf8" }).trim().split(" ");
  const on = [...NEWER, ...NEWER_PAGING].map((name) => `${name}=on`);
  return { command, cpu: ["rv64,h=off,v=off", ...on].join(",") };
}

export function versionOf({ command: [name, ...options] }: Qemu): string {
  return execFileSync(name, [...options, "--version"], { encoding: "utf8" }).split("\n")[0];
}

export interface QemuRun {
  /** The RAM after the machine powered itself off. */
  readonly memory: Uint8Array;
  readonly exitCode: number;
}

/** So long may a machine take to power itself off. */
const SECONDS = 120;

/** @throws Error if the machine does not power itself off. */
export function runOnQemu(qemu: Qemu, image: Uint8Array, ramSize: number, harts = 1): QemuRun {
  const folder = mkdtempSync(join(tmpdir(), "oracle-"));
  const path = join(folder, "ram");
  try {
    const file = openSync(path, "w");
    writeSync(file, image);
    ftruncateSync(file, ramSize);
    closeSync(file);
    // The RAM is this file: it is loaded by being there and dumped by staying there.
    const backend = `memory-backend-file,id=ram,size=${ramSize},mem-path=${path},share=on`;
    const exitCode = powerOff([
      ...qemu.command,
      ...["-M", "virt,memory-backend=ram", "-object", backend, "-m", `${ramSize >> 20}M`],
      ...["-cpu", qemu.cpu, "-smp", String(harts), "-bios", "none", "-display", "none"],
      ...["-serial", "null", "-monitor", "none"],
    ]);
    return { memory: new Uint8Array(readFileSync(path)), exitCode };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function powerOff([command, ...options]: readonly string[]): number {
  try {
    execFileSync(command, options, { timeout: SECONDS * 1000, stdio: "pipe" });
    return 0;
  } catch (error) {
    const { status } = error as { status: number | null };
    if (status === null) throw new Error("QEMU did not power off", { cause: error });
    return status;
  }
}
