import { describe, expect, it } from "vitest";
import { parseRunOptions, UsageError } from "./options.ts";

const parse = (line: string) => parseRunOptions(line.split(" ").filter((word) => word !== ""));

describe("options of run", () => {
  it("have defaults", () => {
    expect(parse("")).toEqual({
      disks: [],
      virtio: [],
      links: { ports: [], vsockListen: [], vsockConnect: [] },
      pmems: [],
      profile: "tabvisor",
      irq: "plic",
      shares: [],
      crypto: false,
      rtc: false,
      gdbWaits: false,
      noReboot: false,
      stats: false,
    });
  });

  it("are read", () => {
    const line =
      "--kernel K --initrd I --append a=b --firmware F --ram 512M --disk A --disk B,ro --pmem P,ro --net ws://x/ " +
      "--virtio packed --virtio blk0:-9 --balloon 64 --hotplug-memory 256M,128 --timeout 2.5 " +
      "--gdb 1234 --gdb-wait --profile qemu-virt --irq aplic --display D.png,800x600 --sound S.wav --share-dax 64M " +
      "--crypto --rtc --no-reboot";
    expect(parse(line)).toEqual({
      kernel: "K",
      initrd: "I",
      append: "a=b",
      firmware: "F",
      ramMiB: 512,
      balloonMiB: 64,
      hotplug: { mib: 256, pluggedMiB: 128 },
      shareDaxMiB: 64,
      disks: [
        { path: "A", readOnly: false },
        { path: "B", readOnly: true },
      ],
      pmems: [{ path: "P", readOnly: true }],
      net: "ws://x/",
      virtio: [{ choice: { packed: true } }, { device: "blk0", choice: { withhold: [9] } }],
      links: { ports: [], vsockListen: [], vsockConnect: [] },
      display: { path: "D.png", width: 800, height: 600 },
      sound: "S.wav",
      crypto: true,
      rtc: true,
      gdbPort: 1234,
      gdbWaits: true,
      timeoutSeconds: 2.5,
      profile: "qemu-virt",
      irq: "aplic",
      shares: [],
      noReboot: true,
      stats: false,
    });
  });

  it("share directories", () => {
    expect(parse("--share a=/b --share-9p c.d=e=f,ro")).toMatchObject({
      shares: [
        { protocol: "virtiofs", tag: "a", path: "/b", readOnly: false },
        { protocol: "9p", tag: "c.d", path: "e=f", readOnly: true },
      ],
    });
    for (const line of ["--share x", "--share a/b=c", "--share-9p a="]) {
      expect(() => parse(line), line).toThrow(UsageError);
    }
  });

  it("take the kernel alone, and sizes in GiB", () => {
    expect(parse("test.elf --ram 1G")).toMatchObject({ kernel: "test.elf", ramMiB: 1024 });
    expect(parse("--help")).toBe("help");
  });

  it("connect ports and sockets with places of the host", () => {
    const line =
      "--port org.x.0=unix:/tmp/a=b --port log=file:out.txt --vsock-listen 1=tcp:8080 " +
      "--vsock-listen 2=tcp:::1:81 --vsock-connect 4294967295=unix:s --vsock-cid 9";
    expect(parse(line)).toMatchObject({
      links: {
        ports: [
          { name: "org.x.0", where: { kind: "unix", path: "/tmp/a=b" } },
          { name: "log", where: { kind: "file", path: "out.txt" } },
        ],
        vsockListen: [
          { port: 1, where: { kind: "tcp", host: "127.0.0.1", port: 8080 } },
          { port: 2, where: { kind: "tcp", host: "::1", port: 81 } },
        ],
        vsockConnect: [{ port: 0xffff_ffff, where: { kind: "unix", path: "s" } }],
        vsockCid: 9,
      },
    });
    for (const wrong of [
      "--port x",
      "--port a/b=unix:x",
      "--port =unix:x",
      "--port a=unix:",
      "--port a=tcp:x",
      "--port a=tcp:65536",
      "--vsock-listen 1=file:x",
      "--vsock-listen x=unix:x",
      "--vsock-listen 4294967296=unix:x",
      "--vsock-connect =unix:x",
      "--vsock-cid 2",
      "--vsock-cid 4294967295",
    ]) {
      expect(() => parse(wrong), wrong).toThrow(UsageError);
    }
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
      "--hotplug-memory 0",
      "--hotplug-memory 100",
      "--hotplug-memory 128,129",
      "--hotplug-memory 128,x",
      "--timeout 0",
      "--timeout x",
      "--irq gic",
      "--virtio blk0:what",
      "--profile pc",
      "--kernel",
      "--gdb x",
      "--gdb 65536",
      "--gdb-wait",
    ]) {
      expect(() => parse(line), line).toThrow(UsageError);
    }
  });
});
