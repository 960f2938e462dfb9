/**
 * `npm run bench:vsock`: how fast sockets carry bytes between the embedded Linux and its host, under
 * Node, and how long the guest takes to answer.
 */
import { VsockLinux } from "../src/machine/testing/vsock-linux.ts";
import type { VsockConnection, VsockHandler } from "../src/virtio/devices/vsock-connection.ts";
import { VsockType } from "../src/virtio/devices/vsock-packet.ts";
import { median } from "./median.ts";

const MIB = 1 << 20;
const BYTES = 64 * MIB;
const RUNS = 3;
const ROUND_TRIPS = 500;

/** Sends zeros, counts what comes, and closes when all is done. */
class Meter implements VsockHandler {
  connection!: VsockConnection;
  isConnected = false;
  isClosed = false;
  received = 0;
  messages = 0;
  #left: number;

  constructor(toSend = 0) {
    this.#left = toSend;
  }

  connected(): void {
    this.isConnected = true;
    if (this.#left > 0) this.writable();
  }

  readable(): void {
    for (let part = this.connection.read(); part !== undefined; part = this.connection.read()) {
      this.received += part.length;
      this.messages++;
    }
    if (this.connection.ended && !this.connection.isClosed) this.connection.close();
  }

  writable(): void {
    while (this.#left > 0) {
      this.#left -= CHUNK.length;
      if (!this.connection.send(CHUNK)) return;
    }
    this.connection.end();
  }

  closed(): void {
    this.isClosed = true;
  }
}

const CHUNK = new Uint8Array(64 * 1024);

async function toHost(linux: VsockLinux): Promise<number> {
  const meter = new Meter();
  const stop = linux.device.listen(90, VsockType.STREAM, (connection) => {
    meter.connection = connection;
    return meter;
  });
  linux.session.type(`./vs connect stream 90 pour ${BYTES}\n`);
  await linux.session.runUntil(() => meter.received > 0, "first byte");
  const ms = await timed(() => linux.session.runUntil(() => meter.isClosed, "end"));
  stop();
  return BYTES / MIB / (ms / 1000);
}

async function toGuest(linux: VsockLinux): Promise<number> {
  const meter = new Meter(BYTES);
  meter.connection = await linux.dial("./vs listen stream 91 drain", 91, VsockType.STREAM, meter);
  const ms = await timed(() => linux.session.finished());
  return BYTES / MIB / (ms / 1000);
}

/** Microseconds from a message to its echo. */
async function roundTrip(linux: VsockLinux): Promise<number> {
  const meter = new Meter();
  meter.connection = await linux.dial("./vs listen seq 92 echo", 92, VsockType.SEQPACKET, meter);
  await linux.session.runUntil(() => meter.isConnected, "answer");
  const ms = await timed(async () => {
    for (let i = 1; i <= ROUND_TRIPS; i++) {
      meter.connection.send(CHUNK.subarray(0, 64));
      while (meter.messages < i) linux.session.machine.runSlice(1);
    }
  });
  meter.connection.close();
  await linux.session.finished();
  return (ms * 1000) / ROUND_TRIPS;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const linux = new VsockLinux();
await linux.start();
for (const [what, unit, measure] of [
  ["guest to host", "MiB/s", toHost],
  ["host to guest", "MiB/s", toGuest],
  ["round trip of 64 bytes", "µs", roundTrip],
] as const) {
  const results: number[] = [];
  for (let run = 0; run < RUNS; run++) results.push(await measure(linux));
  const shown = results.map((result) => result.toFixed(0)).join(", ");
  process.stdout.write(`${what}: ${median(results).toFixed(0)} ${unit} (${shown})\n`);
}
process.exit(0);
