import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildInterpreter } from "../../cpu/interpreter.ts";
import { ConfigFields } from "../../virtio/config.ts";
import type { VirtioDevice } from "../../virtio/device.ts";
import { LoadError } from "../load-error.ts";
import { Machine } from "../machine.ts";
import { MIN_RAM_BYTES } from "../machine-types.ts";
import { riscvHart } from "../riscv-hart.ts";
import { elfFile } from "../testing/elf-file.ts";
import { assemble, HANG } from "../testing/program.ts";
import type { Bytes } from "./gzip.ts";
import { encodeHead, writeSavedFile } from "./saved-file.ts";
import { openMachineFile } from "./saved-machine.ts";

const BASE = 0x8000_0000;

/** Compiled once for all machines here. */
const interpreter = new WebAssembly.Module(buildInterpreter({ shared: false, exact: false }));

/** A device whose host a test plays. */
class Storage implements VirtioDevice {
  readonly type = 42;
  readonly name = "storage";
  readonly features = 0n;
  readonly queueSizes = [];
  readonly config = new ConfigFields(0);
  underWay = 0;
  obstacle: string | undefined;
  contents = "contents";
  activate(): void {}
  notify(): void {}
  reset(): void {}
  async seal(): Promise<string> {
    if (this.contents === "") throw new Error("it is full");
    return this.contents;
  }
  async sealed(): Promise<string | undefined> {
    return this.contents;
  }
}

function create() {
  const clock = { ms: 0 };
  const machine = new Machine({
    clock: { nowMs: () => clock.ms, wallClockMs: () => clock.ms },
    entropy: (bytes) => bytes.fill(1),
    ramBytes: MIN_RAM_BYTES,
    hart: riscvHart({ interpreter }),
  });
  const device = new Storage();
  machine.attach(device);
  machine.attach(machine.consoles.createDevice("hvc0", { cols: 80, rows: 25 }));
  const data = assemble([["addi", { rd: 5, rs1: 5, imm: 1 }], HANG]);
  const request = { kernel: elfFile({ address: BASE, data, size: data.length }) };
  let onSleep = (): void => {};
  const options = {
    nowMs: () => clock.ms,
    sleep: (ms: number, callback: () => void) => {
      clock.ms += ms;
      onSleep();
      queueMicrotask(callback);
    },
    note: "a note",
  };
  const save = async (): Promise<Bytes[]> => {
    const pieces: Bytes[] = [];
    for await (const piece of await machine.save(options)) pieces.push(piece);
    return pieces;
  };
  const asleep = (callback: () => void) => {
    onSleep = callback;
  };
  return { machine, device, request, save, asleep, clock };
}

const opened = (pieces: Bytes[]) => openMachineFile(pieces);

describe("saving a machine", () => {
  it("waits for the host, while nothing happens in the guest", async () => {
    const { machine, device, request, save, asleep, clock } = create();
    machine.boot(request);
    machine.runSlice(0);
    const [hart] = machine.harts;
    const before = { instructions: hart.instructionCount(), ticks: machine.timebase.ticks() };
    device.underWay = 2;
    const seen: string[] = [];
    asleep(() => {
      seen.push(machine.runSlice(8));
      if (clock.ms > 20) device.underWay = 0;
    });
    const file = await opened(await save());
    expect(new Set(seen)).toEqual(new Set(["held"]));
    expect(file.note).toBe("a note");
    expect(file.machine.slots).toEqual([
      { slot: 0, type: 42, name: "storage", queues: [], seal: "contents" },
      { slot: 1, type: 3, name: "hvc0", queues: [256, 256] },
    ]);
    expect(hart.instructionCount()).toBe(before.instructions);
    // And then time goes on from where it was.
    expect(machine.timebase.ticks()).toBe(before.ticks);
    clock.ms += 1;
    expect(machine.timebase.ticks()).toBe(before.ticks + 10_000);
    machine.runSlice(0);
    expect(hart.instructionCount()).toBeGreaterThan(before.instructions);
  });

  it("does not wait for ever, and names who does not come to an end", async () => {
    const { machine, device, request, save } = create();
    machine.boot(request);
    device.underWay = 1;
    await expect(save()).rejects.toThrow("storage still waits for 1 requests");
    device.underWay = 0;
    device.contents = "";
    await expect(save()).rejects.toThrow("what storage has written cannot be stored");
    device.obstacle = "is in the way";
    await expect(save()).rejects.toThrow("storage is in the way");
    expect(machine.runSlice(0)).toBe("running");
  });

  it("needs one that runs", async () => {
    const { machine, request, save } = create();
    await expect(save()).rejects.toThrow("no running machine");
    machine.boot(request);
    const both = [save(), save()];
    await expect(both[1]).rejects.toThrow("no running machine");
    await both[0];
    machine.dispose();
    await expect(save()).rejects.toThrow("no running machine");
  });

  it("leaves a debugger's hold as it is", async () => {
    const { machine, request, save, clock } = create();
    machine.boot(request);
    machine.hold.begin();
    const ticks = machine.timebase.ticks();
    await save();
    clock.ms += 5;
    expect(machine.timebase.ticks()).toBe(ticks);
    machine.hold.end();
    clock.ms += 1;
    expect(machine.timebase.ticks()).toBe(ticks + 10_000);
  });
});

describe("restoring a machine", () => {
  it("goes on with its registers and memory", async () => {
    const first = create();
    first.machine.boot(first.request);
    first.machine.memory.writeU32(BASE + 0x10_0000, 77);
    for (let i = 0; i < 3; i++) first.machine.runSlice(0);
    const pieces = await first.save();
    const second = create();
    await second.machine.restore(await opened(pieces), second.request);
    expect(second.machine.harts[0].save()).toEqual(first.machine.harts[0].save());
    expect(second.machine.memory.readU32(BASE + 0x10_0000)).toBe(77);
    expect(second.machine.runSlice(0)).toBe("running");
    await expect(second.machine.restore(await opened(pieces), {})).rejects.toThrow(
      "booted already",
    );
  });

  it("changes nothing if that cannot be", async () => {
    const first = create();
    first.machine.boot(first.request);
    const pieces = await first.save();
    const last = pieces.at(-1)!;
    const damaged = [...pieces.slice(0, -1), last.slice(0, last.length - 4)];
    const { machine, device, request } = create();
    await expect(machine.restore(await opened(damaged), request)).rejects.toThrow("damaged");
    const ram = machine.memory.view(BASE, MIN_RAM_BYTES)!;
    expect(ram.every((byte) => byte === 0)).toBe(true);
    device.contents = "others";
    await expect(machine.restore(await opened(pieces), request)).rejects.toThrow("was changed");
    device.contents = "contents";
    machine.attach(new Storage());
    await expect(machine.restore(await opened(pieces), request)).rejects.toThrow(
      "in its slot 2 is nothing, here there is storage with 0 queues",
    );
    expect(machine.runSlice(0)).toBe("stopped");
    machine.slots.at(2)?.detach();
    await machine.restore(await opened(pieces), request);
    expect(machine.runSlice(0)).toBe("running");
  });

  it("survives any state that somebody has made up", async () => {
    const first = create();
    first.machine.boot(first.request);
    first.machine.runSlice(0);
    const pieces = await first.save();
    const odd = fc.constantFrom<unknown>(undefined, null, -1, 0.5, 2 ** 40, "x", -1n, [], {}, true);
    const edits = fc.array(fc.tuple(fc.nat(), odd), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(edits, async (chosen) => {
        const { file } = await opened(pieces);
        const head = structuredClone(file.head) as { state: object } & typeof file.head;
        for (const [at, value] of chosen) edit(head.state, at, value);
        const made: Bytes[] = [];
        for await (const piece of writeSavedFile(encodeHead(head), file.pages())) made.push(piece);
        const { machine, request } = create();
        const result = await machine.restore(await opened(made), request).catch((error) => error);
        if (result !== undefined) expect(result).toBeInstanceOf(LoadError);
        for (let i = 0; i < 3; i++) machine.runSlice(0);
      }),
      { numRuns: 60 },
    );
  });
});

/** Puts `value` at one of the places of a tree. */
function edit(tree: object, at: number, value: unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const visit = (node: unknown): void => {
    if (node === null || typeof node !== "object" || ArrayBuffer.isView(node)) return;
    for (const [key, inner] of Object.entries(node)) {
      places.push([node as Record<string, unknown>, key]);
      visit(inner);
    }
  };
  visit(tree);
  const [node, key] = places[at % places.length];
  node[key] = value;
}
