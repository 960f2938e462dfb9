import { describe, expect, it } from "vitest";
import { buildSynOptions, parseTcpOptions, TcpFlag, type TcpSegment } from "../../wire/tcp.ts";
import {
  HALF_CLOSED_IDLE_MS,
  IDLE_MS,
  KEEPALIVE_IDLE_MS,
  KEEPALIVE_PROBES,
  MSS,
  MSS_MIN,
  type OutgoingSegment,
  TcpConnection,
  TIME_WAIT_MS,
} from "./connection.ts";
import { RECEIVE_BUFFER_BYTES, RECEIVE_WINDOW_SHIFT } from "./receiver.ts";
import { SEND_BUFFER_BYTES } from "./sender.ts";

const GUEST = 1000;
const OURS = 5000;
const { syn, ack, fin, rst } = TcpFlag;

type Fields = Partial<Pick<TcpSegment, "sequence" | "acknowledgment" | "window" | "options">>;

function setUp(options = { mss: MSS, windowScale: 7, sackPermitted: true }) {
  const sent: OutgoingSegment[] = [];
  const calls: string[] = [];
  const host = {
    written: [] as number[],
    pendingBytes: 0,
    hasRoom: true,
    write: (bytes: Uint8Array) => {
      for (const byte of bytes) host.written.push(byte);
    },
    end: () => void calls.push("end"),
    reset: () => void calls.push("reset"),
    pause: () => void calls.push("pause"),
    resume: () => void calls.push("resume"),
  };
  const time = { ms: 0 };
  const segment = (flags: number, data: number[] = [], fields: Fields = {}): TcpSegment => ({
    sourcePort: 1,
    destinationPort: 2,
    sequence: GUEST + 1,
    acknowledgment: OURS + 1,
    flags,
    window: 1000,
    options: new Uint8Array(0),
    payload: Uint8Array.from(data),
    ...fields,
  });
  const first = segment(syn, [], { sequence: GUEST, options: buildSynOptions(options) });
  const emit = (out: OutgoingSegment) => sent.push(out) > 0;
  const connection = new TcpConnection(first, OURS, host, emit, 0);
  const receive = (flags: number, data?: number[], fields?: Fields) => {
    connection.receive(segment(flags, data, fields), time.ms);
    connection.flush(time.ms);
  };
  const wait = (ms: number) => {
    time.ms += ms;
    connection.tick(time.ms);
  };
  const open = () => {
    receive(ack);
    sent.length = 0;
  };
  return { connection, host, calls, sent, receive, wait, open, time };
}

describe("the handshake", () => {
  it("answers with the options that the guest offered", () => {
    const { sent, connection } = setUp();
    expect(sent).toMatchObject([
      { sequence: OURS, acknowledgment: GUEST + 1, flags: syn | ack, window: 65_535 },
    ]);
    expect(parseTcpOptions(sent[0].options)).toEqual({
      mss: MSS,
      windowScale: RECEIVE_WINDOW_SHIFT,
      sackPermitted: true,
    });
    expect(connection.state).toBe("handshake");
  });

  it("lets the host's bytes come only once it is over", () => {
    const { connection, calls, receive } = setUp();
    expect(calls).toEqual([]);
    receive(ack);
    expect(connection.state).toBe("open");
    expect(calls).toEqual(["resume"]);
  });

  it("repeats its answer, and gives up", () => {
    const { sent, wait, calls, connection } = setUp();
    for (const ms of [1000, 2000, 4000, 8000]) wait(ms);
    expect(sent.length).toBe(5);
    wait(16_000);
    expect(sent.at(-1)?.flags).toBe(rst | ack);
    expect(calls).toEqual(["reset"]);
    expect(connection.state).toBe("closed");
  });

  it("resets a wrong acknowledgment, and goes on", () => {
    const { sent, receive, connection } = setUp();
    receive(ack, [], { acknowledgment: OURS });
    expect(sent.at(-1)).toMatchObject({ flags: rst, sequence: OURS });
    receive(ack);
    expect(connection.state).toBe("open");
  });

  it("keeps the segments to a guest without or with a tiny MSS at a useful size", () => {
    const { connection, sent, open, time } = setUp({ mss: 1, windowScale: 7, sackPermitted: true });
    open();
    connection.hostData(new Uint8Array(1000), 0);
    connection.flush(time.ms);
    expect(sent.at(-1)).toMatchObject({ length: 1000, segmentSize: MSS_MIN });
  });
});

describe("data", () => {
  it("from the guest is written and acknowledged after the burst", () => {
    const { sent, host, receive, open } = setUp();
    open();
    receive(ack, [1, 2]);
    receive(ack, [3], { sequence: GUEST + 3 });
    expect(host.written).toEqual([1, 2, 3]);
    expect(sent.map((s) => s.acknowledgment)).toEqual([GUEST + 3, GUEST + 4]);
  });

  it("that is early is acknowledged again at once, with the range", () => {
    const { sent, receive, open } = setUp();
    open();
    receive(ack, [9], { sequence: GUEST + 5 });
    expect(sent).toMatchObject([{ acknowledgment: GUEST + 1, flags: ack }]);
    expect(sent[0].options.length).toBe(12);
  });

  it("from the host pauses it when the buffer is full, until the guest takes some", () => {
    const { connection, calls, receive, open } = setUp();
    open();
    calls.length = 0;
    connection.hostData(new Uint8Array(SEND_BUFFER_BYTES - 65_536), 0);
    expect(calls).toEqual([]);
    connection.hostData(new Uint8Array(1), 0);
    expect(calls).toEqual(["pause"]);
    connection.flush(0);
    receive(ack, [], { acknowledgment: OURS + 1 + MSS });
    expect(calls).toEqual(["pause", "resume"]);
  });

  it("from a host that had to wait is followed by more, for which a small rest waits", () => {
    const { connection, sent, receive, open } = setUp();
    open();
    const total = SEND_BUFFER_BYTES - 65_535;
    connection.hostData(new Uint8Array(total), 0);
    connection.flush(0);
    const sentBytes = () => sent.reduce((sum, { length }) => sum + length, 0);
    const acknowledge = (upTo: number) => receive(ack, [], { acknowledgment: OURS + 1 + upTo });
    // One byte is always in flight.
    for (let before = 0; sentBytes() > before; acknowledge(before - 1)) before = sentBytes();
    expect(sentBytes()).toBeLessThan(total);
    expect(sentBytes()).toBeGreaterThan(total - 65_536);
    acknowledge(sentBytes());
    expect(sentBytes()).toBe(total);
  });

  it("from the host is sent after the burst, as large as it goes", () => {
    const { connection, sent, open } = setUp();
    open();
    connection.hostData(new Uint8Array(3000), 0);
    connection.hostData(new Uint8Array(3000), 0);
    expect(sent).toEqual([]);
    connection.flush(0);
    expect(sent).toMatchObject([{ length: 6000, segmentSize: MSS }]);
  });

  it("that waits for the host closes the window, which reopens by itself", () => {
    const { connection, sent, host, receive, open } = setUp();
    open();
    host.pendingBytes = RECEIVE_BUFFER_BYTES;
    const taken = 300 * 1024;
    receive(ack, Array(taken).fill(1));
    expect(sent.at(-1)?.window).toBe((RECEIVE_BUFFER_BYTES - taken) >> RECEIVE_WINDOW_SHIFT);
    host.pendingBytes = 0;
    connection.flush(0);
    expect(sent.at(-1)?.window).toBe(RECEIVE_BUFFER_BYTES >> RECEIVE_WINDOW_SHIFT);
  });
});

describe("the end", () => {
  it("by the guest first leaves nothing behind", () => {
    const { connection, sent, calls, receive, open } = setUp();
    open();
    receive(ack | fin, [1]);
    expect(calls).toEqual(["resume", "end"]);
    expect(sent.at(-1)?.acknowledgment).toBe(GUEST + 3);
    connection.hostData(Uint8Array.of(1, 2), 0);
    connection.hostEnd(0);
    expect(sent.slice(-2)).toMatchObject([{ length: 2 }, { flags: ack | fin, sequence: OURS + 3 }]);
    receive(ack, [], { sequence: GUEST + 3, acknowledgment: OURS + 4 });
    expect(connection.state).toBe("closed");
  });

  it("by the host first waits to answer a repeated FIN", () => {
    const { connection, sent, receive, wait, open } = setUp();
    open();
    connection.hostEnd(0);
    receive(ack, [], { acknowledgment: OURS + 2 });
    receive(ack | fin, [], { acknowledgment: OURS + 2 });
    expect(connection.state).toBe("time-wait");
    sent.length = 0;
    receive(ack | fin, [], { acknowledgment: OURS + 2 });
    expect(sent).toMatchObject([{ flags: ack, acknowledgment: GUEST + 2 }]);
    wait(TIME_WAIT_MS);
    expect(connection.state).toBe("closed");
  });

  it("by a reset needs the exact number", () => {
    const { connection, sent, calls, receive, open } = setUp();
    open();
    receive(rst, [], { sequence: GUEST + 2 });
    expect(connection.state).toBe("open");
    expect(sent).toMatchObject([{ flags: ack }]);
    receive(rst, [], { sequence: GUEST + 2 * RECEIVE_BUFFER_BYTES });
    expect(sent.length).toBe(1);
    receive(rst, [], { sequence: GUEST + 1 });
    expect(connection.state).toBe("closed");
    expect(calls).toEqual(["resume", "reset"]);
  });

  it("by a failure of the host resets the guest", () => {
    const { connection, sent, open } = setUp();
    open();
    connection.abort();
    connection.abort();
    expect(sent).toMatchObject([{ flags: rst | ack, sequence: OURS + 1 }]);
    expect(connection.state).toBe("closed");
  });
});

describe("strange segments", () => {
  it("are answered with an acknowledgment and change nothing", () => {
    const { connection, sent, host, receive, open } = setUp();
    open();
    receive(syn, [], { sequence: GUEST });
    receive(ack, [1], { sequence: GUEST - 5 });
    receive(ack, [1], { sequence: GUEST + 2_000_000 });
    receive(ack, [1], { acknowledgment: OURS + 500 });
    expect(sent).toMatchObject(Array(4).fill({ flags: ack, acknowledgment: GUEST + 1 }));
    expect(host.written).toEqual([]);
    expect(connection.state).toBe("open");
  });

  it("without any flag are ignored", () => {
    const { sent, receive, open } = setUp();
    open();
    receive(0, [1]);
    expect(sent).toEqual([]);
  });
});

describe("silence", () => {
  it("of the guest is met with probes, and then given up", () => {
    const { connection, sent, calls, wait, open } = setUp();
    open();
    wait(KEEPALIVE_IDLE_MS - 1);
    expect(sent).toEqual([]);
    wait(1);
    expect(sent).toMatchObject([{ flags: ack, sequence: OURS }]);
    for (let i = 1; i < KEEPALIVE_PROBES; i += 1) wait(60_000);
    expect(sent.length).toBe(KEEPALIVE_PROBES);
    expect(connection.state).toBe("open");
    wait(60_000);
    expect(connection.state).toBe("closed");
    expect(calls.at(-1)).toBe("reset");
  });

  it("of both sides ends after two hours, though the guest answers probes", () => {
    const { connection, receive, wait, open, time } = setUp();
    open();
    while (time.ms < IDLE_MS - 60_000) {
      wait(60_000);
      receive(ack);
    }
    expect(connection.state).toBe("open");
    wait(60_000);
    expect(connection.state).toBe("closed");
  });

  it("ends a half-closed connection after four minutes", () => {
    const { connection, receive, wait, open } = setUp();
    open();
    receive(ack | fin);
    wait(HALF_CLOSED_IDLE_MS - 1);
    expect(connection.state).toBe("open");
    wait(1);
    expect(connection.state).toBe("closed");
  });
});
