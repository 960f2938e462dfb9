import { IDBFactory } from "fake-indexeddb";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryLocks } from "../host/testing/memory-locks.ts";
import { Log } from "../machine/log.ts";
import { elfFile } from "../machine/testing/elf-file.ts";
import { type FakeHart, FakeHartModel } from "../machine/testing/fake-hart.ts";
import { DeviceType } from "../virtio/spec.ts";
import { MAX_QUICK_REBOOTS, MachineHost, PANIC_GRACE_MS } from "./machine-host.ts";
import { type BootConfig, type FromWorker, OUTPUT_WINDOW } from "./protocol.ts";
import type { Services } from "./services.ts";

const VIRTIO = 0x0f00_0000;
const UART = 0x1000_0000;
const FINISHER = 0x0010_0000;
const POWER_OFF = 0x5555;
const REBOOT = 0x7777;
const FAIL = 0x3333;

const KERNEL = elfFile({ address: 0x8020_0000, data: new Uint8Array(4), size: 64 });

/** What the guest does in a run; unless it gives "budget", it then idles. */
type Program = (hart: FakeHart) => unknown;

/** A page, a browser and a guest whose program is a function. */
class Trial {
  readonly messages: FromWorker[] = [];
  readonly model = new FakeHartModel();
  readonly factory = new IDBFactory();
  readonly locks = new MemoryLocks();
  #looks = 0;
  requests = 0;
  kernel: () => Response = () => new Response(new Uint8Array(KERNEL));
  readonly host: MachineHost;

  constructor(more: Partial<Services> = {}) {
    this.host = new MachineHost({
      post: (message) => this.messages.push(message),
      fetch: async () => {
        this.requests++;
        return this.kernel();
      },
      indexedDB: this.factory,
      locks: this.locks,
      files: undefined,
      connect: () => {
        throw new SyntaxError("no network in this test");
      },
      fillRandom: (into) => into.fill(7),
      requestFrame: () => {},
      // Time also passes while a slice runs, which the faked clock alone would not let it.
      clock: { nowMs: () => Date.now() + this.#looks++ / 4, wallClockMs: () => Date.now() },
      hart: this.model,
      log: new Log({ wallClockMs: () => Date.now() }),
      isIsolated: false,
      defer: (callback) => void setTimeout(callback, 0),
      sleep: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
      ...more,
    });
  }

  boot(more: Partial<BootConfig> = {}): void {
    const kernel = { kind: "url", url: "http://x/Image" } as const;
    this.host.receive({ type: "boot", config: { kernel, append: "", ramMiB: 32, ...more } });
  }

  /** Boots, and runs `program` in each slice. */
  async run(program: Program, more: Partial<BootConfig> = {}): Promise<void> {
    this.boot(more);
    await this.until(() => this.state === "running");
    this.program = program;
  }

  set program(program: Program) {
    this.model.hart.program = (hart) => (program(hart) === "budget" ? "budget" : "wfi");
    this.host.receive({ type: "restart" });
  }

  get state(): string | undefined {
    return this.messages.findLast((message) => message.type === "state")?.state;
  }

  of<T extends FromWorker["type"]>(type: T): Extract<FromWorker, { type: T }>[] {
    return this.messages.filter((m): m is Extract<FromWorker, { type: T }> => m.type === type);
  }

  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 2000 && !condition(); i++) await vi.advanceTimersByTimeAsync(5);
    expect(condition(), JSON.stringify(this.messages.at(-1))).toBe(true);
  }
}

function print(hart: FakeHart, text: string): void {
  for (const byte of new TextEncoder().encode(text)) hart.store(UART, byte, 1);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("MachineHost", () => {
  it("gives the guest a crypto device and an RTC device on demand", async () => {
    // What is loaded on demand takes time that is none of the faked clock's.
    await Promise.all([
      import("../virtio/devices/crypto.ts"),
      import("../host/crypto-algorithms.ts"),
    ]);
    for (const isWanted of [false, true]) {
      const types = new Set<number>();
      const trial = new Trial();
      await trial.run(
        (hart) => {
          for (let slot = 0; slot < 32; slot++)
            types.add(hart.fetch(VIRTIO + 0x1000 * slot + 8, 4));
        },
        isWanted ? { crypto: true, rtc: true } : {},
      );
      await trial.until(() => types.size > 0);
      const isThere = [DeviceType.CRYPTO, DeviceType.RTC].map((type) => types.has(type));
      expect([types.has(DeviceType.ENTROPY), ...isThere]).toEqual([true, isWanted, isWanted]);
    }
  });

  it("boots and shows what the guest prints", async () => {
    const trial = new Trial();
    let isFirst = true;
    await trial.run((hart) => {
      if (isFirst) print(hart, "hello");
      isFirst = false;
    });
    await trial.until(() => trial.of("output").length > 0);
    expect(new TextDecoder().decode(trial.of("output")[0].bytes)).toBe("hello");
    expect(trial.of("progress").at(-1)).toMatchObject({ image: "kernel", loaded: KERNEL.length });
    await trial.until(() => trial.of("stats").length > 0 && trial.state === "idle");
  });

  it("reports a power-off and starts again from the files it has", async () => {
    const trial = new Trial();
    await trial.run((hart) => hart.store(FINISHER, POWER_OFF));
    await trial.until(() => trial.of("exit").length > 0);
    expect(trial.of("exit")[0]).toMatchObject({ reason: "poweroff" });
    expect(trial.state).toBe("stopped");
    trial.program = () => {};
    await trial.until(() => trial.state === "running");
    expect(trial.requests).toBe(1);
  });

  it("reports a guest that stops with an error", async () => {
    const trial = new Trial();
    await trial.run((hart) => hart.store(FINISHER, FAIL | (3 << 16)));
    await trial.until(() => trial.of("exit").length > 0);
    expect(trial.of("exit")[0]).toMatchObject({ reason: "fail", detail: "Code 3" });
  });

  it("starts a guest again that reboots, but not for ever", async () => {
    const trial = new Trial();
    let reboots = 0;
    await trial.run((hart) => {
      if (reboots++ < 2) hart.store(FINISHER, REBOOT);
    });
    await trial.until(() => trial.of("exit").length === 2);
    expect(trial.of("exit").every(({ reason }) => reason === "reboot")).toBe(true);
    await trial.until(() => trial.state === "idle");
    trial.program = (hart) => hart.store(FINISHER, REBOOT);
    await trial.until(() => trial.state === "stopped");
    expect(trial.of("exit")).toHaveLength(2 + MAX_QUICK_REBOOTS);
    expect(trial.of("exit").at(-1)).toMatchObject({ reason: "fail" });
  });

  it("holds a kernel that panicked after it has had time to say why", async () => {
    const trial = new Trial();
    let isFirst = true;
    await trial.run((hart) => {
      if (isFirst) print(hart, "\nKernel panic - not syncing: no init\n");
      isFirst = false;
    });
    await trial.until(() => trial.state === "panic");
    expect(trial.of("exit")).toEqual([]);
    await vi.advanceTimersByTimeAsync(PANIC_GRACE_MS);
    await trial.until(() => trial.of("exit").length > 0);
    expect(trial.of("exit")[0].reason).toBe("panic");
    expect(trial.of("exit")[0].detail).toContain("no init");
    expect(trial.state).toBe("panic");
  });

  it("gives the terminal no more than its window, and the guest rests meanwhile", async () => {
    const trial = new Trial();
    let slices = 0;
    await trial.run((hart) => {
      slices++;
      print(hart, "y\n".repeat(500));
      return "budget";
    });
    const sent = () => trial.of("output").reduce((sum, { bytes }) => sum + bytes.length, 0);
    await vi.advanceTimersByTimeAsync(500);
    expect(sent()).toBeLessThanOrEqual(OUTPUT_WINDOW);
    const [before, posted] = [slices, sent()];
    trial.host.receive({ type: "shown", bytes: sent() });
    await vi.advanceTimersByTimeAsync(100);
    expect(sent()).toBeGreaterThan(posted);
    expect(slices).toBeGreaterThan(before);
  });

  it("keeps what the guest has on its disk through switching off, and erases it when asked", async () => {
    const trial = new Trial();
    await trial.run(() => {}, { disk: { name: "d" } });
    trial.host.receive({ type: "power-off" });
    await trial.until(() => trial.of("exit").length > 0);
    expect(trial.of("exit")[0].reason).toBe("switched-off");
    trial.host.receive({ type: "reset-disk" });
    await trial.until(() => trial.state === "running");
    expect(trial.requests).toBe(1);
  });

  it("makes the disk larger while the guest runs, and says so when it cannot", async () => {
    const trial = new Trial();
    await trial.run(() => {}, { disk: { name: "d" } });
    trial.host.receive({ type: "grow-disk", bytes: 2 ** 32 });
    await trial.until(() => trial.of("stats").at(-1)?.stats.diskCapacity === 2 ** 32);
    expect(trial.of("notice")).toEqual([]);
    trial.host.receive({ type: "grow-disk", bytes: 512 });
    await trial.until(() => trial.of("notice").length > 0);
    expect(trial.of("notice")[0].problem?.what).toContain("could not be made larger");
    expect(trial.state).not.toBe("failed");
  });

  it("can be switched off while it loads, and started after all", async () => {
    const trial = new Trial({
      fetch: (_url, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
        }),
    });
    trial.boot({ disk: { name: "d" } });
    await vi.advanceTimersByTimeAsync(50);
    trial.host.receive({ type: "power-off" });
    await trial.until(() => trial.of("exit").length > 0);
    expect(trial.of("exit")[0].reason).toBe("switched-off");
    expect(trial.state).toBe("stopped");
    trial.host.receive({ type: "restart" });
    await trial.until(() => trial.state === "loading");
  });

  it("says what is wrong with a disk, a file and the memory, and can try again", async () => {
    const one = new Trial();
    await one.run(() => {}, { disk: { name: "d" } });
    const other = new Trial({ locks: one.locks, indexedDB: one.factory });
    other.boot({ disk: { name: "d" } });
    await other.until(() => other.of("problem").length > 0);
    expect(other.of("problem")[0].problem.what).toContain("in use by another tab");
    expect(other.of("problem")[0].problem.remedy).toBe("no-disk");

    const bare = new Trial({ indexedDB: undefined });
    bare.boot({ disk: { name: "d" } });
    await bare.until(() => bare.of("problem").length > 0);
    expect(bare.of("problem")[0].problem.what).toContain("no storage");

    const lost = new Trial();
    lost.kernel = () => new Response("", { status: 404 });
    lost.boot();
    await lost.until(() => lost.of("problem").length > 0);
    expect(lost.of("problem")[0].problem.what).toContain("404");
    expect(lost.state).toBe("failed");
    lost.kernel = () => new Response("not a kernel at all, only text");
    lost.host.receive({ type: "restart" });
    await lost.until(() => lost.of("problem").length > 1);
    expect(lost.of("problem")[1].problem.what).toMatch(/kernel/i);
  });
});
