import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isExpected } from "../../machine/testing/programs.ts";
import { NetDevice } from "../../virtio/devices/net.ts";
import { NetFeature } from "../../virtio/devices/net-spec.ts";
import { bit, Feature } from "../../virtio/spec.ts";
import { ManualDevice, taken } from "../../virtio/testing/manual-device.ts";
import { chromeTrace } from "./chrome-trace.ts";
import { jsonExport } from "./json-export.ts";
import { pcapng } from "./pcapng.ts";
import type { RequestReader } from "./reader.ts";
import { recordedDriver, STARTED_AT_MS } from "./testing/recorded-driver.ts";

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const BROADCAST = new Uint8Array(6).fill(255);
const HEADER = 12;
const SECONDS = 1_000_000;

const concatenate = (pieces: Iterable<Uint8Array>): Buffer => Buffer.concat([...pieces]);
const parse = (pieces: Iterable<Uint8Array>) => JSON.parse(concatenate(pieces).toString());
const everything = ({ recorder: { log } }: RequestReader): number[] =>
  Array.from({ length: log.end - log.first }, (_, i) => log.first + i);

/** An ARP request (`opcode` 1) or reply (2) in a frame of `length` bytes. */
function arp(opcode: number, length = 60): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(length);
  frame.set([...BROADCAST, ...MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, opcode]);
  frame.set([...MAC, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2], 22);
  return frame;
}

/** A network device of which each packet sent and received is recorded. */
function network(accept = ~bit(Feature.EVENT_IDX)) {
  const device = new NetDevice("net0", { send: () => true }, { mac: MAC, queuePairs: 1 });
  const recorded = recordedDriver(device, { accept });
  const [rx, tx] = recorded.driver.splitQueues;
  const send = (frame: Uint8Array, header = HEADER): void => {
    tx.add([new Uint8Array(header), frame], []);
    tx.kick();
    tx.poll();
  };
  /** Gives the device `count` buffers of `bytes` each, then has a frame arrive. */
  const receive = (frame: Uint8Array<ArrayBuffer>, count = 1, bytes = 2048): void => {
    for (let i = 0; i < count; i++) rx.add([], [bytes]);
    device.receive(frame);
    rx.poll();
  };
  return { ...recorded, device, rx, tx, send, receive };
}

interface Block {
  readonly type: number;
  readonly bytes: Buffer;
}

/** Cuts a file into its blocks, as a strict reader does. */
function blocksOf(file: Buffer): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < file.length; ) {
    const length = file.readUInt32LE(at + 4);
    expect(length % 4).toBe(0);
    expect(file.readUInt32LE(at + length - 4)).toBe(length);
    blocks.push({ type: file.readUInt32LE(at), bytes: file.subarray(at, at + length) });
    at += length;
  }
  return blocks;
}

const packetOf = ({ bytes }: Block) => {
  const length = bytes.readUInt32LE(20);
  return {
    ns: (BigInt(bytes.readUInt32LE(12)) << 32n) | BigInt(bytes.readUInt32LE(16)),
    data: bytes.subarray(28, 28 + length),
    whole: bytes.readUInt32LE(24),
    flags: bytes.readUInt32LE(28 + Math.ceil(length / 4) * 4 + 4),
  };
};

describe("pcapng", () => {
  it("has each packet once, with direction and time", () => {
    const { send, receive, clock, reader } = network();
    clock.us = 1.5 * SECONDS;
    send(arp(1, 61));
    clock.us = 2 * SECONDS + 0.25;
    receive(arp(2));
    const [section, description, ...packets] = blocksOf(
      concatenate(pcapng(reader, everything(reader))),
    );
    expect([section.type, description.type]).toEqual([0x0a0d0d0a, 1]);
    expect(description.bytes.toString("latin1")).toContain("net0");
    const start = BigInt(STARTED_AT_MS) * 1_000_000n;
    expect(packets.map(packetOf)).toEqual([
      { ns: start + 1_500_000_000n, data: Buffer.from(arp(1, 61)), whole: 61, flags: 2 },
      { ns: start + 2_000_000_250n, data: Buffer.from(arp(2)), whole: 60, flags: 1 },
    ]);
  });

  it("puts a packet together that came in several buffers", () => {
    const { receive, reader } = network();
    receive(arp(2, 1000), 4, 300);
    const packets = blocksOf(concatenate(pcapng(reader, everything(reader)))).slice(2);
    expect(packets.map((packet) => packetOf(packet).data)).toEqual([Buffer.from(arp(2, 1000))]);
  });

  it("knows the short header of a driver without VERSION_1", () => {
    const old = ~bit(Feature.EVENT_IDX) & ~bit(Feature.VERSION_1) & ~bit(NetFeature.MRG_RXBUF);
    const { send, reader } = network(old);
    send(arp(1), 10);
    const [, , packet] = blocksOf(concatenate(pcapng(reader, everything(reader))));
    expect(packetOf(packet).data).toEqual(Buffer.from(arp(1)));
  });

  it("leaves out what is no packet, and is a file without any", () => {
    const { tx, reader } = network();
    tx.add([new Uint8Array(5)], []);
    tx.kick();
    expect(blocksOf(concatenate(pcapng(reader, everything(reader))))).toHaveLength(1);
  });

  it("holds what a hostile driver makes of it", () => {
    const { rx, send, reader, device } = network();
    // Nothing but the device writes what is received; the number of buffers is its own.
    rx.add([Uint8Array.of(1, 2, 3)], [4]);
    device.receive(arp(1));
    for (let length = 0; length < 64; length++) send(new Uint8Array(length));
    expect(() => blocksOf(concatenate(pcapng(reader, everything(reader))))).not.toThrow();
  });

  it.skipIf(!isExpected("tshark"))("is read by tshark", () => {
    const { send, receive, reader } = network();
    send(arp(1));
    receive(arp(2, 1000), 4, 300);
    const folder = mkdtempSync(join(tmpdir(), "tabvisor-pcapng-"));
    const file = join(folder, "guest.pcapng");
    writeFileSync(file, concatenate(pcapng(reader, everything(reader))));
    const fields = ["frame.interface_name", "frame.packet_flags_direction", "arp.opcode"];
    const shown = ["-T", "fields", ...fields.flatMap((field) => ["-e", field])];
    const output = execFileSync("tshark", ["-r", file, ...shown], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    rmSync(folder, { recursive: true });
    const lines = output.trim().split("\n");
    expect(lines.map((line) => line.split("\t"))).toEqual([
      ["net0", expect.stringMatching(/2$/), "1"],
      ["net0", expect.stringMatching(/1$/), "2"],
    ]);
  });
});

/** Three requests that overlap; the first two have an interrupt together. */
function overlapping() {
  const device = new ManualDevice();
  const recorded = recordedDriver(device, { accept: ~bit(Feature.EVENT_IDX) });
  const { driver, clock, recorder, intid } = recorded;
  const [queue] = driver.queues;
  const take = () => {
    queue.add([Uint8Array.of(1)], [1]);
    return taken(device.queue.pop());
  };
  const first = take();
  clock.us = 10;
  const second = take();
  clock.us = 20;
  device.queue.push(second, 1);
  device.queue.push(first, 1);
  recorder.pulsed(intid);
  clock.us = 30;
  recorder.claimed(1, intid);
  clock.us = 35;
  recorder.completed(1, intid);
  clock.us = 40;
  take();
  return recorded;
}

describe("Chrome's trace", () => {
  interface TraceEvent {
    readonly ph: string;
    readonly name: string;
    readonly pid: number;
    readonly tid: number;
    readonly ts: number;
    readonly dur: number;
    readonly id: number;
    readonly args: { readonly seq?: number; readonly name?: string };
  }

  const eventsOf = (): TraceEvent[] => {
    const { reader } = overlapping();
    return parse(chromeTrace(reader, everything(reader))).traceEvents;
  };

  it("has rows in which no requests overlap", () => {
    const requests = eventsOf().filter(({ ph, args }) => ph === "X" && args?.seq !== undefined);
    expect(requests.map(({ pid, tid, ts, dur }) => [pid, tid, ts, dur])).toEqual([
      [4, 1, 0, 30],
      [4, 2, 10, 20],
      [4, 1, 40, 0],
    ]);
  });

  it("has each interrupt once, with arrows from all requests that it told of", () => {
    const events = eventsOf();
    expect(events.filter(({ name }) => name === "interrupt")).toEqual([
      expect.objectContaining({ ph: "X", pid: 1000, tid: 4, ts: 30, dur: 5 }),
    ]);
    expect(events.filter(({ ph }) => ph === "s").map(({ id }) => id)).toEqual([0, 1]);
    expect(events.filter(({ ph }) => ph === "f").map(({ id, ts }) => [id, ts])).toEqual([
      [0, 30],
      [1, 30],
    ]);
  });

  it("has each interrupt once though requests end in another order", () => {
    const device = new ManualDevice();
    const { driver, clock, recorder, reader, intid } = recordedDriver(device, {
      accept: ~bit(Feature.EVENT_IDX),
    });
    const [queue] = driver.queues;
    const chains = [1, 2, 3].map((byte) => {
      queue.add([Uint8Array.of(byte)], [1]);
      return taken(device.queue.pop());
    });
    for (const ended of [[chains[0], chains[2]], [chains[1]]]) {
      for (const chain of ended) device.queue.push(chain, 1);
      clock.us += 10;
      recorder.claimed(1, intid);
      recorder.completed(1, intid);
    }
    const events = parse(chromeTrace(reader, everything(reader))).traceEvents as TraceEvent[];
    const interrupts = events.filter(({ name }) => name === "interrupt");
    expect(interrupts.map(({ ts }) => ts)).toEqual([10, 20]);
  });

  it("has parts that end with the whole, for a reader that cuts times off at 1 ns", () => {
    const moments = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), {
      minLength: 5,
      maxLength: 5,
    });
    fc.assert(
      fc.property(moments, (times) => {
        const device = new ManualDevice();
        const { driver, clock, recorder, reader, intid } = recordedDriver(device, {
          accept: ~bit(Feature.EVENT_IDX),
        });
        const [kick, pop, push, claim, complete] = times.toSorted((a, b) => a - b);
        driver.queues[0].add([Uint8Array.of(1)], [1]);
        clock.us = kick;
        driver.queues[0].kick();
        clock.us = pop;
        const chain = taken(device.queue.pop());
        clock.us = push;
        device.queue.push(chain, 1);
        clock.us = claim;
        recorder.claimed(1, intid);
        clock.us = complete;
        recorder.completed(1, intid);
        const events = parse(chromeTrace(reader, everything(reader))).traceEvents as TraceEvent[];
        const ns = (us: number) => Math.trunc(us * 1000);
        const [whole, ...parts] = events
          .filter(({ ph, pid }) => ph === "X" && pid === 4)
          .map(({ ts, dur }) => [ns(ts), ns(ts) + ns(dur)]);
        let next = whole[0];
        for (const [from, to] of parts) {
          expect(from).toBe(next);
          next = to;
        }
        expect(next).toBe(whole[1]);
      }),
      { numRuns: 30 },
    );
  });

  it("names processes and rows once", () => {
    const names = eventsOf().filter(({ ph }) => ph === "M");
    expect(names.map(({ args }) => args.name)).toEqual([
      ...["slot 3 manual", "queue 0", "interrupts", "slot 3 manual", "queue 0 +1"],
    ]);
  });
});

describe("JSON", () => {
  it("has all that is known", () => {
    const { reader } = overlapping();
    const { version, startedAt, devices, requests } = parse(jsonExport(reader, everything(reader)));
    expect([version, startedAt]).toEqual([1, new Date(STARTED_AT_MS).toISOString()]);
    expect(devices).toEqual([{ slot: 3, type: 42, name: "manual" }]);
    expect(requests).toHaveLength(3);
    expect(requests[0]).toMatchObject({
      seq: 0,
      device: "manual",
      outcome: "done",
      readable: 1,
      written: 1,
      times: { pop: 0, push: 20, used: 20, pulse: 20, claim: 30, complete: 35 },
    });
    expect(requests[2]).toMatchObject({ outcome: "in-flight", times: { pop: 40 } });
  });
});
