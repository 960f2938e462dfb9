import { describe, expect, it } from "vitest";
import { MAX_DISK_BYTES } from "../host/stored-disk.ts";
import { MAX_RAM_BYTES, MIN_RAM_BYTES } from "../machine/machine-types.ts";
import { WINDOW_BLOCK_BYTES } from "../memory/memory-window.ts";
import { MEM_SECTION_BYTES } from "../virtio/devices/mem.ts";
import {
  DEFAULT_APPEND,
  DEFAULT_RAM_MIB,
  diskNameOf,
  MIN_RAM_MIB,
  readBootConfig,
} from "./boot-config.ts";
import { ConfigError } from "./config-error.ts";
import { MAX_RAM_MIB } from "./memory-config.ts";

const MIB = 2 ** 20;

const read = (query: string, page = "https://host/sub/") =>
  readBootConfig(new URL(query, page), new URL(page));

describe("readBootConfig", () => {
  it("boots the embedded guest with disk and network by default", () => {
    expect(read("")).toEqual({
      kernel: { kind: "url", url: "https://host/sub/guest/Image.gz" },
      initrd: { kind: "url", url: "https://host/sub/guest/initramfs.cpio.gz" },
      append: DEFAULT_APPEND,
      ramMiB: DEFAULT_RAM_MIB,
      memory: { balloonMiB: 0 },
      disk: {
        name: "default",
        seed: { kind: "url", url: "https://host/sub/guest/disk.seed.gz" },
      },
      relay: "wss://host/lan/default",
    });
  });

  it("takes everything from the address", () => {
    const query =
      "?kernel=/k&initrd=i.gz&append=quiet&firmware=https://o/fw.bin&ram=512&balloon=64&disk=work&lan=class";
    expect(read(query)).toEqual({
      kernel: { kind: "url", url: "https://host/k" },
      initrd: { kind: "url", url: "https://host/sub/i.gz" },
      firmware: { kind: "url", url: "https://o/fw.bin" },
      append: "quiet",
      ramMiB: 512,
      memory: { balloonMiB: 64 },
      disk: { name: "work" },
      relay: "wss://host/lan/class",
    });
  });

  it("gives another kernel or firmware no initramfs that is not its own", () => {
    expect(read("?kernel=k").initrd).toBeUndefined();
    expect(read("?firmware=f").kernel).toBeUndefined();
    expect(read("?initrd=mine.gz").kernel).toBeDefined();
  });

  it("puts a disk over an image at an address", () => {
    const { disk } = read("?disk=https://images/debian 13.img?x=1");
    expect(disk?.name).toMatch(/^debian_13\.img@[0-9a-f]{8}$/);
    expect(disk?.base).toEqual({ kind: "url", url: "https://images/debian%2013.img?x=1" });
    expect(read("?disk=./a.img").disk?.base).toBeDefined();
    expect(read("?disk=none").disk).toBeUndefined();
    expect(diskNameOf("a/x.img", "1")).not.toBe(diskNameOf("b/x.img", "2"));
  });

  it("makes a disk as large as it is told, blank", () => {
    expect(read("?disk=big&disksize=4096M").disk).toEqual({ name: "big", sizeMiB: 4096 });
    expect(read("?disk=/a.img&disksize=64").disk?.sizeMiB).toBe(64);
    expect(read("?disk=none&disksize=64").disk).toBeUndefined();
    for (const size of ["0", "-1", "lots", "1048577"]) {
      expect(() => read(`?disksize=${size}`)).toThrow(ConfigError);
    }
  });

  it("finds the relay", () => {
    expect(read("", "http://localhost:8080/").relay).toBe("ws://localhost:8080/lan/default");
    expect(read("?relay=none").relay).toBeUndefined();
    expect(read("?relay=wss://relay.example/").relay).toBe("wss://relay.example/");
    expect(read("?relay=https://relay.example&lan=a").relay).toBe("wss://relay.example/lan/a");
    expect(read("?relay=relay.example/x&lan=a").relay).toBe("wss://relay.example/x/lan/a");
  });

  it("passes rules for virtio on", () => {
    expect(read("?virtio=packed&virtio=blk0:-EVENT_IDX").virtio).toEqual([
      "packed",
      "blk0:-EVENT_IDX",
    ]);
  });

  it("bounds the memory", () => {
    expect(read(`?ram=${MIN_RAM_MIB}M`).ramMiB).toBe(MIN_RAM_MIB);
    expect(read(`?ram=${MAX_RAM_MIB}`).ramMiB).toBe(MAX_RAM_MIB);
    for (const ram of [MIN_RAM_MIB - 1, MAX_RAM_MIB + 1, "lots", "-5", "1e3"]) {
      expect(() => read(`?ram=${ram}`)).toThrow(ConfigError);
    }
  });

  it("has the limits of the machine that it describes", () => {
    const isTaken = (query: string) => {
      try {
        return read(query).ramMiB > 0;
      } catch {
        return false;
      }
    };
    const limits: [parameter: string, least: number, step: number, most: number][] = [
      ["ram", MIN_RAM_BYTES, MIB, MAX_RAM_BYTES],
      ["ram=1024&hotplug", MEM_SECTION_BYTES, MEM_SECTION_BYTES, MAX_RAM_BYTES / 2],
      ["ram=1024&dax", WINDOW_BLOCK_BYTES, WINDOW_BLOCK_BYTES, MAX_RAM_BYTES / 2],
      ["disksize", MIB, MIB, MAX_DISK_BYTES],
    ];
    for (const [parameter, least, step, most] of limits) {
      const mib = [least - step, least, least + step / 2, most, most + step].map((at) => at / MIB);
      const taken = mib.map((value) => isTaken(`?${parameter}=${value}`));
      expect(taken, parameter).toEqual([false, true, false, true, false]);
    }
  });

  it("takes a balloon that leaves the guest some memory", () => {
    expect(read("?balloon=none").memory).toEqual({});
    expect(read("?ram=64&balloon=63MiB").memory).toEqual({ balloonMiB: 63 });
    for (const balloon of ["64", "-1", "all"]) {
      expect(() => read(`?ram=64&balloon=${balloon}`)).toThrow(ConfigError);
    }
  });

  it("has a crypto device and an RTC device on demand", () => {
    const none = read("?crypto=0&rtc=none");
    expect([none.crypto, none.rtc]).toEqual([undefined, undefined]);
    expect(read("?crypto=1&rtc=1")).toMatchObject({ crypto: true, rtc: true });
  });

  it("has a display and sound on demand", () => {
    expect(read("").display).toBeUndefined();
    expect(read("?display=none&sound=0")).not.toHaveProperty("display");
    expect(read("?display=none&sound=0")).not.toHaveProperty("sound");
    expect(read("?display=1&sound=1")).toMatchObject({
      display: { width: 1024, height: 768 },
      sound: true,
    });
    expect(read("?display=800x600").display).toEqual({ width: 800, height: 600 });
    expect(read("?display=fit").display).toEqual({ width: 1024, height: 768, isFitted: true });
    for (const display of ["63x600", "800x4096", "axb", "800x", "1e3x800"]) {
      expect(() => read(`?display=${display}`)).toThrow(ConfigError);
    }
  });

  it("takes a way to share files", () => {
    expect(read("?share=virtiofs")).not.toHaveProperty("share");
    expect(read("?share=9p").share).toBe("9p");
    expect(() => read("?share=nfs")).toThrow("cannot be shared by nfs");
  });

  it("takes a window on shared files beside RAM", () => {
    expect(read("?dax=64").memory?.daxMiB).toBe(64);
    for (const bad of ["0", "3", "x", "1794"]) {
      expect(() => read(`?dax=${bad}`)).toThrow("cannot be mapped");
    }
  });

  it("takes memory to plug, and a disk that is memory", () => {
    expect(read("?hotplug=256").memory?.hotplug).toEqual({ mib: 256, pluggedMiB: 0 });
    expect(read("?hotplug=256").append).toContain("memhp_default_state=");
    expect(read("?hotplug=256&append=quiet").append).toBe("quiet");
    expect(read("?hotplug=1024M,128").memory?.hotplug).toEqual({ mib: 1024, pluggedMiB: 128 });
    for (const hotplug of ["0", "100", "1920", "128,129", "128,x", "x"]) {
      expect(() => read(`?hotplug=${hotplug}`), hotplug).toThrow(ConfigError);
    }
    expect(read("").pmem).toBeUndefined();
    expect(read("?pmem=none").pmem).toBeUndefined();
    expect(read("?pmem=fast").pmem).toEqual({ name: "fast" });
    expect(read("?pmem=/root.img").pmem?.base).toEqual({
      kind: "url",
      url: "https://host/root.img",
    });
  });

  it("takes a saved machine, or waits for one", () => {
    expect(read("?restore=/machine&ram=64").saved).toEqual({
      kind: "url",
      url: "https://host/machine",
    });
    expect(() => read("?restore")).toThrow("Open its file");
    expect(() => read("?restore=javascript:1")).toThrow("restore=javascript:1");
  });

  it("says what is wrong with an address", () => {
    expect(() => read("?kernel=javascript:1")).toThrow("kernel=javascript:1");
    expect(() => read("?lan=a/b")).toThrow("name of a LAN");
    expect(() => read("?relay=ftp://x")).toThrow("not the address of a relay");
  });
});
