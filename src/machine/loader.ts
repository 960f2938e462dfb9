/**
 * Places what is booted in guest RAM: firmware, kernel, initramfs, device tree.
 *
 * From the bottom of RAM: the firmware if there is one, then the kernel 2 MiB up. From the top: the
 * initramfs, below it the device tree, below that the structure that OpenSBI's fw_dynamic reads.
 * Formats: Linux `Documentation/arch/riscv/boot-image-header.rst` and `boot.rst`; OpenSBI
 * `docs/firmware/fw_dynamic.md`.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";
import { type ElfFile, isElf, parseElf } from "./elf.ts";
import { LoadError } from "./load-error.ts";
import type { Window } from "./profile.ts";

export interface LoadRequest {
  /** Linux Image or ELF; after firmware also any raw payload. Not compressed. */
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  /** Runs at reset in M-mode: ELF or a raw blob for the start of RAM. */
  readonly firmware?: Uint8Array;
  /** Gives the device tree once it is known where the initramfs lies. */
  readonly deviceTree: (initrd: Window | undefined) => Uint8Array;
}

interface PlacedPart extends Window {
  readonly what: "firmware" | "kernel" | "initramfs" | "device tree" | "fw_dynamic information";
}

export interface LoadResult {
  readonly pc: number;
  readonly mode: "S" | "M";
  /** Address of the device tree, for a1. */
  readonly deviceTree: number;
  /** Address of the fw_dynamic structure, for a2; 0 without firmware. */
  readonly dynamicInfo: number;
  /** Address of the `tohost` word of a bare-metal test. */
  readonly tohost?: number;
  readonly parts: readonly PlacedPart[];
}

const PAGE = 4096;

/** Where S-mode software starts after firmware, and Linux with its usual `text_offset`. */
const KERNEL_OFFSET = 0x20_0000;

/**
 * Initramfs and device tree stay in the first GiB of RAM, which every kernel's and firmware's early
 * page tables reach.
 */
export const TOP_LIMIT = 0x4000_0000;

/** Code to load with the memory it occupies, zero-filled past the file included. */
interface Program {
  readonly what: "firmware" | "kernel";
  readonly entry: number;
  readonly segments: readonly { address: number; data: Uint8Array; size: number }[];
  readonly elf?: ElfFile;
}

/** @throws LoadError */
export function load(memory: GuestMemory, request: LoadRequest): LoadResult {
  const ram = memory.regions[0];
  const firmware = request.firmware && firmwareProgram(request.firmware, ram.base);
  const kernel = request.kernel && kernelProgram(request.kernel, ram.base, firmware !== undefined);
  const first = firmware ?? kernel;
  if (first === undefined) {
    throw new LoadError("There is nothing to boot.", "Give a kernel or firmware.");
  }
  const parts: PlacedPart[] = [];
  for (const program of [firmware, kernel]) {
    if (program !== undefined) place(memory, program, parts);
  }
  const bottom = Math.max(...parts.map((part) => part.base + part.size));
  const top = Math.min(ram.base + ram.size, ram.base + TOP_LIMIT);
  const stack = new TopDown(memory, bottom, top, parts);
  const initrd = request.initrd && stack.put("initramfs", request.initrd, PAGE);
  const deviceTree = stack.put("device tree", request.deviceTree(initrd), PAGE);
  // Offered to all firmware: only fw_dynamic looks at a2.
  const dynamicInfo =
    firmware && stack.put("fw_dynamic information", fwDynamicInfo(kernel?.entry ?? 0), 8);
  const tohost = first.elf?.symbol("tohost");
  const machineMode = firmware !== undefined || isBareMetal(first, ram.base);
  return {
    pc: first.entry,
    mode: machineMode ? "M" : "S",
    deviceTree: deviceTree.base,
    dynamicInfo: dynamicInfo?.base ?? 0,
    ...(tohost === undefined ? {} : { tohost }),
    parts,
  };
}

/** An ELF linked where firmware starts is machine-mode software: nothing could have started it. */
function isBareMetal(program: Program, ramBase: number): boolean {
  return program.elf !== undefined && program.entry < ramBase + KERNEL_OFFSET;
}

function firmwareProgram(file: Uint8Array, ramBase: number): Program {
  refuseCompressed("firmware", file);
  if (isElf(file)) return elfProgram("firmware", file);
  return rawProgram("firmware", file, ramBase, file.length);
}

function kernelProgram(file: Uint8Array, ramBase: number, afterFirmware: boolean): Program {
  refuseCompressed("kernel", file);
  if (isElf(file)) return elfProgram("kernel", file);
  const image = imageHeader(file);
  if (image !== undefined) {
    const at = ramBase + (afterFirmware ? KERNEL_OFFSET : image.textOffset);
    return rawProgram("kernel", file, at, Math.max(file.length, image.imageSize));
  }
  if (afterFirmware) return rawProgram("kernel", file, ramBase + KERNEL_OFFSET, file.length);
  throw new LoadError(
    "The kernel is neither a Linux Image nor an ELF file for RISC-V.",
    "Give arch/riscv/boot/Image of a riscv64 build; give other machine-mode code as firmware.",
  );
}

function rawProgram(
  what: Program["what"],
  data: Uint8Array,
  address: number,
  size: number,
): Program {
  return { what, entry: address, segments: [{ address, data, size }] };
}

function elfProgram(what: Program["what"], file: Uint8Array): Program {
  const elf = parseElf(file);
  return { what, entry: elf.entry, segments: elf.segments, elf };
}

/** A NUL-padded magic text at `offset`. */
function hasText(file: Uint8Array, offset: number, text: string): boolean {
  return [...text].every((char, i) => file[offset + i] === char.charCodeAt(0));
}

const IMAGE_HEADER_BYTES = 64;

function imageHeader(file: Uint8Array): { textOffset: number; imageSize: number } | undefined {
  if (file.length < IMAGE_HEADER_BYTES || !hasText(file, 0x38, "RSC\x05")) return undefined;
  const data = new DataView(file.buffer, file.byteOffset, IMAGE_HEADER_BYTES);
  return {
    textOffset: Number(data.getBigUint64(8, true)),
    // The memory that the kernel occupies, its zero-initialised data after the file included.
    imageSize: Number(data.getBigUint64(16, true)),
  };
}

const COMPRESSED: readonly { name: string; magic: readonly number[]; command: string }[] = [
  { name: "gzip", magic: [0x1f, 0x8b], command: "gunzip" },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], command: "unxz" },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], command: "unzstd" },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], command: "bunzip2" },
];

function refuseCompressed(what: string, file: Uint8Array): void {
  const format = COMPRESSED.find(({ magic }) => magic.every((byte, i) => file[i] === byte));
  if (format === undefined) return;
  throw new LoadError(
    `The ${what} is compressed with ${format.name}.`,
    `Decompress it first (${format.command}).`,
  );
}

function place(memory: GuestMemory, program: Program, parts: PlacedPart[]): void {
  const ram = memory.regions[0];
  for (const { address, data, size } of program.segments) {
    const target = memory.writable(address, size);
    if (target === undefined) {
      const needed = address + size - ram.base;
      throw address >= ram.base && needed > ram.size
        ? tooBig(program.what, needed)
        : new LoadError(
            `The ${program.what} wants to be at 0x${address.toString(16)}, where there is no RAM.`,
            `Link it for 0x${ram.base.toString(16)} or above; of a Linux build, give the Image.`,
          );
    }
    const clash = parts.find((p) => address < p.base + p.size && p.base < address + size);
    if (clash !== undefined && clash.what !== program.what) {
      throw new LoadError(
        `The ${program.what} would overwrite the ${clash.what}.`,
        `Link the ${program.what} for another address.`,
      );
    }
    target.set(data);
    target.fill(0, data.length);
    parts.push({ what: program.what, base: address, size });
  }
}

/** Hands out RAM from the top, each part below the one before. */
class TopDown {
  readonly #memory: GuestMemory;
  readonly #bottom: number;
  readonly #parts: PlacedPart[];
  #top: number;

  constructor(memory: GuestMemory, bottom: number, top: number, parts: PlacedPart[]) {
    this.#memory = memory;
    this.#bottom = bottom;
    this.#top = top;
    this.#parts = parts;
  }

  put(what: PlacedPart["what"], bytes: Uint8Array, alignment: number): Window {
    const start = this.#top - bytes.length;
    const base = start - (start % alignment);
    if (base < this.#bottom) {
      throw tooBig(what, this.#bottom + bytes.length - this.#memory.regions[0].base);
    }
    this.#memory.write(base, bytes);
    this.#top = base;
    this.#parts.push({ what, base, size: bytes.length });
    return { base, size: bytes.length };
  }
}

function tooBig(what: string, needed: number): LoadError {
  const mib = Math.ceil(needed / (1024 * 1024));
  return new LoadError(
    `The ${what} does not fit in RAM.`,
    `Give the machine more than ${mib} MiB of RAM, or a smaller ${what}.`,
  );
}

/** `struct fw_dynamic_info`, version 2, of 64-bit words. */
function fwDynamicInfo(next: number): Uint8Array {
  const MAGIC = 0x4942_534f;
  const VERSION = 2;
  const MODE_S = 1;
  const words = [MAGIC, VERSION, next, MODE_S, 0, 0];
  const data = new DataView(new ArrayBuffer(words.length * 8));
  words.forEach((word, i) => {
    data.setBigUint64(i * 8, BigInt(word), true);
  });
  return new Uint8Array(data.buffer);
}
