import { describe, expect, it } from "vitest";
import { GuestMemory } from "../memory/guest-memory.ts";
import { LoadError } from "./load-error.ts";
import { type LoadRequest, load, TOP_LIMIT } from "./loader.ts";
import { elfFile } from "./testing/elf-file.ts";

const BASE = 0x8000_0000;
const MIB = 1024 * 1024;

function ram(mib = 32): GuestMemory {
  const size = mib * MIB;
  return new GuestMemory({ buffer: new ArrayBuffer(size) }, [{ base: BASE, size, offset: 0 }]);
}

/** A Linux Image: header, then a byte pattern up to `length`. */
function image(length: number, imageSize: number, textOffset = 0x20_0000): Uint8Array {
  const file = new Uint8Array(length).fill(0xab);
  const data = new DataView(file.buffer);
  data.setBigUint64(8, BigInt(textOffset), true);
  data.setBigUint64(16, BigInt(imageSize), true);
  file.set(new TextEncoder().encode("RISCV\0\0\0RSC\x05"), 0x30);
  return file;
}

const DTB = new Uint8Array(100).fill(0xdd);
const deviceTree = () => DTB;
const run = (request: Partial<LoadRequest>, memory = ram()) =>
  load(memory, { deviceTree, ...request });

function refusal(request: Partial<LoadRequest>, memory = ram()): string {
  try {
    run(request, memory);
  } catch (error) {
    if (error instanceof LoadError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("a Linux Image", () => {
  it("starts in S-mode at its text offset", () => {
    const memory = ram();
    const result = run({ kernel: image(1000, 3 * MIB) }, memory);
    expect(result).toMatchObject({ pc: BASE + 0x20_0000, mode: "S", dynamicInfo: 0 });
    expect(memory.readU8(BASE + 0x20_0000 + 999)).toBe(0xab);
    expect(result.parts[0]).toEqual({ what: "kernel", base: BASE + 0x20_0000, size: 3 * MIB });
    expect(memory.readU8(result.deviceTree)).toBe(0xdd);
  });

  it("has the initramfs at the top, page-aligned, clear of the kernel's zeroed data", () => {
    const memory = ram();
    let told: unknown;
    const result = run(
      {
        kernel: image(1000, 25 * MIB),
        initrd: new Uint8Array(3 * MIB + 5).fill(0x11),
        deviceTree: (initrd) => {
          told = initrd;
          return DTB;
        },
      },
      memory,
    );
    const initrd = result.parts.find((part) => part.what === "initramfs")!;
    expect(told).toEqual({ base: initrd.base, size: initrd.size });
    expect(initrd).toMatchObject({ base: BASE + 32 * MIB - 3 * MIB - 4096, size: 3 * MIB + 5 });
    expect(result.deviceTree).toBe(initrd.base - 4096);
    expect(memory.readU8(initrd.base + initrd.size - 1)).toBe(0x11);
  });

  it("is refused where it does not fit, by the size it will have in memory", () => {
    expect(refusal({ kernel: image(1000, 31 * MIB) })).toMatch(/kernel does not fit.*33 MiB/);
    const initrd = new Uint8Array(3 * MIB);
    expect(refusal({ kernel: image(1000, 28 * MIB), initrd })).toMatch(/initramfs does not fit/);
  });

  it("goes 2 MiB up after firmware, which gets the address of the next stage", () => {
    const memory = ram();
    const firmware = new Uint8Array(1000).fill(0xfe);
    const result = run({ firmware, kernel: image(1000, MIB) }, memory);
    expect(result).toMatchObject({ pc: BASE, mode: "M" });
    expect(memory.readU8(BASE)).toBe(0xfe);
    expect(memory.readU8(BASE + 0x20_0000 + 999)).toBe(0xab);
    const info = [0, 8, 16, 24, 32, 40].map((at) => memory.readU64(result.dynamicInfo + at));
    expect(info).toEqual([0x4942_534f, 2, BASE + 0x20_0000, 1, 0, 0]);
  });
});

it("keeps initramfs and device tree in the first GiB", () => {
  const size = 2048 * MIB;
  const written: number[] = [];
  const memory = {
    regions: [{ base: BASE, size, offset: 0 }],
    writable: (_gpa: number, length: number) => new Uint8Array(length),
    write: (gpa: number) => written.push(gpa),
  } as unknown as GuestMemory;
  run({ kernel: image(1000, MIB), initrd: new Uint8Array(4096) }, memory);
  expect(written).toEqual([BASE + TOP_LIMIT - 4096, BASE + TOP_LIMIT - 8192]);
});

describe("an ELF file", () => {
  const code = Uint8Array.of(1, 2, 3, 4);

  it("linked at the start of RAM is machine-mode software", () => {
    const memory = ram();
    memory.write(BASE, new Uint8Array(64).fill(0xff));
    const kernel = elfFile({ address: BASE, data: code, size: 32, symbols: { tohost: BASE + 16 } });
    const result = run({ kernel }, memory);
    expect(result).toMatchObject({ pc: BASE, mode: "M", tohost: BASE + 16 });
    const bytes = memory.view(BASE, 33)!;
    expect([...bytes]).toEqual([1, 2, 3, 4, ...new Array(28).fill(0), 0xff]);
  });

  it("linked above it is a kernel, and firmware may be ELF too", () => {
    const kernel = elfFile({ address: BASE + 0x20_0000, data: code, size: 4 });
    expect(run({ kernel })).toMatchObject({ pc: BASE + 0x20_0000, mode: "S" });
    const firmware = elfFile({ address: BASE, data: code, size: 4 });
    expect(run({ firmware, kernel })).toMatchObject({ pc: BASE, mode: "M" });
  });

  it("translates a virtual entry point and symbols to where the segment is loaded", () => {
    const address = BASE + 0x20_0000;
    const virtual = 0xffff_ffff_8000_0000n;
    const kernel = elfFile({ address, virtual, data: code, size: 32, symbols: { tohost: 16 } });
    expect(run({ kernel })).toMatchObject({ pc: address, tohost: address + 16 });
  });

  it("is refused outside RAM, for another machine, damaged, or on top of the firmware", () => {
    const elsewhere = elfFile({ address: 0x1000, data: code, size: 4 });
    expect(refusal({ kernel: elsewhere })).toMatch(/at 0x1000, where there is no RAM/);
    const arm = elfFile({ address: BASE, data: code, size: 4 });
    arm[18] = 183;
    expect(refusal({ kernel: arm })).toMatch(/not for 64-bit RISC-V/);
    const cut = elfFile({ address: BASE, data: new Uint8Array(500), size: 500 }).subarray(0, 300);
    expect(refusal({ kernel: cut })).toMatch(/cut off/);
    const overlap = elfFile({ address: BASE + 8, data: code, size: 4 });
    expect(refusal({ firmware: new Uint8Array(100), kernel: overlap })).toMatch(/overwrite/);
  });

  it("survives any single damaged header byte", () => {
    const good = elfFile({ address: BASE, data: code, size: 32, symbols: { tohost: BASE + 16 } });
    for (let at = 0; at < good.length; at++) {
      for (const value of [0, 0x7f, 0xff]) {
        const file = good.slice();
        file[at] = value;
        refusal({ kernel: file, firmware: new Uint8Array(4) });
      }
    }
  });
});

describe("what is not a kernel", () => {
  it("is refused with what to do", () => {
    expect(refusal({ kernel: new Uint8Array(1000) })).toMatch(/neither a Linux Image nor an ELF/);
    expect(refusal({ kernel: Uint8Array.of(0x1f, 0x8b, 8, 0) })).toMatch(/gzip.*gunzip/);
    expect(refusal({ firmware: Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0) })).toMatch(/xz/);
    expect(refusal({})).toMatch(/nothing to boot/);
  });

  it("is welcome as the payload of firmware", () => {
    const memory = ram();
    run({ firmware: new Uint8Array(16), kernel: new Uint8Array(4).fill(9) }, memory);
    expect(memory.readU8(BASE + 0x20_0003)).toBe(9);
  });
});
