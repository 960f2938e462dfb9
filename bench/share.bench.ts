/**
 * `npm run bench:share`: copies to and from a shared directory, in the headless runner, virtio-fs and 9P
 * side by side; the figures are medians.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./median.ts";

const TABVISOR = fileURLToPath(new URL("../bin/tabvisor.mjs", import.meta.url));

const RUNS = 3;
const MIB_COPIED = 128;
const FILES = 5000;

/** What is timed, by a name; `D` is the shared directory. */
const STEPS: readonly (readonly [name: string, command: string, unit: "MiB" | "files"])[] = [
  ["write", "cp /tmp/data D/data", "MiB"],
  ["read", "cp D/data /tmp/copy", "MiB"],
  ["create", `mkdir D/many; cd D/many; seq ${FILES} | xargs touch; cd /`, "files"],
  ["list", `test $(ls -l D/many | wc -l) = ${FILES + 1} || reboot -f`, "files"],
  ["remove", "rm -r D/many", "files"],
];

/** What is typed. The script comes by the share: busybox takes what is typed ahead for a pipe's data. */
const INPUT = "while ! [ -e /run/share.bench ]; do usleep 50000; done; sh /mnt/bench/script\n";

/** Says before and after each step that it is there. */
function script(): string {
  const steps = STEPS.map(
    ([name, command]) =>
      `echo "<${name}>"; ${command.replaceAll("D/", "/mnt/bench/")}; echo "</${name}>"`,
  );
  return [
    `head -c ${MIB_COPIED}m /dev/urandom > /tmp/data`,
    ...steps,
    "cmp /tmp/data /tmp/copy && poweroff -f || reboot -f",
    "",
  ].join("\n");
}

/** Seconds by step. @throws Error if the guest did not come to the end */
async function measure(option: string): Promise<Map<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), "bench-share-"));
  await writeFile(join(folder, "script"), script());
  const argv = [
    TABVISOR,
    "run",
    "--ram",
    "1024",
    option,
    `bench=${folder}`,
    "--no-reboot",
    "--timeout",
    "300",
  ];
  const machine = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  const seen = new Map<string, number>();
  machine.stdout.setEncoding("utf8").on("data", (text: string) => {
    // A shell that is not there yet would lose part of a long input.
    if (!output.includes("# ") && (output + text).includes("# ")) machine.stdin.write(INPUT);
    output += text;
    for (const [, mark] of output.matchAll(/<(\/?\w+)>\r$/gm)) {
      if (!seen.has(mark)) seen.set(mark, performance.now());
    }
  });
  const code = await new Promise<number | null>((resolve) => machine.on("close", resolve));
  await rm(folder, { recursive: true });
  const times = STEPS.map(([name]): [string, number] => {
    return [name, ((seen.get(`/${name}`) ?? Number.NaN) - (seen.get(name) ?? Number.NaN)) / 1000];
  });
  // A guest that finds something wrong restarts itself before the last mark.
  if (code !== 0 || !seen.has("/remove")) {
    throw new Error(`the guest did not come to the end: ${output}`);
  }
  return new Map(times);
}

for (const option of ["--share", "--share-9p"]) {
  const runs: Map<string, number>[] = [];
  for (let run = 0; run < RUNS; run++) runs.push(await measure(option));
  const cells = STEPS.map(([name, , unit]) => {
    const seconds = median(runs.map((times) => times.get(name) ?? Number.NaN));
    const amount = unit === "MiB" ? MIB_COPIED : FILES;
    return `${name} ${(amount / seconds).toFixed(0)} ${unit}/s`;
  });
  console.log(`${option.padEnd(10)} ${cells.join(", ")}`);
}
