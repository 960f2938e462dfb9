import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { VirtioDevice } from "./device.ts";
import { BalloonDevice } from "./devices/balloon.ts";
import { BlockDevice } from "./devices/block.ts";
import { ConsoleDevice } from "./devices/console.ts";
import { EntropyDevice } from "./devices/entropy.ts";
import { GpuDevice } from "./devices/gpu.ts";
import { MemoryBlockBackend } from "./devices/memory-block-backend.ts";
import { NetDevice } from "./devices/net.ts";
import { VsockDevice } from "./devices/vsock.ts";
import { VsockType } from "./devices/vsock-packet.ts";
import { DescriptorFlag, Status } from "./spec.ts";
import { RAM_BASE, TestDriver } from "./testing/driver.ts";
import { PackedDriverQueue } from "./testing/packed-driver-queue.ts";
import { SplitDriverQueue } from "./testing/split-driver-queue.ts";
import { TestDisplay } from "./testing/test-display.ts";

const RAM_SIZE = 0x2_0000;
const QUEUE_SIZE = 16;

/** Where the buffers of the tests are; nothing else in RAM may change but what the device owns. */
const DATA = RAM_BASE + 0x1_0000;
const DATA_SIZE = 0x8000;

/** Below the buffers, so that no request rewrites a table and thereby moves what it may write. */
const TABLES = RAM_BASE + 0x8000;

/** Every device with a backend that has something to give. */
const DEVICES: Record<string, () => { device: VirtioDevice; stir: () => void }> = {
  block: () => {
    const image = new Uint8Array(64 * 512).fill(0xbb);
    return { device: new BlockDevice("blk0", new MemoryBlockBackend({ image })), stir: () => {} };
  },
  console: () => {
    const device = new ConsoleDevice("console", { write: () => true });
    return { device, stir: () => void device.input(new Uint8Array(100).fill(0xcc)) };
  },
  "console with ports": () => {
    const device = new ConsoleDevice("console", { write: () => true }, { ports: 2 });
    const port = device.addPort("port", { write: () => true });
    const stir = () => {
      port.open();
      port.input(new Uint8Array(100).fill(0xcc));
      device.resize(80, 24);
    };
    return { device, stir };
  },
  net: () => {
    const mac = new Uint8Array(6);
    const device = new NetDevice("net0", { takesPackets: false, send: () => true }, { mac });
    return { device, stir: () => device.receive(new Uint8Array(200).fill(0xee)) };
  },
  gpu: () => {
    const device = new GpuDevice("gpu0", new TestDisplay(), { width: 640, height: 480 });
    return { device, stir: () => device.resize({ width: 800, height: 600 }) };
  },
  balloon: () => ({ device: new BalloonDevice("balloon0"), stir: () => {} }),

  vsock: () => {
    const device = new VsockDevice("vsock0");
    const handler = { readable: () => {}, writable: () => {}, closed: () => {} };
    device.listen(0, VsockType.STREAM, () => handler);
    const stir = () => {
      const connection = device.connect(1, VsockType.STREAM, handler);
      connection.send(new Uint8Array(100).fill(0xff));
    };
    return { device, stir };
  },
  entropy: () => {
    const device = new EntropyDevice("rng", { fill: (bytes) => void bytes.fill(0xdd) });
    return { device, stir: () => {} };
  },
};

interface Piece {
  readonly address: number;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

const NOTHING: Piece = { address: 0, length: 0, flags: 0, next: 0 };

const address = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: DATA, max: DATA + DATA_SIZE - 1 }) },
  fc.constantFrom(0, RAM_BASE - 1, RAM_BASE + RAM_SIZE - 8, 2 ** 32, 2 ** 63),
);
const length = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(1, 2, 12, 16, 20, 512, 513, 4096) },
  fc.constantFrom(0, 0x1_0000, 0xffff_ffff),
);
const flags = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 2, 3) },
  fc.integer({ min: 0, max: 7 }),
);
const piece: fc.Arbitrary<Piece> = fc.record({
  address,
  length,
  flags,
  next: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: QUEUE_SIZE - 1 }) },
    fc.constantFrom(QUEUE_SIZE, 0xffff),
  ),
});

const scenario = fc.record({
  table: fc.array(piece, { minLength: 1, maxLength: QUEUE_SIZE }),
  tables: fc.array(fc.array(piece, { minLength: 1, maxLength: 4 }), { maxLength: 3 }),
  heads: fc.array(fc.integer({ min: 0, max: QUEUE_SIZE }), { minLength: 1, maxLength: 24 }),
  /** Starts data with a plausible request header. */
  header: fc.constantFrom(0, 1, 4, 8, 10, 11, 13, 14, 0x100, 0x101, 0x10a, 0x300),
  queue: fc.nat(2),
  indirectAt: fc.nat(QUEUE_SIZE - 1),
});

/** The bytes that `pieces` let the device write, following no links: all of them together. */
function allowWrites(allowed: Uint8Array, pieces: readonly Piece[]): void {
  for (const { address, length, flags } of pieces) {
    const start = address - RAM_BASE;
    const inside = start >= 0 && start + length <= RAM_SIZE;
    if (inside && (flags & DescriptorFlag.WRITE) !== 0) allowed.fill(1, start, start + length);
  }
}

function allowRange(allowed: Uint8Array, gpa: number, size: number): void {
  allowed.fill(1, gpa - RAM_BASE, gpa - RAM_BASE + size);
}

describe.each(["split", "packed"] as const)("corrupt chains in a %s queue", (layout) => {
  it.each(Object.keys(DEVICES))("never make the %s device write elsewhere", (name) => {
    fc.assert(
      fc.property(scenario, ({ table, tables, heads, header, queue: wanted, indirectAt }) => {
        const { device, stir } = DEVICES[name]();
        const driver = new TestDriver(device, { packed: layout === "packed", ramSize: RAM_SIZE });
        driver.start({ queueSize: QUEUE_SIZE });
        const queue = driver.queues[wanted % driver.queues.length];
        driver.memory.writeU32(DATA, header);
        const allowed = new Uint8Array(RAM_SIZE);
        allowWrites(allowed, table);
        const pieces = [...table];
        for (const [i, entries] of tables.entries()) {
          const at = TABLES + 0x1000 * i;
          for (const [j, entry] of entries.entries()) {
            if (queue instanceof SplitDriverQueue) queue.setDescriptor(j, entry, at);
            else if (queue instanceof PackedDriverQueue) queue.setDescriptor(j, entry, at);
          }
          allowWrites(allowed, entries);
          const place = (indirectAt + i) % QUEUE_SIZE;
          const size = 16 * entries.length;
          pieces[place] = { address: at, length: size, flags: DescriptorFlag.INDIRECT, next: 0 };
        }
        let offered = 0;
        if (queue instanceof SplitDriverQueue) {
          for (const [i, entry] of pieces.entries()) {
            if (entry !== undefined) queue.setDescriptor(i, entry);
          }
        }
        const before = driver.bytesAt(RAM_BASE, RAM_SIZE);
        allowRange(allowed, queue.avail, 6 + 2 * QUEUE_SIZE);
        allowRange(allowed, queue.used, 6 + 8 * QUEUE_SIZE);
        if (layout === "packed") allowRange(allowed, queue.desc, 16 * QUEUE_SIZE);
        for (const other of driver.queues) allowRange(allowed, other.used, 4);
        const used: number[] = [];
        for (const head of heads) {
          if (queue instanceof SplitDriverQueue) queue.offer(head);
          else if (queue instanceof PackedDriverQueue) {
            queue.offer({ ...(pieces[head] ?? NOTHING), id: offered });
          }
          offered++;
          stir();
          queue.kick();
          used.push(...queue.poll().map(({ id }) => id));
        }
        expect(used.length).toBeLessThanOrEqual(offered);
        if (layout === "packed") expect(new Set(used).size).toBe(used.length);
        const after = driver.bytesAt(RAM_BASE, RAM_SIZE);
        const stray = after.findIndex((byte, i) => byte !== before[i] && allowed[i] === 0);
        expect(stray).toBe(-1);
        expect(driver.guardsIntact()).toBe(true);
        driver.start({ queueSize: QUEUE_SIZE });
        expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

/** A ring that lies in the very buffers that the device fills. */
describe("a ring inside its own buffers", () => {
  const bytes = fc.uint8Array({ minLength: 512, maxLength: 512 });
  it("ends in bounded time and harms nobody else", () => {
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 8 }), fc.nat(400), (sectors, at) => {
        const image = Uint8Array.from(sectors.flatMap((sector) => [...sector]));
        const device = new BlockDevice("blk0", new MemoryBlockBackend({ image }));
        const driver = new TestDriver(device).start({ queueSize: QUEUE_SIZE });
        const [queue] = driver.splitQueues;
        const head = driver.allocate(16);
        const status = driver.allocate(1);
        for (let i = 0; i + 2 < QUEUE_SIZE; i += 3) {
          const target = Math.max(RAM_BASE, queue.avail - at);
          queue.setDescriptor(i, { address: head, length: 16, flags: 1, next: i + 1 });
          queue.setDescriptor(i + 1, { address: target, length: 512, flags: 3, next: i + 2 });
          queue.setDescriptor(i + 2, { address: status, length: 1, flags: 2 });
          queue.offer(i);
        }
        queue.kick();
        const { chains } = driver.transport.inspect().queues[0];
        expect(chains).toBeLessThanOrEqual(3 * QUEUE_SIZE);
        expect(driver.guardsIntact()).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
