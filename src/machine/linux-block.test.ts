/** What the embedded Linux's own driver makes of the block device, and what of it reaches a disk. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BlockDevice } from "../virtio/devices/block.ts";
import type { BlockBackend, BlockTarget } from "../virtio/devices/block-backend.ts";
import { BlockFeature } from "../virtio/devices/block-config.ts";
import { MemoryBlockBackend } from "../virtio/devices/memory-block-backend.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const MIB = 2 ** 20;
const SECTORS = (32 * MIB) / 512;

/** A disk in memory that remembers what was asked of it beside transfers. */
class LoggedDisk implements BlockBackend {
  readonly id = "serial-0123456789";
  readonly readOnly = false;
  readonly inner = new MemoryBlockBackend({ sectors: SECTORS });
  readonly log: string[] = [];

  get sectors(): number {
    return this.inner.sectors;
  }

  read(sector: number, target: BlockTarget): void {
    this.inner.read(sector, target);
  }

  write(sector: number, source: readonly Uint8Array[]): void {
    this.log.push("write");
    this.inner.write(sector, source);
  }

  flush(): void {
    this.log.push("flush");
  }

  discard(sector: number, count: number): void {
    this.log.push(`discard ${sector}+${count}`);
    this.inner.discard(sector, count);
  }

  writeZeroes(sector: number, count: number, mayUnmap: boolean): void {
    this.log.push(`${mayUnmap ? "unmap" : "zero"} ${sector}+${count}`);
    this.inner.writeZeroes(sector, count);
  }

  secureErase(sector: number, count: number): void {
    this.log.push(`erase ${sector}+${count}`);
    this.inner.secureErase(sector, count);
  }
}

/** The same disk for somebody who may only look. */
function readOnly(disk: BlockBackend): BlockBackend {
  return {
    id: "read-only",
    readOnly: true,
    sectors: disk.sectors,
    read: (sector, target) => disk.read(sector, target),
    write: () => Promise.reject(new Error("the device let a write through")),
    flush: () => {},
  };
}

const ZEROOUT = `#include <fcntl.h>
#include <sys/ioctl.h>
int main() {
  unsigned long range[2] = {4096, 65536};
  return ioctl(open("/dev/vdb", O_RDWR), 0x127f, range) != 0;
}
`;

describe.skipIf(!hasGuest)("Linux and its disks (skipped until the guest is built)", () => {
  const disk = new LoggedDisk();
  const device = new BlockDevice("blk1", disk);
  let session: LinuxSession;

  beforeAll(async () => {
    session = new LinuxSession({
      attach: (machine) => {
        machine.attach(device);
        machine.attach(new BlockDevice("blk2", readOnly(disk), { blockSize: 4096 }));
      },
    });
    await session.until(PROMPT);
  }, LIMIT_MS);

  afterAll(() => session.machine.dispose());

  /** What a command prints after its own line, and what it asks of the disk. */
  async function run(line: string): Promise<{ output: string; log: string[] }> {
    disk.log.length = 0;
    const output = await session.command(line);
    return { output: output.slice(output.indexOf("\n") + 1), log: [...disk.log] };
  }

  const seconds = { timeout: LIMIT_MS };

  it("finds what the device says of itself", seconds, async () => {
    const { output } = await run(
      "cd /sys/block/vdb; cat serial; echo; for f in size queue/discard_granularity" +
        " queue/max_segments queue/max_segment_size queue/max_discard_segments" +
        " queue/physical_block_size queue/optimal_io_size; do echo $f $(cat $f); done;" +
        " echo blocks $(cat /sys/block/vdc/queue/logical_block_size); cd",
    );
    expect(output).toContain("serial-0123456789\r\n");
    expect(output).toContain(`size ${SECTORS}\r\n`);
    expect(output).toContain("discard_granularity 4096");
    expect(output).toContain("max_segments 254");
    expect(output).toContain("max_segment_size 4194304");
    expect(output).toContain("max_discard_segments 16");
    expect(output).toContain("physical_block_size 4096");
    expect(output).toContain("optimal_io_size 65536");
    expect(output).toContain("blocks 4096");
  });

  it("takes a queue for each hart", seconds, async () => {
    const { output } = await run(
      "echo mq $(ls /sys/block/vdb/mq); cat /sys/block/vdb/device/features",
    );
    // Of the four offered, the one hart of this machine needs one.
    expect(output).toContain("mq 0\r\n");
    const features = /[01]{64}/.exec(output)?.[0];
    expect(features?.[BlockFeature.MQ]).toBe("1");
    expect(features?.[BlockFeature.CONFIG_WCE]).toBe("1");
    expect(features?.[BlockFeature.SECURE_ERASE]).toBe("1");
    expect(features?.[BlockFeature.LIFETIME]).toBe("0");
  });

  it("flushes on sync, and has its cache turned off and on", seconds, async () => {
    const write = "echo text | dd of=/dev/vdb conv=notrunc 2>/dev/null; sync /dev/vdb";
    expect((await run("cat /sys/block/vdb/cache_type")).output).toContain("write back");
    expect((await run(write)).log).toEqual(["write", "flush"]);
    const off = await run(
      "echo 'write through' > /sys/block/vdb/cache_type; cat /sys/block/vdb/cache_type",
    );
    expect(off.output).toContain("write through");
    expect(off.log).toEqual(["flush"]);
    // Linux asks for nothing now, and each write is flushed all the same.
    expect((await run(write)).log).toEqual(["write", "flush"]);
    await run("echo 'write back' > /sys/block/vdb/cache_type");
    expect((await run(write)).log).toEqual(["write", "flush"]);
  });

  it("discards, erases and writes zeros", seconds, async () => {
    const discard = await run("blkdiscard -o 1048576 -l 65536 /dev/vdb && echo well");
    expect([discard.output, discard.log]).toEqual([
      expect.stringContaining("well"),
      ["discard 2048+128"],
    ]);
    const erase = await run("blkdiscard -s -o 1048576 -l 65536 /dev/vdb && echo well");
    expect([erase.output, erase.log]).toEqual([
      expect.stringContaining("well"),
      ["erase 2048+128"],
    ]);
    for (const line of ZEROOUT.trimEnd().split("\n")) await run(`echo '${line}' >> /z.c`);
    const zero = await run("tcc -run /z.c && echo well");
    expect([zero.output, zero.log]).toEqual([expect.stringContaining("well"), ["zero 8+128"]]);
  });

  it("makes a file system, trims it and finds its files again", seconds, async () => {
    const made = await run(
      "mkfs.ext4 -q -b 4096 /dev/vdb && mkdir -p /m && mount /dev/vdb /m && echo well",
    );
    expect(made.output).toContain("well");
    expect(made.log).toContain(`discard 0+${SECTORS}`);
    expect(made.log.some((entry) => /^(zero|unmap) /.test(entry))).toBe(true);
    await run(
      "head -c 3000000 /dev/urandom > /m/gone; echo kept > /m/kept; sync; rm /m/gone; sync",
    );
    const held = disk.inner.bytesHeld;
    const trimmed = await run("fstrim -v /m");
    expect(trimmed.output).toMatch(/\d{8} bytes trimmed/);
    expect(trimmed.log.filter((entry) => entry.startsWith("discard")).length).toBeGreaterThan(0);
    expect(disk.inner.bytesHeld).toBeLessThan(held - 2 * MIB);
    expect((await run("umount /m; mount /dev/vdb /m; cat /m/kept; umount /m")).output).toContain(
      "kept",
    );
  });

  it("does not get to write a read-only disk", seconds, async () => {
    const look = "mount -o rw /dev/vdc /m; grep /m /proc/mounts; cat /m/kept; echo x > /m/new";
    const { output } = await run(`${look}; mount -o remount,rw /m; umount /m`);
    expect(output).toMatch(/\/dev\/vdc \/m ext4 ro,/);
    expect(output).toContain("kept");
    expect(output.match(/Read-only file system|write-protected|Operation not permitted/g)).not.toBe(
      null,
    );
    expect(output).not.toMatch(/ext4 rw/);
    const raw = await run("cat /sys/block/vdc/ro; echo x > /dev/vdc || echo refused");
    expect(raw.output).toMatch(/1\r\n[\s\S]*refused/);
  });

  it("sees the disk grow, and uses what is new", seconds, async () => {
    disk.inner.sectors = 2 * SECTORS;
    device.resized();
    await run("sleep 0.1");
    expect((await run("cat /sys/block/vdb/size")).output).toContain(`${2 * SECTORS}\r\n`);
    const grown = await run("mount /dev/vdb /m && resize2fs /dev/vdb && df -m /m; cat /m/kept");
    expect(grown.output).toMatch(/vdb +5\d /);
    expect(grown.output).toContain("kept");
    await run("umount /m");
  });
});
