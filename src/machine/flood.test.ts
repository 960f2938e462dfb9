/** Guests that flood a device in a tight loop: slices end on time, and other devices are served. */
import { describe, expect, it } from "vitest";
import { BlockDevice } from "../virtio/devices/block.ts";
import { EntropyDevice } from "../virtio/devices/entropy.ts";
import { MemoryBlockBackend } from "../virtio/devices/memory-block-backend.ts";
import { Register, Status } from "../virtio/spec.ts";
import { Machine } from "./machine.ts";
import { elfFile } from "./testing/elf-file.ts";
import { assemble, type Instruction, li } from "./testing/program.ts";

const MIB = 1024 * 1024;
const BASE = 0x8000_0000;
const SLICE_MS = 8;

/** A loaded test host may take its time; without a bound a single slice took more than a minute. */
const SLICE_LIMIT_MS = 2000;

const RINGS = BASE + 4 * MIB;
const ENTROPY_RINGS = BASE + 5 * MIB;
const TABLES = BASE + 6 * MIB;
const DATA = BASE + 8 * MIB;
const DATA_LENGTH = 32 * MIB;
const QUEUE_SIZE = 256;
const DISK = 0x0f00_0000;
const ENTROPY = 0x0f00_1000;

const ADDRESS = 5;
const INDEX = 6;
const POINTER = 7;
const VALUE = 28;

/** A machine with a disk and entropy, whose rings the test has set up before the guest runs. */
function create(loop: readonly Instruction[]) {
  const machine = new Machine({
    clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
    entropy: (bytes) => bytes.fill(0x33),
    ramBytes: 64 * MIB,
  });
  const image = new Uint8Array(DATA_LENGTH);
  machine.attach(new BlockDevice("blk0", new MemoryBlockBackend({ image })));
  machine.attach(new EntropyDevice("rng0", { fill: (bytes) => void bytes.fill(1) }));
  // Runs for ever: the last instruction jumps back over the others of the loop.
  const setUp = [
    ...li(ADDRESS, DISK),
    ...li(POINTER, RINGS + 0x1_0000 - 0x8000_0000),
    ["addi", { rd: VALUE, rs1: 0, imm: 1 }] as const,
    ["slli", { rd: VALUE, rs1: VALUE, shamt: 31 }] as const,
    ["add", { rd: POINTER, rs1: POINTER, rs2: VALUE }] as const,
    ["addi", { rd: INDEX, rs1: 0, imm: 0 }] as const,
  ];
  const back: Instruction = ["jal", { rd: 0, imm: -4 * loop.length }];
  const data = assemble([...setUp, ...loop, back]);
  machine.boot({ firmware: elfFile({ address: BASE, data, size: data.length }) });
  startQueue(machine, DISK, RINGS);
  startQueue(machine, ENTROPY, ENTROPY_RINGS);
  return machine;
}

function startQueue(machine: Machine, slot: number, rings: number): void {
  const base = machine.profile.virtio.base;
  const write = (register: number, value: number) =>
    machine.slots.write(slot - base + register, 4, value);
  write(Register.Status, 0);
  for (const status of [Status.ACKNOWLEDGE, Status.DRIVER]) write(Register.Status, status);
  write(Register.DriverFeatures, 1 << 28);
  write(Register.Status, Status.FEATURES_OK | Status.DRIVER);
  write(Register.QueueNum, slot === DISK ? QUEUE_SIZE : 1);
  write(Register.QueueDescLow, rings);
  write(Register.QueueDriverLow, rings + 0x1_0000);
  write(Register.QueueDeviceLow, rings + 0x2_0000);
  write(Register.QueueReady, 1);
  write(Register.Status, Status.DRIVER_OK);
}

/** Every head reads the whole disk, 32 MiB, by a table of its own. */
function offerReads({ memory }: Machine): void {
  memory.writeU32(DATA - 16, 0);
  for (let head = 0; head < QUEUE_SIZE; head++) {
    const table = TABLES + 64 * head;
    const entries = [
      [DATA - 16, 16, 1],
      [DATA, DATA_LENGTH, 3],
      [DATA - 32, 1, 2],
    ];
    for (const [i, [address, length, flags]] of entries.entries()) {
      memory.writeU32(table + 16 * i, address);
      memory.writeU32(table + 16 * i + 8, length);
      memory.writeU16(table + 16 * i + 12, flags);
      memory.writeU16(table + 16 * i + 14, i + 1);
    }
    memory.writeU32(RINGS + 16 * head, table);
    memory.writeU32(RINGS + 16 * head + 8, 48);
    memory.writeU16(RINGS + 16 * head + 12, 4);
    memory.writeU16(RINGS + 0x1_0000 + 4 + 2 * head, head);
  }
}

/** The entropy device is asked for one byte. */
function askForEntropy(machine: Machine): void {
  const { memory } = machine;
  memory.writeU32(ENTROPY_RINGS, DATA - 64);
  memory.writeU32(ENTROPY_RINGS + 8, 1);
  memory.writeU16(ENTROPY_RINGS + 12, 2);
  memory.writeU16(ENTROPY_RINGS + 0x1_0002, 1);
  machine.slots.write(ENTROPY - machine.profile.virtio.base + Register.QueueNotify, 4, 0);
}

function longestSlice(machine: Machine, count: number): number {
  const times = Array.from({ length: count }, () => {
    const start = performance.now();
    expect(machine.runSlice(SLICE_MS)).toBe("running");
    return performance.now() - start;
  });
  return Math.max(...times);
}

const notify: Instruction = ["sw", { rs1: ADDRESS, rs2: 0, imm: Register.QueueNotify }];
const showMore: Instruction[] = [
  ["addi", { rd: INDEX, rs1: INDEX, imm: QUEUE_SIZE }],
  ["sh", { rs1: POINTER, rs2: INDEX, imm: 2 }],
];

const FLOODS: Record<string, readonly Instruction[]> = {
  "kicks for 8 GiB of reads at a time": [...showMore, notify],
  "kicks an empty queue": [notify],
  "resets the device": [["sw", { rs1: ADDRESS, rs2: 0, imm: Register.Status }]],
  "writes registers": [["sw", { rs1: ADDRESS, rs2: INDEX, imm: Register.QueueSel }]],
};

describe("a guest in a tight loop", () => {
  it.each(Object.keys(FLOODS))("that %s does not keep the host waiting", (name) => {
    const machine = create(FLOODS[name]);
    offerReads(machine);
    expect(longestSlice(machine, 20)).toBeLessThan(SLICE_LIMIT_MS);
    askForEntropy(machine);
    expect(longestSlice(machine, 5)).toBeLessThan(SLICE_LIMIT_MS);
    expect(machine.memory.readU16(ENTROPY_RINGS + 0x2_0002)).toBe(1);
    expect(machine.inspect().instructions).toBeGreaterThan(1000);
    if (name.includes("reads")) {
      const { device } = machine.inspect().slots[0].device;
      expect(device.bytesRead).toBeGreaterThan(0);
    }
  });
});
