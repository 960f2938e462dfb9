import { describe, expect, it } from "vitest";
import { parseRunOptions, UsageError } from "./options.ts";

const parse = (line: string) => parseRunOptions(line.split(" ").filter((word) => word !== ""));

describe("options of run", () => {
  it("have defaults", () => {
    expect(parse("")).toEqual({
      disks: [],
      virtio: [],
      profile: "tabvisor",
      irq: "plic",
      noReboot: false,
      stats: false,
    });
  });

  it("are read", () => {
    const line =
      "--kernel K --initrd I --append a=b --firmware F --ram 512M --disk A --disk B,ro --net ws://x/ " +
      "--virtio packed --virtio blk0:-9 --balloon 64 --timeout 2.5 --profile qemu-virt --irq aplic " +
      "--no-reboot";
    expect(parse(line)).toEqual({
      kernel: "K",
      initrd: "I",
      append: "a=b",
      firmware: "F",
      ramMiB: 512,
      balloonMiB: 64,
      disks: [
        { path: "A", readOnly: false },
        { path: "B", readOnly: true },
      ],
      net: "ws://x/",
      virtio: [{ choice: { packed: true } }, { device: "blk0", choice: { withhold: [9] } }],
      timeoutSeconds: 2.5,
      profile: "qemu-virt",
      irq: "aplic",
      noReboot: true,
      stats: false,
    });
  });

  it("take the kernel alone, and sizes in GiB", () => {
    expect(parse("test.elf --ram 1G")).toMatchObject({ kernel: "test.elf", ramMiB: 1024 });
    expect(parse("--help")).toBe("help");
  });

  it("are refused when they cannot be understood", () => {
    for (const line of [
      "--what",
      "a b",
      "a --kernel b",
      "--ram x",
      "--ram 5T",
      "--ram 31",
      "--ram 3G",
      "--balloon x",
      "--timeout 0",
      "--timeout x",
      "--irq gic",
      "--virtio blk0:what",
      "--profile pc",
      "--kernel",
    ]) {
      expect(() => parse(line), line).toThrow(UsageError);
    }
  });
});
