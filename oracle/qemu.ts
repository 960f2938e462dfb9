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
import { ROWS } from "../src/isa/table.ts";

/** Extensions that QEMU 7.2 can turn off, by the name that the table's rows would carry. */
const OPTIONAL: readonly string[] = ["zba", "zbb", "zbc", "zbs", "svinval", "Zfh", "Zfhmin"];

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

export function qemuVersion(): string {
  return execFileSync("qemu-system-riscv64", ["--version"], { encoding: "utf8" }).split("\n")[0];
}

export interface QemuRun {
  /** The RAM after the machine powered itself off. */
  readonly memory: Uint8Array;
  readonly exitCode: number;
}

/** @throws Error if the machine does not power itself off within `seconds`. */
export function runOnQemu(image: Uint8Array, ramSize: number, harts = 1, seconds = 120): QemuRun {
  const folder = mkdtempSync(join(tmpdir(), "oracle-"));
  const path = join(folder, "ram");
  try {
    const file = openSync(path, "w");
    writeSync(file, image);
    ftruncateSync(file, ramSize);
    closeSync(file);
    // The RAM is this file: it is loaded by being there and dumped by staying there.
    const backend = `memory-backend-file,id=ram,size=${ramSize},mem-path=${path},share=on`;
    const exitCode = powerOff(
      [
        ...["-M", "virt,memory-backend=ram", "-object", backend, "-m", `${ramSize >> 20}M`],
        ...["-cpu", cpuModel(), "-smp", String(harts), "-bios", "none", "-display", "none"],
        ...["-serial", "null", "-monitor", "none"],
      ],
      seconds,
    );
    return { memory: new Uint8Array(readFileSync(path)), exitCode };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function powerOff(options: readonly string[], seconds: number): number {
  try {
    execFileSync("qemu-system-riscv64", options, { timeout: seconds * 1000, stdio: "pipe" });
    return 0;
  } catch (error) {
    const { status } = error as { status: number | null };
    if (status === null) throw new Error("QEMU did not power off", { cause: error });
    return status;
  }
}
