import { describe, expect, it } from "vitest";
import { FLIGHT_BYTES, MAX_TIMEOUTS, SEND_BUFFER_BYTES, TcpSender } from "./sender.ts";
import { advance, distance } from "./sequence.ts";

const START = 0xffff_f000;
const MSS = 1000;

interface Sent {
  readonly at: number;
  readonly length: number;
  readonly fin: boolean;
}

function setUp(window = 1_000_000) {
  const sent: Sent[] = [];
  const lan = { full: false };
  const first = { sequence: 1, acknowledgment: START, window, pure: true };
  const sender = new TcpSender(
    START,
    { mss: MSS, burst: MSS },
    first,
    (sequence, _offset, length, { fin }) => {
      if (lan.full) return false;
      sent.push({ at: distance(sequence, START), length, fin });
      return true;
    },
  );
  const time = { ms: 0 };
  const ack = (upTo: number, newWindow = window) => {
    const acknowledgment = advance(START, upTo);
    const known = sender.acknowledge(
      { sequence: 1, acknowledgment, window: newWindow, pure: true },
      time.ms,
    );
    sender.pump(time.ms);
    return known;
  };
  const push = (bytes: number) => {
    sender.buffer.push(new Uint8Array(bytes));
    sender.pump(time.ms);
  };
  const wait = (ms: number) => {
    time.ms += ms;
    sender.tick(time.ms);
  };
  return { sender, sent, lan, ack, push, wait };
}

function places(sent: readonly Sent[]): number[] {
  return sent.map((segment) => segment.at);
}

describe("windows", () => {
  it("send the initial ten segments and more with each acknowledgment", () => {
    const { sent, push, ack } = setUp();
    push(30 * MSS);
    expect(sent.length).toBe(10);
    ack(2 * MSS);
    expect(sent.length).toBe(14);
  });

  it("stop at the guest's, and a small rest waits for its acknowledgment", () => {
    const { sent, push, ack } = setUp(1500);
    push(5 * MSS);
    expect(places(sent)).toEqual([0]);
    ack(MSS);
    expect(places(sent)).toEqual([0, 1000]);
  });

  it("keep what is buffered below its limit", () => {
    const { sender, push } = setUp();
    push(SEND_BUFFER_BYTES - 70_000);
    expect(sender.full).toBe(false);
    push(10_000);
    expect(sender.full).toBe(true);
  });

  it("keep less in flight than is buffered, so that the next packet waits for its place", () => {
    const { sent, push, ack } = setUp(2 * SEND_BUFFER_BYTES);
    push(SEND_BUFFER_BYTES);
    const inFlight = (acknowledged: number) => {
      ack(acknowledged);
      const last = sent.at(-1) ?? { at: 0, length: 0 };
      return last.at + last.length - acknowledged;
    };
    let acknowledged = 0;
    let most = 0;
    for (; acknowledged < SEND_BUFFER_BYTES; acknowledged += MSS) {
      most = Math.max(most, inFlight(acknowledged));
      push(MSS);
    }
    expect(most).toBeGreaterThan(FLIGHT_BYTES - MSS);
    expect(most).toBeLessThanOrEqual(FLIGHT_BYTES);
  });

  it("send a small rest at once, unless more is to come while something is in flight", () => {
    const { sender, sent, push, ack } = setUp();
    push(2 * MSS + 10);
    expect(sent.map(({ length }) => length)).toEqual([MSS, MSS, 10]);
    sender.expectsMore = true;
    push(20);
    expect(sent.length).toBe(3);
    ack(2 * MSS + 10);
    expect(sent.at(-1)).toEqual({ at: 2 * MSS + 10, length: 20, fin: false });
    push(30);
    expect(sent.length).toBe(4);
    sender.finish();
    sender.pump(0);
    expect(sent.slice(4).map(({ length }) => length)).toEqual([30, 0]);
  });

  it("that are shut are probed with one byte, forever while the guest answers", () => {
    const { sender, sent, push, wait, ack } = setUp(0);
    push(MSS);
    expect(sent).toEqual([]);
    for (let i = 0; i < 3 * MAX_TIMEOUTS; i += 1) {
      wait(8000);
      ack(0, 0);
    }
    expect(sent.length).toBe(3 * MAX_TIMEOUTS);
    expect(sent.every(({ at, length }) => at === 0 && length === 1)).toBe(true);
    expect(sender.exhausted).toBe(false);
    ack(0, 5000);
    expect(sent.at(-1)).toEqual({ at: 0, length: MSS, fin: false });
  });

  it("are not taken from an older segment", () => {
    const { sender, sent, push, ack } = setUp();
    push(30 * MSS);
    ack(MSS);
    const before = sent.length;
    sender.acknowledge({ sequence: 0, acknowledgment: START, window: 0, pure: true }, 0);
    ack(2 * MSS);
    expect(sent.length).toBeGreaterThan(before);
  });
});

describe("losses", () => {
  it("are repaired after three duplicates, one hole per acknowledgment", () => {
    const { sent, push, ack } = setUp();
    push(10 * MSS);
    ack(0);
    ack(0);
    expect(sent.length).toBe(10);
    ack(0);
    expect(places(sent.slice(10))).toEqual([0]);
    ack(4 * MSS);
    expect(places(sent.slice(11))).toEqual([4 * MSS]);
    ack(10 * MSS);
    expect(sent.length).toBe(12);
  });

  it("without duplicates are repaired after a timeout, from the first on", () => {
    const { sent, push, ack, wait } = setUp();
    push(5 * MSS);
    wait(999);
    expect(sent.length).toBe(5);
    wait(1);
    expect(places(sent.slice(5))).toEqual([0]);
    ack(MSS);
    expect(places(sent.slice(6))).toEqual([MSS, 2 * MSS]);
  });

  it("without end exhaust the sender", () => {
    const { sender, push, wait } = setUp();
    push(MSS);
    for (let i = 0; i < MAX_TIMEOUTS; i += 1) wait(8000);
    expect(sender.exhausted).toBe(false);
    wait(8000);
    expect(sender.exhausted).toBe(true);
  });

  it("are avoided when the LAN has no room: the rest goes later", () => {
    const { sent, lan, push, wait } = setUp();
    lan.full = true;
    push(3 * MSS);
    expect(sent).toEqual([]);
    lan.full = false;
    wait(20);
    expect(places(sent)).toEqual([0, 1000, 2000]);
  });
});

describe("FIN", () => {
  it("follows the data, is repeated, and is acknowledged", () => {
    const { sender, sent, push, ack, wait } = setUp();
    push(500);
    sender.finish();
    sender.pump(0);
    expect(sent).toEqual([
      { at: 0, length: 500, fin: false },
      { at: 500, length: 0, fin: true },
    ]);
    wait(1000);
    expect(sent.slice(2)).toEqual(sent.slice(0, 2));
    ack(500);
    expect(sender.finAcknowledged).toBe(false);
    ack(501);
    expect(sender.finAcknowledged).toBe(true);
    wait(60_000);
    expect(sent.length).toBe(4);
  });

  it("is sent into a shut window, once there is no data", () => {
    const { sender, sent } = setUp(0);
    sender.finish();
    sender.pump(0);
    expect(sent).toEqual([{ at: 0, length: 0, fin: true }]);
  });
});

it("refuses acknowledgments for what was never sent, and ignores old ones", () => {
  const { sender, push, ack } = setUp();
  push(MSS);
  expect(ack(MSS + 1)).toBe(false);
  expect(ack(MSS)).toBe(true);
  expect(ack(0)).toBe(true);
  expect(distance(sender.unacknowledged, START)).toBe(MSS);
});
