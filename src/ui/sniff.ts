/** Guesses from a file's first bytes what it is for. */
import { SAVED_MAGIC } from "../worker/protocol.ts";

export type Role = "kernel" | "initrd" | "firmware" | "disk" | "saved";

/** Bytes from the start that the guess needs. */
export const SNIFF_BYTES = 1024;

/** Guesses the role of a file that a person picked or dropped. */
export async function sniffFile(file: File): Promise<Role> {
  const head = new Uint8Array(await file.slice(0, SNIFF_BYTES).arrayBuffer());
  if (head[0] !== 0x1f || head[1] !== 0x8b) return sniff(head, file.name);
  const unzip = new DecompressionStream("gzip");
  const reader = file.stream().pipeThrough(unzip).getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return sniff(value ?? head, file.name);
}

/** Guesses from the unpacked start of a file and from its name. */
export function sniff(head: Uint8Array, name: string): Role {
  const textAt = (at: number, length: number) =>
    String.fromCharCode(...head.subarray(at, at + length));
  if (textAt(0, SAVED_MAGIC.length) === SAVED_MAGIC) return "saved";
  // Linux, Documentation/arch/riscv/boot-image-header.rst: magic2.
  if (textAt(0x38, 4) === "RSC\x05") return "kernel";
  if (/^07070[127]$/.test(textAt(0, 6))) return "initrd";
  const isFirmware = /fw_|opensbi|u-boot|\.bin$/i.test(name);
  if (textAt(1, 3) === "ELF") return isFirmware ? "firmware" : "kernel";
  if (/initr(d|amfs)|\.cpio/i.test(name)) return "initrd";
  return isFirmware ? "firmware" : "disk";
}
