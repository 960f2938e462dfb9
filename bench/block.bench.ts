/**
 * `npm run bench:block`: requests through the block device over a disk in memory, under Node. It plays
 * the driver as Linux is one: an indirect table for each request, EVENT_IDX, batches of a queue depth.
 */
import { GuestMemory } from "../src/memory/guest-memory.ts";
import { BlockDevice } from "../src/virtio/devices/block.ts";
import { BlockType } from "../src/virtio/devices/block-request.ts";
import { MemoryBlockBackend } from "../src/virtio/devices/memory-block-backend.ts";
import { bits, DescriptorFlag, Feature, Register, Status } from "../src/virtio/spec.ts";
import { VirtioTransport } from "../src/virtio/transport.ts";
import { median } from "./median.ts";

const RAM_BASE = 0x8000_0000;
const RAM_BYTES = 64 << 20;
const DISK_BYTES = 64 << 20;
const QUEUE_SIZE = 256;
const PAGE = 4096;

const RUNS = 5;
const RUN_MS = 250;

interface Load {
  readonly name: string;
  readonly type: number;
  /** Bytes of one request, in buffers of a page each. */
  readonly bytes: number;
  readonly depth: number;
  readonly random: boolean;
}

const LOADS: readonly Load[] = [
  { name: "read, sequential", type: BlockType.IN, bytes: 128 << 10, depth: 8, random: false },
  { name: "write, sequential", type: BlockType.OUT, bytes: 128 << 10, depth: 8, random: false },
  { name: "read, random", type: BlockType.IN, bytes: PAGE, depth: 32, random: true },
  { name: "write, random", type: BlockType.OUT, bytes: PAGE, depth: 32, random: true },
  { name: "read, random, alone", type: BlockType.IN, bytes: PAGE, depth: 1, random: true },
];

/** A driver with one queue whose requests are laid out once; only sectors change. */
class Driver {
  interrupts = 0;
  kicks = 0;
  requests = 0;
  readonly #load: Load;
  readonly #memory: GuestMemory;
  readonly #transport: VirtioTransport;
  readonly #avail: Uint16Array;
  readonly #used: Uint16Array;
  #next = 0;
  #position = 0;
  #random = 1;

  constructor(load: Load) {
    this.#load = load;
    const buffer = new ArrayBuffer(RAM_BYTES);
    this.#memory = new GuestMemory({ buffer }, [{ base: RAM_BASE, size: RAM_BYTES, offset: 0 }]);
    const image = new Uint8Array(DISK_BYTES).fill(0x5a);
    const device = new BlockDevice("blk0", new MemoryBlockBackend({ image }));
    const irq = { pulse: () => void this.interrupts++, setLevel: () => {} };
    this.#transport = new VirtioTransport({ device, memory: this.#memory, irq, trigger: "edge" });
    const avail = QUEUE_SIZE * 16;
    const used = avail + 0x1000;
    this.#avail = new Uint16Array(buffer, avail, 3 + QUEUE_SIZE);
    this.#used = new Uint16Array(buffer, used, 3 + 4 * QUEUE_SIZE);
    this.#start(avail, used);
    for (let slot = 0; slot < load.depth; slot++) this.#layOut(slot);
  }

  /** A full queue depth of requests, from kick to answer. */
  batch(): void {
    const { depth, bytes, random } = this.#load;
    const sectors = bytes / 512;
    for (let slot = 0; slot < depth; slot++) {
      // Numerical Recipes' generator: good enough to be anywhere.
      this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
      const places = DISK_BYTES / bytes;
      const place = random ? this.#random % places : this.#position++ % places;
      this.#memory.writeU32(this.#headerAt(slot) + 8, place * sectors);
      this.#avail[2 + ((this.#next + slot) % QUEUE_SIZE)] = slot;
    }
    const before = this.#next;
    this.#next = (this.#next + depth) & 0xffff;
    this.#avail[1] = this.#next;
    // As vring_need_event: the device asks for a kick at avail_event.
    const event = this.#used[2 + 4 * QUEUE_SIZE];
    if (((this.#next - event - 1) & 0xffff) < ((this.#next - before) & 0xffff)) {
      this.kicks++;
      this.#transport.write(Register.QueueNotify, 4, 0);
    }
    if (this.#used[1] !== this.#next) throw new Error("a request was not answered");
    if (this.#memory.readU8(this.#headerAt(depth - 1) + 16) !== 0) throw new Error("it failed");
    this.#avail[2 + QUEUE_SIZE] = this.#next;
    this.#transport.write(Register.InterruptACK, 4, 1);
    this.requests += depth;
  }

  #headerAt(slot: number): number {
    return RAM_BASE + 0x1_0000 + slot * 0x1000;
  }

  #layOut(slot: number): void {
    const { type, bytes } = this.#load;
    const header = this.#headerAt(slot);
    const table = header + 32;
    const isIn = type === BlockType.IN;
    this.#memory.writeU32(header, type);
    this.#describe(table, header, 16, DescriptorFlag.NEXT, 1);
    const pages = bytes / PAGE;
    for (let i = 0; i < pages; i++) {
      // Not neighbours: pages of a cache seldom are.
      const page = RAM_BASE + (1 << 20) + (slot * pages + i) * 2 * PAGE;
      const flags = DescriptorFlag.NEXT | (isIn ? DescriptorFlag.WRITE : 0);
      this.#describe(table + 16 * (i + 1), page, PAGE, flags, i + 2);
    }
    this.#describe(table + 16 * (pages + 1), header + 16, 1, DescriptorFlag.WRITE, 0);
    this.#describe(RAM_BASE + 16 * slot, table, 16 * (pages + 2), DescriptorFlag.INDIRECT, 0);
  }

  #describe(at: number, address: number, length: number, flags: number, next: number): void {
    this.#memory.writeU32(at, address);
    this.#memory.writeU32(at + 4, 0);
    this.#memory.writeU32(at + 8, length);
    this.#memory.writeU16(at + 12, flags);
    this.#memory.writeU16(at + 14, next);
  }

  #start(avail: number, used: number): void {
    const write = (register: number, value: number) => this.#transport.write(register, 4, value);
    const features = bits(Feature.INDIRECT_DESC, Feature.EVENT_IDX, Feature.VERSION_1, 9);
    write(Register.Status, Status.ACKNOWLEDGE);
    write(Register.Status, Status.ACKNOWLEDGE | Status.DRIVER);
    for (const word of [0, 1]) {
      write(Register.DriverFeaturesSel, word);
      write(Register.DriverFeatures, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    const accepted = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK;
    write(Register.Status, accepted);
    write(Register.QueueNum, QUEUE_SIZE);
    write(Register.QueueDescLow, RAM_BASE);
    write(Register.QueueDriverLow, RAM_BASE + avail);
    write(Register.QueueDeviceLow, RAM_BASE + used);
    write(Register.QueueReady, 1);
    write(Register.Status, accepted | Status.DRIVER_OK);
  }
}

function measure(load: Load): { perSecond: number; kicks: number; interrupts: number } {
  const driver = new Driver(load);
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const before = driver.requests;
    const start = performance.now();
    while (performance.now() - start < RUN_MS) for (let i = 0; i < 20; i++) driver.batch();
    rates.push(((driver.requests - before) * 1000) / (performance.now() - start));
  }
  const { requests, kicks, interrupts } = driver;
  return { perSecond: median(rates), kicks: kicks / requests, interrupts: interrupts / requests };
}

console.log("request               bytes  depth   requests/s      MB/s  kicks/req  irqs/req");
for (const load of LOADS) {
  const { perSecond, kicks, interrupts } = measure(load);
  const cells = [
    load.name.padEnd(20),
    String(load.bytes).padStart(6),
    String(load.depth).padStart(6),
    perSecond.toFixed(0).padStart(12),
    ((perSecond * load.bytes) / 1e6).toFixed(0).padStart(9),
    kicks.toFixed(3).padStart(10),
    interrupts.toFixed(3).padStart(9),
  ];
  console.log(cells.join(" "));
}
