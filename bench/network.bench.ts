/**
 * `npm run bench:network`: how fast a guest's TCP is, to and from a server on this host. The embedded
 * Linux runs once in Node, through the relay and its gateway, all in this process, and once in QEMU
 * with its user networking. Both run the same program; the figures are medians.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEmbeddedGuest } from "../cli/embedded-guest.ts";
import { GuestShell } from "../cli/testing/guest-shell.ts";
import { NetGuest } from "../cli/testing/net-guest.ts";
import { listenOnLoopback } from "../relay/loopback-port.ts";
import { startRelay } from "../relay/server.ts";
import { median } from "./median.ts";

const BYTES = 200_000_000;
const RUNS = 5;
const BLOCK = Buffer.alloc(1 << 18);

/** A TCP server on loopback, and its port. */
async function serve(handle: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    handle(socket);
  });
  server.unref();
  return listenOnLoopback(server);
}

function pour(socket: Socket): void {
  let left = BYTES;
  const more = (): void => {
    while (left > 0) {
      left -= BLOCK.length;
      if (!socket.write(BLOCK)) {
        socket.once("drain", more);
        return;
      }
    }
    socket.end();
  };
  more();
}

/** Megabytes a second, to the host and from it. */
async function measure(shell: GuestShell, source: number, sink: number): Promise<number[]> {
  await shell.compile("net-load");
  const speeds: number[] = [];
  for (const [action, port] of [
    ["send", sink],
    ["receive", source],
  ] as const) {
    const runs: number[] = [];
    // The first run warms the translator up, which lives as long as the machine.
    for (let i = 0; i <= RUNS; i++) {
      const said = await shell.command(`/tmp/net-load ${action} 10.0.2.2 ${port} ${BYTES}`);
      const speed = Number(/([\d.]+) MB\/s/.exec(said)?.[1]);
      if (i > 0) runs.push(speed);
    }
    speeds.push(median(runs));
  }
  return speeds;
}

async function measureTabvisor(source: number, sink: number): Promise<number[]> {
  const relay = await startRelay({ port: 0, allow: [`host:${source}`, `host:${sink}`] });
  const guest = await NetGuest.boot(`${relay.url}lan/bench`);
  const speeds = await measure(guest, source, sink);
  guest.close();
  await relay.close();
  return speeds;
}

async function measureQemu(source: number, sink: number): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), "bench-"));
  const { kernel, initrd } = await readEmbeddedGuest();
  const files = { kernel: join(folder, "Image"), initrd: join(folder, "initramfs") };
  await writeFile(files.kernel, kernel);
  await writeFile(files.initrd, initrd);
  const qemu = spawn("qemu-system-riscv64", [
    ...["-M", "virt", "-m", "256", "-nographic", "-append", "console=ttyS0 quiet"],
    ...["-kernel", files.kernel, "-initrd", files.initrd],
    ...["-global", "virtio-mmio.force-legacy=false"],
    ...["-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n"],
  ]);
  const shell = new GuestShell((text) => void qemu.stdin.write(text));
  qemu.stdout.on("data", (bytes: Buffer) => shell.print(bytes.toString()));
  try {
    await shell.start();
    return await measure(shell, source, sink);
  } finally {
    qemu.kill();
    await rm(folder, { recursive: true });
  }
}

const source = await serve(pour);
const sink = await serve((socket) => void socket.resume());
for (const [name, run] of [
  ["tabvisor in Node", measureTabvisor],
  ["QEMU, user networking", measureQemu],
] as const) {
  const [send, receive] = await run(source, sink);
  console.log(`${name}: ${send} MB/s to the host, ${receive} MB/s from it`);
}
