/** Saves Linux, and has other machines go on with it. */
import { describe, expect, it } from "vitest";
import { MemoryTree } from "../virtio/devices/host-tree/memory-tree.ts";
import { MEM_REGION_ALIGNMENT, MemDevice } from "../virtio/devices/mem.ts";
import { NetDevice } from "../virtio/devices/net.ts";
import { VsockDevice } from "../virtio/devices/vsock.ts";
import type { VsockConnection } from "../virtio/devices/vsock-connection.ts";
import { VsockType } from "../virtio/devices/vsock-packet.ts";
import type { Machine } from "./machine.ts";
import { shareDevice } from "./share.ts";
import { smallDisk } from "./testing/linux-devices.ts";
import { hasGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";
import { VsockLinux } from "./testing/vsock-linux.ts";

const MIB = 1 << 20;
/** The guest mounts what is shared with it while its shell starts. */
const MOUNTED = "while ! grep -q /mnt/lent /proc/mounts; do sleep 0.05; done";
const PLUGGED = 128 * MIB;

/** The host's end of a socket: keeps what arrives, and says good-bye when the guest does. */
class Listener {
  connection: VsockConnection | undefined;
  isConnected = false;
  isClosed = false;
  received = 0;

  connected(): void {
    this.isConnected = true;
  }

  readable(): void {
    const { connection } = this;
    let part = connection?.read();
    for (; part !== undefined; part = connection?.read()) this.received += part.length;
    if (connection?.ended && !connection.isClosed) connection.close();
  }

  writable(): void {}

  closed(): void {
    this.readable();
    this.isClosed = true;
  }
}

/** Takes what the guest connects to a port. */
function listen({ device }: VsockLinux, port: number, type: VsockType): Listener {
  const listener = new Listener();
  device.listen(port, type, (connection) => {
    listener.connection = connection;
    return listener;
  });
  return listener;
}

/** Connects to a port that the guest listens at already. */
function dial({ device }: VsockLinux, port: number, type: VsockType): Listener {
  const listener = new Listener();
  listener.connection = device.connect(port, type, listener);
  return listener;
}

describe.skipIf(!hasGuest)("a saved Linux", () => {
  it("goes on with its shell, its disk and its clock", { timeout: LIMIT_MS }, async () => {
    const disk = smallDisk();
    const first = new LinuxSession({ disk });
    await first.until(PROMPT);
    await first.command("x=41; echo before > /mnt/file");
    const uptime = Number(await first.output("cut -d' ' -f1 /proc/uptime"));
    first.begin("i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done; echo $((i + x))");
    const file = await first.save();

    const second = await LinuxSession.restore(file, { disk });
    expect(await second.finished()).toContain("\n3041\r\n");
    const later = Number(await second.output("cut -d' ' -f1 /proc/uptime"));
    expect(later).toBeGreaterThan(uptime);
    expect(later).toBeLessThan(uptime + 60);
    expect(await second.output("cat /mnt/file; echo after >> /mnt/file; sync")).toBe("before");
    expect(await second.output("cat /mnt/file; dmesg | grep -ci 'error\\|stall'")).toMatch(
      /^before\nafter\n0$/,
    );

    // The second machine has changed the disk: nobody may go on with what the first remembers.
    await expect(LinuxSession.restore(file, { disk })).rejects.toThrow(/blk0 was changed/);
    await expect(LinuxSession.restore(file)).rejects.toThrow(/blk0 was changed/);
  });

  it("restarts as it was booted", { timeout: LIMIT_MS }, async () => {
    const first = new LinuxSession({ append: "console=hvc0 quiet tabvisor.disk=none" });
    await first.until(PROMPT);
    const second = await LinuxSession.restore(await first.save(), { append: "console=hvc0 quiet" });
    second.type("reboot -f\n");
    await second.runUntil(() => second.exits.length > 0, "reboot");
    expect(second.exits).toEqual([{ kind: "reboot" }]);
    second.machine.reset();
    await second.until(PROMPT);
    expect(await second.output("cat /proc/cmdline")).toBe("console=hvc0 quiet");
  });

  it("keeps what is plugged, and hears that its network is another", {
    timeout: LIMIT_MS,
  }, async () => {
    const sent: Uint8Array[] = [];
    const make = () => {
      const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
      const send = (frame: Uint8Array) => sent.push(frame.slice()) > 0;
      const devices = {
        net: new NetDevice("net0", { send }, { mac }),
        vsock: new VsockDevice("vsock0"),
      };
      const attach = (machine: Machine): void => {
        const window = machine.openWindow(PLUGGED, MEM_REGION_ALIGNMENT);
        const mem = new MemDevice("mem0", machine.memory, window);
        mem.requested = PLUGGED;
        for (const device of [devices.net, devices.vsock, mem]) machine.attach(device);
      };
      return { ...devices, attach, windowBytes: PLUGGED };
    };
    const [one, two] = [make(), make()];
    const append = "console=hvc0 quiet tabvisor.disk=none memhp_default_state=online_movable";
    const first = new LinuxSession({ ...one, append });
    await first.until(PROMPT);
    await first.command(
      "ip link set eth0 up; ip addr add 10.0.0.2/24 dev eth0; " +
        "while [ $(grep -o '[0-9]*' /proc/meminfo | head -1) -lt 200000 ]; do sleep 0.05; done",
    );
    const total = await first.output("grep MemTotal /proc/meminfo");
    expect(Number(/\d+/.exec(total)?.[0])).toBeGreaterThan(200 * 1024);
    const second = await LinuxSession.restore(await first.save(), { ...two, append });
    sent.length = 0;
    expect(
      await second.output("grep MemTotal /proc/meminfo; cat /sys/class/net/eth0/address"),
    ).toBe(`${total}\n02:00:00:00:00:01`);
    await second.command("head -c 20m /dev/zero | md5sum; arping -c 1 -w 1 -I eth0 10.0.0.1");
    expect(sent.length).toBeGreaterThan(0);
  });

  it("learns that its sockets lead nowhere any more, and opens others", {
    timeout: 2 * LIMIT_MS,
  }, async () => {
    const first = new VsockLinux();
    await first.start();
    const { STREAM, SEQPACKET } = VsockType;
    const accepted = [listen(first, 1234, STREAM), listen(first, 1234, SEQPACKET)];
    const begin = (n: number, what: string) => `./vs ${what} > out${n} 2>&1 & `;
    const untilAll = (line: string, n: number) =>
      `until [ $(cat out? | grep -c ${line}) = ${n} ]; do usleep 10000; done`;
    await first.session.command(
      begin(1, "connect stream 1234 sink") +
        begin(2, "connect seq 1234 sink") +
        begin(3, "listen stream 80 sink") +
        // Nobody has connected to this one, which listens on.
        begin(4, "listen stream 81 sink") +
        untilAll("listening", 2),
    );
    const dialled = dial(first, 80, STREAM);
    await first.session.command(untilAll("connected", 3));
    const file = await first.session.save();
    expect([...accepted, dialled].map(({ isClosed }) => isClosed)).toEqual([false, false, false]);

    const second = await VsockLinux.restore(file);
    const { session } = second;
    // It takes milliseconds; five seconds are the longest that this looks for it.
    const ended = "[ $(cat out? | grep -c 'read\\|sunk') = 3 ]";
    const outs = await session.output(
      `i=0; until ${ended} || [ $((i += 1)) = 50 ]; do usleep 100000; done; cat out?`,
    );
    const reset = "read: Connection reset by peer";
    // Linux has the readers of messages see an end instead.
    const ends = [reset, "sunk 0 wrong 0", reset].map((end) => `connected\n${end}\n`);
    expect(`${outs}\n`).toBe(`${ends[0]}${ends[1]}listening\n${ends[2]}listening\n`);

    const sender = dial(second, 81, STREAM);
    sender.connection?.send(new Uint8Array(1));
    sender.connection?.end();
    await session.command("until grep -q sunk out4; do usleep 10000; done");
    expect(await session.output("cat out4")).toBe("listening\nconnected\nsunk 1 wrong 0");
    const taker = listen(second, 1234, STREAM);
    expect(await session.command("./vs connect stream 1234 source 100000")).toContain("sourced");
    expect([sender.isClosed, taker.isClosed, taker.received]).toEqual([true, true, 100_000]);
  });

  it("is refused with files of a share in use, and goes on", { timeout: LIMIT_MS }, async () => {
    const make = (protocol: "virtiofs" | "9p") => {
      const tree = new MemoryTree({ nowMs: () => Date.now() });
      return (machine: Machine): void => {
        machine.attach(shareDevice("fs0", { protocol, tag: "lent" }, tree, machine));
      };
    };
    const append = "console=hvc0 quiet tabvisor.disk=none";
    const first = new LinuxSession({ attach: make("virtiofs"), append });
    await first.until(PROMPT);
    await first.command(MOUNTED);
    await first.command("echo hello > /mnt/lent/file; exec 3< /mnt/lent/file");
    await expect(first.save()).rejects.toThrow(/fs0 has files open in the guest/);
    await first.command("exec 3<&-");
    await expect(first.save()).rejects.toThrow(/fs0 has files that the guest remembers/);
    await first.command("umount /mnt/lent; mount -t virtiofs lent /mnt/lent");
    const second = await LinuxSession.restore(await first.save(), {
      attach: make("virtiofs"),
      append,
    });
    // Another tree is behind it now.
    expect(await second.output("echo new > /mnt/lent/other; ls /mnt/lent")).toBe("other");

    const third = new LinuxSession({ attach: make("9p"), append });
    await third.until(PROMPT);
    await third.command(MOUNTED);
    await expect(third.save()).rejects.toThrow(/fs0 is mounted in the guest/);
    await third.command("umount /mnt/lent");
    expect(await third.save()).not.toHaveLength(0);
  });
});
