import { describe, expect, it } from "vitest";
import { LoadError } from "../machine/load-error.ts";
import type { Bytes } from "../machine/saved/gzip.ts";
import { encodeHead, writeSavedFile } from "../machine/saved/saved-file.ts";
import type { BootConfig } from "./protocol.ts";
import { noteOf, openSaved } from "./saved-machine.ts";

const URL_OF = { kind: "url", url: "https://host/Image" } as const;
const PICKED = { kind: "file", file: new File([], "Image") } as const;

const WHOLE: BootConfig = {
  kernel: URL_OF,
  initrd: URL_OF,
  append: "console=hvc0",
  ramMiB: 64,
  memory: { balloonMiB: 0, hotplug: { mib: 128, pluggedMiB: 0 }, daxMiB: 2 },
  disk: {
    name: "default",
    base: URL_OF,
    seed: URL_OF,
    sizeMiB: 4,
    readOnly: true,
    store: "indexeddb",
  },
  pmem: { name: "memory" },
  ports: ["a"],
  vsockCid: 3,
  share: "9p",
  relay: "ws://host/lan",
  virtio: ["blk0:packed"],
  display: { width: 800, height: 600, isFitted: true },
  sound: true,
  crypto: true,
  rtc: true,
};

const MACHINE = {
  ...{ profile: "tabvisor", interruptController: "plic", ramBytes: 1, windows: [] },
  ...{ extensions: [], mmu: "sv57", slots: [] },
};

/** What a page reads from a file with that note. */
async function read(note: unknown): Promise<BootConfig> {
  const head = encodeHead({ machine: MACHINE, note, state: null, runs: [] });
  const parts: Bytes[] = [];
  for await (const piece of writeSavedFile(head, [])) parts.push(piece);
  const progress: number[] = [];
  const { config } = await openSaved({
    name: "saved machine",
    source: { kind: "file", file: new File(parts, "machine") },
    fetch,
    signal: new AbortController().signal,
    onProgress: (loaded) => progress.push(loaded),
  });
  expect(progress.length).toBeGreaterThan(0);
  return config;
}

describe("what a saved machine's file says of the page", () => {
  it("is all that it is made of", async () => {
    expect(await read(noteOf(WHOLE))).toEqual(WHOLE);
  });

  it("leaves out files that were picked, and where it was restored from", () => {
    const { kernel: _, ...rest } = WHOLE;
    expect(noteOf({ ...WHOLE, kernel: PICKED, saved: PICKED })).toEqual(rest);
  });

  it("cannot be without the image of a disk", () => {
    for (const disk of ["disk", "pmem"] as const) {
      const config = { ...WHOLE, [disk]: { name: "picked", base: PICKED } };
      expect(() => noteOf(config)).toThrow(/the image under disk “picked” is a file/);
    }
  });

  it("is refused if it is anything else", async () => {
    const wrong: unknown[] = [
      undefined,
      null,
      "a note",
      {},
      { append: "" },
      { ...WHOLE, ramMiB: "64" },
      { ...WHOLE, kernel: { kind: "file", file: {} } },
      { ...WHOLE, kernel: { kind: "url", url: "javascript:alert(1)" } },
      { ...WHOLE, kernel: null },
      { ...WHOLE, disk: { name: 1 } },
      { ...WHOLE, disk: { name: "a", other: 1 } },
      { ...WHOLE, virtio: [1] },
      { ...WHOLE, display: [] },
      { ...WHOLE, share: "virtiofs" },
      { ...WHOLE, display: { width: 1 } },
      { ...WHOLE, saved: URL_OF },
      { ...WHOLE, toString: 1 },
    ];
    for (const note of wrong) {
      await expect(read(note)).rejects.toThrow(LoadError);
      await expect(read(note)).rejects.toThrow("not saved by a page");
    }
  });
});
