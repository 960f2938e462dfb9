import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { SNIFF_BYTES, sniff, sniffFile } from "./sniff.ts";

const bytes = (text: string, at = 0) => {
  const head = new Uint8Array(SNIFF_BYTES);
  head.set(new TextEncoder().encode(text), at);
  return head;
};

describe("sniff", () => {
  it("knows kernels, initramfs archives and firmware", () => {
    expect(sniff(bytes("RSC\x05", 0x38), "vmlinuz")).toBe("kernel");
    expect(sniff(bytes("\x7fELF"), "vmlinux")).toBe("kernel");
    expect(sniff(bytes("\x7fELF"), "fw_jump.elf")).toBe("firmware");
    expect(sniff(bytes("070701"), "rootfs")).toBe("initrd");
    expect(sniff(bytes(""), "fw_dynamic.bin")).toBe("firmware");
    expect(sniff(bytes(""), "debian.img")).toBe("disk");
    expect(sniff(bytes("tabvisor\x01"), "machine.bin")).toBe("saved");
    expect(sniff(new Uint8Array(0), "empty")).toBe("disk");
  });

  it("looks inside gzip files", async () => {
    const file = new File([new Uint8Array(gzipSync(bytes("RSC\x05", 0x38)))], "Image.gz");
    expect(await sniffFile(file)).toBe("kernel");
  });
});
