import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { GoldfishRtc } from "../platform/goldfish-rtc.ts";
import { TestFinisher } from "../platform/test-finisher.ts";
import { Uart16550 } from "../platform/uart16550.ts";
import { deviceTree, type PlacedDevice, type TreeOptions } from "./device-tree.ts";
import { FDT_ROOM_BYTES, writeFdt } from "./fdt.ts";
import { isaString } from "./isa-string.ts";
import { PROFILES, type ProfileName } from "./profile.ts";

const irq = { pulse: () => {}, setLevel: () => {} };

function options(profileName: ProfileName, kind: "plic" | "aplic"): TreeOptions {
  const profile = PROFILES[profileName];
  const uart = new Uart16550({ irq, output: () => {} });
  const rtc = new GoldfishRtc({ irq, wallClockMs: () => 0 });
  const slots = Array.from(
    { length: profile.virtio.slots },
    (_, slot): PlacedDevice => ({
      node: { name: "virtio", properties: { compatible: "virtio,mmio" } },
      window: { base: profile.virtio.base + slot * profile.virtio.stride, size: 0x1000 },
      interrupt: { source: profile.virtio.firstSpi + slot, trigger: profile.virtio.trigger },
    }),
  );
  return {
    profile,
    interruptController: kind,
    harts: 2,
    cpu: { extensions: ["i", "m", "a", "c", "zicsr", "zba", "sstc"], mmu: "sv39" },
    ramBytes: 256 * 1024 * 1024,
    devices: [
      ...slots,
      {
        node: uart.node,
        window: profile.uart,
        interrupt: { source: profile.uart.source, trigger: "level" },
      },
      {
        node: rtc.node,
        window: profile.rtc,
        interrupt: { source: profile.rtc.source, trigger: "level" },
      },
      { node: new TestFinisher(() => {}).node, window: profile.testFinisher },
    ],
    bootArgs: 'console=hvc0 say="hi"',
    initrd: { base: 0x8f00_0000, size: 0x12_3456 },
    rngSeed: new Uint8Array(32).fill(7),
    stdout: "ns16550a",
  };
}

/** Not a dependency: where it is not installed its judgement is missing. */
const DTC = "dtc";
const hasDtc = spawnSync(DTC, ["--version"]).status === 0;

function decompile(blob: Uint8Array): { source: string; warnings: string } {
  const dtc = spawnSync(DTC, ["-I", "dtb", "-O", "dts"], { input: blob });
  return { source: dtc.stdout.toString(), warnings: dtc.stderr.toString() };
}

describe.skipIf(!hasDtc)("according to dtc (skipped where dtc is not installed)", () => {
  for (const name of ["tabvisor", "qemu-virt"] as const) {
    for (const kind of ["plic", "aplic"] as const) {
      it(`the tree of ${name} with ${kind} gives no warning`, () => {
        const { source, warnings } = decompile(writeFdt(deviceTree(options(name, kind)), 0));
        expect(warnings).toBe("");
        expect(source).toContain('compatible = "virtio,mmio"');
      });
    }
  }

  it("the bytes are what the tree says", () => {
    const { source } = decompile(writeFdt(deviceTree(options("tabvisor", "plic")), 0));
    for (const line of [
      'bootargs = "console=hvc0 say=\\"hi\\"";',
      "linux,initrd-start = <0x00 0x8f000000>;",
      "linux,initrd-end = <0x00 0x8f123456>;",
      'stdout-path = "/soc/serial@10000000";',
      "timebase-frequency = <0x989680>;",
      'riscv,isa = "rv64imac_zicsr_zba_sstc";',
      'riscv,isa-extensions = "i\\0m\\0a\\0c\\0zicsr\\0zba\\0sstc";',
      "interrupts-extended = <0x01 0x03 0x01 0x07 0x02 0x03 0x02 0x07>;",
      "interrupts-extended = <0x01 0x0b 0x01 0x09 0x02 0x0b 0x02 0x09>;",
      "reg = <0x00 0x80000000 0x00 0x10000000>;",
      "virtio@f005000 {",
      "interrupts = <0x15>;",
    ]) {
      expect(source).toContain(line);
    }
  });
});

describe("the tree", () => {
  const soc = (name: ProfileName, kind: "plic" | "aplic") =>
    deviceTree(options(name, kind)).children!.find((node) => node.name === "soc")!.children!;
  const find = (name: ProfileName, kind: "plic" | "aplic", node: string) =>
    soc(name, kind).find((child) => child.name === node)?.properties;

  it("has every slot of a profile with its interrupt", () => {
    const slots = soc("tabvisor", "plic").filter((node) => node.name.startsWith("virtio@"));
    expect(slots).toHaveLength(32);
    expect(slots[5]).toEqual({
      name: "virtio@f005000",
      properties: {
        compatible: "virtio,mmio",
        reg: [0, 0x0f00_5000, 0, 0x1000],
        interrupts: [21],
      },
    });
    const virt = soc("qemu-virt", "plic").filter((node) => node.name.startsWith("virtio@"));
    expect(virt.map((node) => node.properties.interrupts)).toEqual([
      [1],
      [2],
      [3],
      [4],
      [5],
      [6],
      [7],
      [8],
    ]);
    expect(virt[0].name).toBe("virtio@10001000");
  });

  it("says edge or level where the controller has a cell for it", () => {
    expect(find("tabvisor", "aplic", "virtio@f000000")!.interrupts).toEqual([16, 1]);
    expect(find("qemu-virt", "aplic", "virtio@10001000")!.interrupts).toEqual([1, 4]);
    expect(find("tabvisor", "aplic", "serial@10000000")!.interrupts).toEqual([10, 4]);
  });

  it("has the one interrupt controller of the machine", () => {
    expect(find("tabvisor", "plic", "interrupt-controller@c000000")).toMatchObject({
      "riscv,ndev": [95],
      reg: [0, 0x0c00_0000, 0, 0x60_0000],
    });
    expect(find("tabvisor", "plic", "interrupt-controller@d000000")).toBeUndefined();
    expect(find("tabvisor", "aplic", "interrupt-controller@c000000")).toBeUndefined();
  });

  it("connects power off and reboot to the test finisher", () => {
    const root = deviceTree(options("tabvisor", "plic"));
    const phandle = find("tabvisor", "plic", "test@100000")!.phandle;
    const node = (name: string) => root.children!.find((child) => child.name === name)!.properties;
    expect(node("poweroff")).toMatchObject({ regmap: phandle, value: [0x5555] });
    expect(node("reboot")).toMatchObject({ regmap: phandle, value: [0x7777] });
  });

  it("gives the block sizes of the cache extensions that a hart has", () => {
    const base = options("tabvisor", "plic");
    const cpu = { extensions: ["i", "zicbom", "zicboz"], mmu: "sv48" } as const;
    const tree = deviceTree({ ...base, cpu });
    const cpu0 = tree.children!.find((node) => node.name === "cpus")!.children![0].properties;
    expect(cpu0["riscv,cbom-block-size"]).toEqual([64]);
    expect(cpu0["riscv,cboz-block-size"]).toEqual([64]);
    expect(cpu0["riscv,cbop-block-size"]).toBeUndefined();
    expect(cpu0["mmu-type"]).toBe("riscv,sv48");
  });
});

describe("the blob", () => {
  const blob = writeFdt({ name: "", properties: { a: "x", b: [1] }, children: [] }, 3);
  const word = (at: number) => new DataView(blob.buffer).getUint32(at);

  it("has the blocks in the standard order and room at the end", () => {
    const [magic, total, structure, strings, reservations] = [0, 4, 8, 12, 16].map(word);
    expect(magic).toBe(0xd00dfeed);
    expect(total).toBe(blob.length);
    expect(reservations).toBe(40);
    expect(structure).toBe(56);
    expect(strings).toBe(structure + word(36));
    expect(total - strings - word(32)).toBeGreaterThanOrEqual(FDT_ROOM_BYTES);
    expect([word(20), word(24), word(28)]).toEqual([17, 16, 3]);
  });
});

describe("isaString", () => {
  it("puts names into canonical order", () => {
    expect(isaString(["c", "d", "f", "a", "m", "i"])).toBe("rv64imafdc");
    expect(isaString(["sstc", "zbb", "i", "zifencei", "svinval", "zicsr", "zba", "zfa"])).toBe(
      "rv64i_zicsr_zifencei_zfa_zba_zbb_sstc_svinval",
    );
  });
});
