import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Status } from "../spec.ts";
import { RAM_BASE } from "../testing/driver.ts";
import { GpuDriver, request, u64 } from "../testing/gpu-driver.ts";
import { GpuCommand, GpuResponse } from "./gpu-protocol.ts";
import {
  GPU_BACKING_ENTRIES_MAX,
  GPU_BYTES_MAX,
  GPU_RESOURCE_BYTES_MAX,
  GPU_RESOURCES_MAX,
} from "./gpu-resource.ts";

const {
  OK_NODATA,
  ERR_UNSPEC,
  ERR_OUT_OF_MEMORY,
  ERR_INVALID_SCANOUT_ID,
  ERR_INVALID_RESOURCE_ID,
  ERR_INVALID_PARAMETER,
} = GpuResponse;
const BIG = 0xffff_ffff;

const LAYOUTS = [
  ["split", false],
  ["packed", true],
] as const;

describe.each(LAYOUTS)("through a %s queue", (_layout, packed) => {
  /** With resource 1: 8 by 4 pixels, its memory attached. */
  function create() {
    const gpu = new GpuDriver({ packed });
    gpu.create(1, 1, 8, 4);
    gpu.attach(1, [gpu.picture, 8 * 4 * 4]);
    return gpu;
  }

  const badRects = [
    [0, 0, 9, 1],
    [0, 0, 1, 5],
    [8, 0, 1, 1],
    [0, 4, 1, 1],
    [1, 0, 8, 1],
    [0, 0, 0, 1],
    [0, 0, 1, 0],
    [BIG, 0, 2, 1],
    [0, BIG, 1, 2],
    [1, 1, BIG, BIG],
    [0x8000_0000, 0, 0x8000_0000, 1],
    [BIG, BIG, BIG, BIG],
  ];

  it.each(badRects)("refuses the rectangle %i, %i, %i, %i", (...rect) => {
    const gpu = create();
    expect(gpu.transfer(1, rect)).toBe(ERR_INVALID_PARAMETER);
    expect(gpu.flush(1, rect)).toBe(ERR_INVALID_PARAMETER);
    expect(gpu.scanout(1, rect)).toBe(ERR_INVALID_PARAMETER);
    expect(gpu.display.frame).toBeUndefined();
  });

  it.each([1, 4, 128, BIG, 2 ** 32, 2 ** 53, 2 ** 64 - 2 ** 12])(
    "refuses to read a whole picture from byte %i of its memory",
    (offset) => {
      const gpu = create();
      expect(gpu.transfer(1, [0, 0, 8, 4], offset)).toBe(ERR_INVALID_PARAMETER);
    },
  );

  it("knows no other resources than those created", () => {
    const gpu = create();
    for (const id of [0, 2, BIG]) {
      expect(gpu.transfer(id, [0, 0, 1, 1])).toBe(ERR_INVALID_RESOURCE_ID);
      expect(gpu.flush(id, [0, 0, 1, 1])).toBe(ERR_INVALID_RESOURCE_ID);
      expect(gpu.attach(id, [gpu.picture, 4])).toBe(ERR_INVALID_RESOURCE_ID);
      expect(gpu.run(GpuCommand.RESOURCE_DETACH_BACKING, id, 0)).toBe(ERR_INVALID_RESOURCE_ID);
      expect(gpu.run(GpuCommand.RESOURCE_UNREF, id, 0)).toBe(ERR_INVALID_RESOURCE_ID);
      if (id !== 0) expect(gpu.scanout(id, [0, 0, 1, 1])).toBe(ERR_INVALID_RESOURCE_ID);
    }
    expect(gpu.create(0, 1, 1, 1)).toBe(ERR_INVALID_RESOURCE_ID);
    expect(gpu.create(1, 1, 1, 1)).toBe(ERR_INVALID_RESOURCE_ID);
    expect(gpu.run(GpuCommand.RESOURCE_UNREF, 1, 0)).toBe(OK_NODATA);
    expect(gpu.transfer(1, [0, 0, 1, 1])).toBe(ERR_INVALID_RESOURCE_ID);
  });

  it("makes no resource of an impossible size or format", () => {
    const gpu = create();
    expect(gpu.create(2, 1, 0, 1)).toBe(ERR_INVALID_PARAMETER);
    expect(gpu.create(2, 1, 1, 0)).toBe(ERR_INVALID_PARAMETER);
    for (const format of [0, 5, 66, BIG]) {
      expect(gpu.create(2, format, 1, 1)).toBe(ERR_INVALID_PARAMETER);
    }
    const pixels = GPU_RESOURCE_BYTES_MAX / 4;
    for (const [width, height] of [
      [BIG, BIG],
      [1, BIG],
      [0x1_0000, 0x1_0000],
      [pixels + 1, 1],
      [1, pixels + 1],
    ]) {
      expect(gpu.create(2, 1, width, height)).toBe(ERR_OUT_OF_MEMORY);
    }
  });

  it("takes no list of memory that is not RAM", () => {
    const gpu = new GpuDriver({ packed });
    gpu.create(1, 1, 8, 4);
    const end = RAM_BASE + gpu.driver.ramSize;
    for (const run of [
      [0, 4],
      [RAM_BASE - 1, 4],
      [end - 3, 4],
      [end, 1],
      [gpu.picture, BIG],
      [2 ** 64 - 4096, 4096],
      [2 ** 63, 1],
      [2 ** 32, 1],
    ] as const) {
      expect(gpu.attach(1, [gpu.picture, 128], run)).toBe(ERR_INVALID_PARAMETER);
      expect(gpu.transfer(1, [0, 0, 1, 1])).toBe(ERR_INVALID_PARAMETER);
    }
    expect(gpu.attach(1, [gpu.picture, 128])).toBe(OK_NODATA);
  });

  it("takes no list that is longer than it says, too long, or a second one", () => {
    const gpu = new GpuDriver({ packed });
    gpu.create(1, 1, 8, 4);
    const { RESOURCE_ATTACH_BACKING, RESOURCE_DETACH_BACKING } = GpuCommand;
    expect(gpu.run(RESOURCE_ATTACH_BACKING, 1, 1)).toBe(ERR_INVALID_PARAMETER);
    const entry = [...u64(gpu.picture), 64, 0];
    expect(gpu.run(RESOURCE_ATTACH_BACKING, 1, 2, ...entry)).toBe(ERR_INVALID_PARAMETER);
    for (const count of [GPU_BACKING_ENTRIES_MAX + 1, 4_000_000, BIG]) {
      expect(gpu.run(RESOURCE_ATTACH_BACKING, 1, count, ...entry)).toBe(ERR_UNSPEC);
    }
    expect(gpu.run(RESOURCE_DETACH_BACKING, 1, 0)).toBe(ERR_UNSPEC);
    expect(gpu.attach(1, [gpu.picture, 64])).toBe(OK_NODATA);
    expect(gpu.attach(1, [gpu.picture, 64])).toBe(ERR_UNSPEC);
    // Two rows of memory for four rows of pixels.
    expect(gpu.transfer(1, [0, 0, 8, 2])).toBe(OK_NODATA);
    expect(gpu.transfer(1, [0, 0, 8, 3])).toBe(ERR_INVALID_PARAMETER);
    expect(gpu.transfer(1, [0, 2, 8, 2])).toBe(OK_NODATA);
    expect(gpu.run(RESOURCE_DETACH_BACKING, 1, 0)).toBe(OK_NODATA);
    expect(gpu.transfer(1, [0, 0, 1, 1])).toBe(ERR_INVALID_PARAMETER);
  });

  it("has one scanout", () => {
    const gpu = create();
    for (const scanout of [1, 16, BIG]) {
      expect(gpu.scanout(1, [0, 0, 8, 4], scanout)).toBe(ERR_INVALID_SCANOUT_ID);
      expect(gpu.run(GpuCommand.GET_EDID, scanout, 0)).not.toBe(GpuResponse.OK_EDID);
      gpu.cursor(GpuCommand.MOVE_CURSOR, scanout, 3, 3, 0, 0, 0, 0, 0);
    }
    expect(gpu.display.cursorAt).toEqual([0, 0]);
  });

  it("takes cursors of 64 by 64 pixels only", () => {
    const gpu = create();
    gpu.create(2, 1, 64, 63);
    for (const id of [1, 2, 3, BIG]) {
      gpu.cursor(GpuCommand.UPDATE_CURSOR, 0, 3, 3, 0, id, 0, 0, 0);
    }
    expect(gpu.display.cursor).toBeUndefined();
    expect(gpu.display.cursorAt).toEqual([0, 0]);
  });

  it("answers what is unknown or too short, and completes what has no room for an answer", () => {
    const gpu = create();
    for (const command of [0, 0x0108, 0x0109, 0x010b, 0x010c, 0x0200, 0x0302, BIG]) {
      expect(gpu.run(command, 0, 0, 0, 0)).toBe(ERR_UNSPEC);
    }
    const { RESOURCE_FLUSH, GET_DISPLAY_INFO, RESOURCE_UNREF } = GpuCommand;
    expect(gpu.run(RESOURCE_FLUSH, 0, 0, 1, 1, 1)).toBe(ERR_UNSPEC);
    expect(gpu.run(GET_DISPLAY_INFO)).toBe(ERR_UNSPEC);
    expect(gpu.sendBytes(new Uint8Array(23)).byteLength).toBe(0);
    for (const room of [0, 1, 23]) {
      expect(gpu.send(RESOURCE_UNREF, [1, 0], room).byteLength).toBe(0);
    }
    // Nothing was done without a way to say so.
    expect(gpu.flush(1, [0, 0, 1, 1])).toBe(OK_NODATA);
  });
});

describe("limits", () => {
  it("are kept for the number of resources", () => {
    const gpu = new GpuDriver({ ramSize: 0x80_0000 });
    for (let id = 1; id <= GPU_RESOURCES_MAX; id++) expect(gpu.create(id, 1, 1, 1)).toBe(OK_NODATA);
    expect(gpu.create(BIG, 1, 1, 1)).toBe(ERR_OUT_OF_MEMORY);
    gpu.run(GpuCommand.RESOURCE_UNREF, 5, 0);
    expect(gpu.create(BIG, 1, 1, 1)).toBe(OK_NODATA);
  });

  it("are kept for the bytes of all resources and lists", () => {
    const gpu = new GpuDriver();
    const each = GPU_RESOURCE_BYTES_MAX / 4;
    let id = 1;
    for (let bytes = 0; bytes < GPU_BYTES_MAX; bytes += GPU_RESOURCE_BYTES_MAX) {
      const queue = gpu.driver.queues[0];
      queue.add([request(GpuCommand.RESOURCE_CREATE_2D, [id++, 1, each, 1])], [24]);
      queue.kick();
      gpu.display.deferred.shift()?.();
      expect(queue.poll()).toHaveLength(1);
    }
    expect(gpu.device.counters()).toMatchObject({ resourceBytes: GPU_BYTES_MAX, errors: 0 });
    expect(gpu.create(id, 1, 1, 1)).toBe(ERR_OUT_OF_MEMORY);
    expect(gpu.attach(1, [gpu.picture, 4])).toBe(ERR_OUT_OF_MEMORY);
    gpu.run(GpuCommand.RESOURCE_UNREF, 1, 0);
    expect(gpu.create(id, 1, 1, 1)).toBe(OK_NODATA);
    expect(gpu.attach(2, [gpu.picture, 4])).toBe(OK_NODATA);
  });
});

describe.each(LAYOUTS)("random commands through a %s queue", (_layout, packed) => {
  const id = fc.constantFrom(0, 1, 2, 3, BIG);
  const size = fc.oneof(fc.integer({ min: 0, max: 65 }), fc.constantFrom(BIG, 0x8000_0000));
  const rect = fc.tuple(size, size, size, size);
  const near = fc.constantFrom(RAM_BASE - 1, RAM_BASE, RAM_BASE + 0x10_0001, RAM_BASE + 0x1f_fffe);
  const run = fc.tuple(near, fc.constantFrom(0, 1, 2, 3, 4, 4096, BIG));
  const offset = fc.oneof(fc.nat(300), fc.constantFrom(2 ** 32, 2 ** 63));
  const action = fc.oneof(
    fc.record({
      kind: fc.constant("create" as const),
      id,
      format: fc.constantFrom(1, 2, 67, 9),
      rect,
    }),
    fc.record({ kind: fc.constant("attach" as const), id, runs: fc.array(run, { maxLength: 5 }) }),
    fc.record({ kind: fc.constant("transfer" as const), id, rect, offset }),
    fc.record({ kind: fc.constant("scanout" as const), id, rect }),
    fc.record({ kind: fc.constant("flush" as const), id, rect }),
    fc.record({ kind: fc.constant("unref" as const), id }),
    fc.record({ kind: fc.constant("cursor" as const), id, rect }),
  );

  it("leave the device alive and the host's memory alone", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const gpu = new GpuDriver({ packed });
        for (const action of actions) {
          if (action.kind === "create") {
            gpu.create(action.id, action.format, action.rect[2], action.rect[3]);
          } else if (action.kind === "attach") gpu.attach(action.id, ...action.runs);
          else if (action.kind === "transfer") gpu.transfer(action.id, action.rect, action.offset);
          else if (action.kind === "scanout") gpu.scanout(action.id, action.rect);
          else if (action.kind === "flush") gpu.flush(action.id, action.rect);
          else if (action.kind === "unref") gpu.run(GpuCommand.RESOURCE_UNREF, action.id, 0);
          else gpu.cursor(GpuCommand.UPDATE_CURSOR, 0, ...action.rect.slice(1), action.id, 1, 1, 0);
        }
        const { frame, presented } = gpu.display;
        if (frame !== undefined) {
          const rows = frame.pixels.length / 4 / frame.stride;
          expect(frame.x + frame.width).toBeLessThanOrEqual(frame.stride);
          expect(frame.y + frame.height).toBeLessThanOrEqual(rows);
        }
        for (const part of presented) expect(Math.min(...part)).toBeGreaterThanOrEqual(0);
        expect(gpu.driver.guardsIntact()).toBe(true);
        expect(gpu.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
