/** A page's machine that is saved, and goes on in another Worker. */
import { setTimeout as pass } from "node:timers/promises";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, expect, it } from "vitest";
import { sleep } from "../host/sleep.ts";
import { MemoryLocks } from "../host/testing/memory-locks.ts";
import { Log } from "../machine/log.ts";
import { riscvHart } from "../machine/riscv-hart.ts";
import { elfFile } from "../machine/testing/elf-file.ts";
import { assemble, HANG, print } from "../machine/testing/program.ts";
import { MachineHost } from "./machine-host.ts";
import type { BootConfig, FromWorker } from "./protocol.ts";

const BASE = 0x8000_0000;
const UART = 0x1000_0000;
const DATA = assemble([...print(UART, "up\n"), HANG]);
const KERNEL = elfFile({ address: BASE, data: DATA, size: DATA.length });

const CONFIG: BootConfig = {
  kernel: { kind: "url", url: "http://x/kernel" },
  append: "",
  ramMiB: 32,
  disk: { name: "d", sizeMiB: 1 },
  rtc: true,
};

const factory = new IDBFactory();
const hosts: MachineHost[] = [];

/** A Worker with what it has said; those before it are gone unless they have the same locks. */
function open(config: BootConfig, locks = new MemoryLocks()) {
  const messages: FromWorker[] = [];
  const host = new MachineHost({
    post: (message) => messages.push(message),
    fetch: async () => new Response(new Uint8Array(KERNEL)),
    indexedDB: factory,
    locks,
    files: undefined,
    connect: () => {
      throw new SyntaxError("no network in this test");
    },
    fillRandom: (into) => into.fill(7),
    requestFrame: () => {},
    clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
    hart: riscvHart(),
    log: new Log({ wallClockMs: () => Date.now() }),
    isIsolated: false,
    defer: (callback) => void setImmediate(callback),
    sleep,
  });
  hosts.push(host);
  host.receive({ type: "boot", config });
  const of = <T extends FromWorker["type"]>(type: T) =>
    messages.filter((m): m is Extract<FromWorker, { type: T }> => m.type === type);
  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 1000 && !condition(); i++) await pass(5);
    expect(condition(), JSON.stringify(messages)).toBe(true);
  };
  const output = () => of("output").map(({ bytes }) => new TextDecoder().decode(bytes));
  const state = () => of("state").at(-1)?.state;
  return { host, of, until, output, state };
}

const picked = (file: Blob): BootConfig => ({
  append: "",
  ramMiB: 32,
  saved: { kind: "file", file: new File([file], "machine.tabvisor") },
});

afterEach(() => {
  for (const host of hosts.splice(0)) host.receive({ type: "power-off" });
});

it("gives its file, and then leaves its disk alone until it is restored", async () => {
  const locks = new MemoryLocks();
  const first = open(CONFIG, locks);
  await first.until(() => first.output().join("") === "up\n");
  first.host.receive({ type: "save" });
  first.host.receive({ type: "save" });
  await first.until(() => first.of("exit").length > 0);
  expect(first.of("exit")).toEqual([{ type: "exit", reason: "saved", detail: "" }]);
  expect(first.of("state").map(({ state }) => state)).toContain("saving");
  expect(first.state()).toBe("stopped");
  expect(first.of("saved")).toHaveLength(1);
  const [{ file }] = first.of("saved");

  // The disk is still the first Worker's.
  const early = open(picked(file), locks);
  await early.until(() => early.state() === "failed");
  expect(early.of("problem")[0].problem.what).toContain("in use by another tab");
  first.host.receive({ type: "reset-disk" });
  await first.until(() => first.state() === "running");
});

it("makes a machine of what the file says, and refuses one whose disk was changed", async () => {
  const config = { ...CONFIG, disk: { name: "e", sizeMiB: 1 } };
  const first = open(config);
  await first.until(() => first.output().join("") === "up\n");
  first.host.receive({ type: "save" });
  await first.until(() => first.of("saved").length > 0);
  const [{ file }] = first.of("saved");

  const second = open(picked(file));
  await second.until(() => second.state() === "running");
  expect(second.of("config")).toEqual([{ type: "config", config }]);
  expect(second.of("progress").at(-1)).toMatchObject({ image: "saved machine", loaded: file.size });
  expect(second.output().join("")).toBe("up\n");
  second.host.receive({ type: "grow-disk", bytes: 2 << 20 });
  await second.until(() => second.of("stats").some(({ stats }) => stats.diskCapacity === 2 << 20));

  const third = open(picked(file));
  await third.until(() => third.state() === "failed");
  expect(third.of("problem")[0].problem.what).toContain("The disk of blk0 was changed");
});

it("asks before it starts anew with a disk that a saved machine needs", async () => {
  const config = { ...CONFIG, disk: { name: "f", sizeMiB: 1 } };
  const first = open(config);
  await first.until(() => first.output().join("") === "up\n");
  first.host.receive({ type: "save" });
  await first.until(() => first.of("saved").length > 0);

  const second = open(config);
  await second.until(() => second.state() === "failed");
  expect(second.of("problem")[0].problem).toMatchObject({
    what: "A saved machine needs disk “f” as it is.",
    remedy: "start-anew",
  });
  second.host.receive({ type: "restart" });
  await second.until(() => second.of("problem").length === 2);
  second.host.receive({ type: "restart", breaksSeal: true });
  await second.until(() => second.state() === "running");
  // It cannot be written to by this one.
  const reader = open({ ...config, disk: { name: "f", readOnly: true } });
  await reader.until(() => reader.state() === "running");
});

it("says what is wrong with another file", async () => {
  const host = open(picked(new Blob(["no machine at all"])));
  await host.until(() => host.state() === "failed");
  expect(host.of("problem")[0].problem.what).toContain("not a saved machine");
});
