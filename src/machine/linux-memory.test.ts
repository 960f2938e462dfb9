/** The devices about memory in the embedded Linux. */
import { describe, expect, it } from "vitest";
import { BalloonDevice } from "../virtio/devices/balloon.ts";
import { MEM_REGION_ALIGNMENT, MEM_SECTION_BYTES, MemDevice } from "../virtio/devices/mem.ts";
import { MemoryBlockBackend } from "../virtio/devices/memory-block-backend.ts";
import { PmemDevice } from "../virtio/devices/pmem.ts";
import { guestAppend, hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const MIB = 1024 * 1024;

const MAPPED_FILE = new URL("./testing/mapped-file.c", import.meta.url);

/** A line of /proc/meminfo, in bytes. */
async function memory(session: LinuxSession, name: string): Promise<number> {
  const text = await session.command(`grep ${name}: /proc/meminfo`);
  return Number(/(\d+) kB/.exec(text)?.[1]) * 1024;
}

/** A machine with a disk that is memory of the guest, once its driver is there. */
async function bootWithPmem(backend: MemoryBlockBackend, append?: string) {
  const bytes = backend.sectors * 512;
  let device!: PmemDevice;
  const session = new LinuxSession({
    windowBytes: bytes,
    ...(append !== undefined && { append }),
    attach: (machine) => {
      const window = machine.openWindow(bytes);
      device = new PmemDevice("pmem0", { memory: machine.memory, window, backend });
      machine.attach(device);
    },
  });
  await device.load();
  await session.until(PROMPT);
  // A process 1 of one's own loads its drivers itself.
  if (append !== undefined) await session.command("modprobe virtio_pmem; modprobe nd_pmem");
  const wait = "for i in $(seq 50); do [ -e /dev/pmem0 ] && break; sleep 0.2; done; ls /dev/pmem0";
  expect(await session.command(wait)).toMatch(/^\/dev\/pmem0/m);
  return { session, device };
}

/** A machine with so many sections to plug, once its driver is there. */
async function bootWithMem(sections: number) {
  const bytes = sections * MEM_SECTION_BYTES;
  let device!: MemDevice;
  const session = new LinuxSession({
    append: guestAppend(),
    windowBytes: bytes,
    attach: (machine) => {
      const window = machine.openWindow(bytes, MEM_REGION_ALIGNMENT);
      device = new MemDevice("mem0", machine.memory, window);
      machine.attach(device);
    },
  });
  await session.until(PROMPT);
  const wait =
    "for i in $(seq 50); do [ -d /sys/bus/virtio/drivers/virtio_mem ] && break; sleep 0.2; done";
  await session.command(wait);
  const state = "cat /sys/devices/system/memory/auto_online_blocks";
  expect(await session.command(state)).toContain("online_movable");
  return { session, device };
}

describe.skipIf(!hasGuest)("memory devices in Linux", () => {
  it("balloon: inflates, deflates, tells statistics and free pages", {
    timeout: 2 * LIMIT_MS,
  }, async () => {
    const balloon = new BalloonDevice("balloon0");
    const session = new LinuxSession({ attach: (machine) => machine.attach(balloon) });
    await session.until(PROMPT);
    const before = await memory(session, "MemFree");

    balloon.target = 48 * MIB;
    await session.runUntil(() => balloon.counters().actualPages === 48 * 256, "inflation");
    // With DEFLATE_ON_OOM Linux counts the balloon's memory as used, not as missing.
    expect(before - (await memory(session, "MemFree"))).toBeGreaterThan(40 * MIB);
    expect(balloon.heldBytes).toBe(48 * MIB);
    expect(balloon.counters().ignoredPages).toBe(0);

    balloon.target = 0;
    await session.runUntil(() => balloon.counters().actualPages === 0, "deflation");
    expect(balloon.heldBytes).toBe(0);
    expect(await memory(session, "MemFree")).toBeGreaterThan(before - 8 * MIB);

    const old = balloon.statistics;
    balloon.requestStatistics();
    await session.runUntil(() => balloon.statistics !== old, "statistics");
    expect(balloon.statistics.totalBytes).toBe(await memory(session, "MemTotal"));
    expect(balloon.statistics.freeBytes).toBeGreaterThan(before - 8 * MIB);

    balloon.requestHints();
    await session.runUntil(() => balloon.config.readByte(8) === 1, "the end of hints");
    expect(balloon.counters().hintedBytes).toBeGreaterThan(MIB);
    // Free pages are reported two seconds after they became free.
    await session.command("dd if=/dev/zero of=/tmp/big bs=1M count=20; rm /tmp/big; sleep 5");
    expect(balloon.counters().reportedBytes).toBeGreaterThan(16 * MIB);
  });

  it("pmem: a file system with DAX that outlives the machine", {
    timeout: 3 * LIMIT_MS,
  }, async () => {
    const backend = new MemoryBlockBackend({ sectors: (64 * MIB) / 512 });
    const { session, device } = await bootWithPmem(backend);
    const made = await session.command(
      "mkfs.ext4 -q -b 4096 /dev/pmem0 && mkdir -p /mnt/p && mount -o dax /dev/pmem0 /mnt/p; grep pmem0 /proc/mounts",
    );
    expect(made).toMatch(/pmem0 \/mnt\/p ext4 .*dax=always/);
    await session.command("head -c 3000000 /dev/urandom > /mnt/p/data; sha256sum < /mnt/p/data");
    const sum = /[0-9a-f]{64}/.exec(await session.command("sha256sum < /mnt/p/data"))?.[0];
    await session.command("mkdir /mnt/p/bin; cp $(which busybox) /mnt/p/bin/; sync");
    expect(device.counters()).toMatchObject({ failedFlushes: 0, unsavedPages: 0 });
    expect(device.counters().storedBytes).toBeGreaterThan(3_000_000);

    // Another machine with the same disk: only what was flushed is there.
    const again = await bootWithPmem(backend);
    await again.session.command("mkdir -p /mnt/p && mount /dev/pmem0 /mnt/p");
    expect(await again.session.command("sha256sum < /mnt/p/data")).toContain(sum);
    expect(await again.session.command("chroot /mnt/p /bin/busybox ls -l /bin")).toMatch(
      /-rwx.*busybox/,
    );
    const check = "umount /mnt/p; fsck.ext4 -fn /dev/pmem0 > /dev/null 2>&1; echo =$?=";
    expect(await again.session.command(check)).toContain("=0=");
  });

  it("pmem: Linux's root with DAX, which has after a power cut what was synced", {
    timeout: 4 * LIMIT_MS,
  }, async () => {
    const backend = new MemoryBlockBackend({ sectors: (32 * MIB) / 512 });
    const maker = await bootWithPmem(backend);
    await maker.session.compile(MAPPED_FILE, "/tmp/mapped-file");
    // A program that is mapped privately and one that shares libraries, which are mapped too.
    const made = await maker.session.command(
      "mkfs.ext4 -q -b 4096 /dev/pmem0 && mkdir -p /mnt/p && mount /dev/pmem0 /mnt/p && cd /mnt/p && " +
        "mkdir bin dev lib proc old && cp $(which busybox) /tmp/mapped-file bin/ && ln -s busybox bin/sh && " +
        "cp /lib/ld-linux-riscv64-lp64d.so.1 /lib/riscv64-linux-gnu/libc.so.6 lib/ && cd / && " +
        "umount /mnt/p && echo ma''de",
    );
    expect(made).toContain("made");

    const enter =
      "mkdir -p /mnt/p; mount -o dax /dev/pmem0 /mnt/p; cd /mnt/p; mount --move /dev dev; " +
      "mount -t proc proc proc; pivot_root . old; umount -l old; exec chroot . bin/sh";
    const boot = async () => {
      const booted = await bootWithPmem(backend, "console=hvc0 quiet init=/bin/sh");
      booted.session.type(`${enter}\r`);
      await booted.session.command("export PATH=/bin; busybox --install -s /bin");
      return booted;
    };
    const { session, device } = await boot();
    expect(await session.command("grep ' / ' /proc/mounts; echo pid $$")).toMatch(
      /^\/dev\/pmem0 \/ ext4 rw.*dax=always[\s\S]*pid 1\r/m,
    );
    await session.command("head -c 3000000 /dev/urandom > /data; mkdir /kept; sync");
    const sum = /[0-9a-f]{64}/.exec(await session.command("sha256sum < /data"))?.[0];
    // Programs end, and what they have mapped is unmapped, one that another one runs meanwhile included.
    expect(await session.command("for i in 1 2 3; do mapped-file /kept/map; done")).toMatch(
      /(mapped ok\r\n){3}/,
    );
    expect(await session.command("head -c 12 /kept/map; sync")).toContain("by a request");
    expect(device.counters()).toMatchObject({ failedFlushes: 0, unsavedPages: 0 });
    expect(await session.output("dmesg | grep -E 'Bad page|BUG|WARNING|Oops'")).toBe("");
    await session.command("echo lost > /not-synced");

    // Nothing of the first machine is left but its disk.
    const again = await boot();
    expect(await again.session.command("sha256sum < /data; ls -d /kept")).toMatch(
      new RegExp(`${sum}[^]*/kept`),
    );
    expect(await again.session.command("ls /not-synced")).toContain("No such file");
    expect(await again.session.command("head -c 12 /kept/map")).toContain("by a request");
    await again.session.command("echo again > /kept/note; sync");
    expect(again.device.counters()).toMatchObject({ failedFlushes: 0, unsavedPages: 0 });
    expect(await again.session.output("dmesg | grep -E 'Bad page|BUG|WARNING|Oops'")).toBe("");
  });

  it("mem: memory comes while Linux runs and is used", {
    timeout: 3 * LIMIT_MS,
  }, async () => {
    const { session, device } = await bootWithMem(2);
    const before = await memory(session, "MemTotal");
    device.requested = MEM_SECTION_BYTES;
    await session.runUntil(() => device.plugged === MEM_SECTION_BYTES, "plugging");
    await session.command("sleep 1");
    expect((await memory(session, "MemTotal")) - before).toBe(MEM_SECTION_BYTES);
    // More than there was before must have been kept in what came.
    await session.command("mkdir /tmp/m; mount -t tmpfs -o size=150m none /tmp/m");
    const filled = await session.command(
      "head -c 140000000 /dev/zero | tr '\\0' x > /tmp/m/x; md5sum < /tmp/m/x; free",
    );
    const sum = /[0-9a-f]{32}/.exec(filled)?.[0];
    expect(await session.command("md5sum < /tmp/m/x; umount /tmp/m")).toContain(sum);
  });

  it("mem: several sections go and come again while Linux runs", {
    timeout: 5 * LIMIT_MS,
  }, async () => {
    const { session, device } = await bootWithMem(4);
    const before = await memory(session, "MemTotal");
    const sum = async () => /[0-9a-f]{32}/.exec(await session.command("md5sum < /tmp/m/x"))?.[0];
    let kept: string | undefined;
    for (const sections of [4, 3, 1, 2, 0, 4, 0]) {
      device.requested = sections * MEM_SECTION_BYTES;
      await session.runUntil(() => device.plugged === device.requested, `${sections} sections`);
      await session.command("sleep 1");
      const now = await memory(session, "MemTotal");
      expect([sections, now - before]).toEqual([sections, sections * MEM_SECTION_BYTES]);
      // What is kept in memory moves with what goes.
      if (kept === undefined) {
        const fill = "head -c 20000000 /dev/urandom > /tmp/m/x";
        await session.command(`mkdir /tmp/m; mount -t tmpfs none /tmp/m; ${fill}`);
        kept = await sum();
      }
      expect(await sum()).toBe(kept);
    }
    expect(device.counters().refusals).toBe(0);
    expect(await session.command("dmesg")).not.toMatch(/Oops|BUG:|Bad page|virtio_mem.*error/);
  });
});
