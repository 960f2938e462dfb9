import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PACKET_PROTOCOL } from "../packet/header.ts";
import {
  DRAIN_CHECK_MS,
  FIRST_RETRY_MS,
  LAST_RETRY_MS,
  MAX_BUFFERED_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_STALLED_CHECKS,
  SILENCE_CHECK_MS,
  type Socket,
  WebSocketNet,
} from "./websocket-net.ts";

class FakeSocket implements Socket {
  binaryType = "blob";
  protocol = "";
  bufferedAmount = 0;
  onopen: (() => void) | null = null;
  onclose: ((event: { reason: string }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: Uint8Array[] = [];
  readonly asked: readonly string[];
  isClosed = false;
  constructor(asked: readonly string[]) {
    this.asked = asked;
  }
  /** The relay agrees to the first protocol, or to none. */
  open(protocol = ""): void {
    this.protocol = protocol;
    this.onopen?.();
  }
  send(data: Uint8Array<ArrayBuffer>): void {
    this.sent.push(data);
  }
  close(): void {
    this.isClosed = true;
    this.onclose?.({ reason: "" });
  }
}

let sockets: FakeSocket[];
let frames: Uint8Array[];
let packets: Uint8Array[];
let links: string[];
let drains: number;

function start(): WebSocketNet {
  return new WebSocketNet({
    url: "ws://relay/lan/default",
    connect: (_url, protocols) => {
      sockets.push(new FakeSocket(protocols));
      return sockets.at(-1)!;
    },
    random: () => 0.999,
    onFrame: (frame) => frames.push(frame),
    onPacket: (packet) => packets.push(packet),
    onLink: (up, reason) => links.push(up ? "up" : `down: ${reason}`),
    onDrain: () => drains++,
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  [sockets, frames, packets, links] = [[], [], [], []];
  drains = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

describe("WebSocketNet", () => {
  it("carries one frame per binary message, both ways", () => {
    const net = start();
    sockets[0].onopen?.();
    expect(net.send(new Uint8Array(60).fill(3))).toBe(true);
    expect(sockets[0].sent).toEqual([new Uint8Array(60).fill(3)]);
    sockets[0].onmessage?.({ data: new Uint8Array([1, 2]).buffer });
    expect(frames).toEqual([new Uint8Array([1, 2])]);
    expect(links).toEqual(["up"]);
  });

  it("loses frames without a link, and takes only frames from the relay", () => {
    const net = start();
    expect(net.send(new Uint8Array(60))).toBe(true);
    expect(sockets[0].sent).toEqual([]);
    sockets[0].onopen?.();
    sockets[0].onmessage?.({ data: "text" });
    sockets[0].onmessage?.({ data: new ArrayBuffer(MAX_MESSAGE_BYTES + 1) });
    expect(frames).toEqual([]);
  });

  it("makes the guest wait while the socket is full", () => {
    const net = start();
    sockets[0].onopen?.();
    sockets[0].bufferedAmount = MAX_BUFFERED_BYTES;
    expect(net.send(new Uint8Array(60))).toBe(false);
    vi.advanceTimersByTime(10 * DRAIN_CHECK_MS);
    expect(drains).toBe(0);
    sockets[0].bufferedAmount = 0;
    vi.advanceTimersByTime(10 * DRAIN_CHECK_MS);
    expect(drains).toBe(1);
    sockets[0].bufferedAmount = MAX_BUFFERED_BYTES;
    net.send(new Uint8Array(60));
    sockets[0].onclose?.({ reason: "" });
    vi.advanceTimersByTime(DRAIN_CHECK_MS);
    expect(drains).toBe(2);
  });

  it("comes back after a loss, waiting longer each time up to the limit", () => {
    start();
    let wait = FIRST_RETRY_MS;
    for (let i = 1; i < 10; i++) {
      // With the subprotocol, and at once without it.
      sockets.at(-1)?.onclose?.({ reason: "" });
      expect(sockets).toHaveLength(2 * i);
      sockets.at(-1)?.onclose?.({ reason: "" });
      vi.advanceTimersByTime(wait / 2);
      expect(sockets).toHaveLength(2 * i);
      vi.advanceTimersByTime(wait / 2);
      expect(sockets).toHaveLength(2 * i + 1);
      wait = Math.min(wait * 2, LAST_RETRY_MS);
    }
    expect(wait).toBe(LAST_RETRY_MS);
    sockets.at(-1)?.open();
    sockets.at(-1)?.onmessage?.({ data: new ArrayBuffer(60) });
    sockets.at(-1)?.onclose?.({ reason: "" });
    vi.advanceTimersByTime(FIRST_RETRY_MS);
    expect(sockets).toHaveLength(20);
  });

  it("tells why the link is down", () => {
    start();
    sockets[0].onclose?.({ reason: "" });
    sockets[1].onclose?.({ reason: "" });
    vi.advanceTimersByTime(FIRST_RETRY_MS);
    sockets[2].open();
    sockets[2].onclose?.({ reason: "LAN full" });
    expect(links).toEqual(["down: no relay answers", "up", "down: LAN full"]);
  });

  it("connects at once when told to, and never again once closed", () => {
    const net = start();
    net.retryNow();
    expect(sockets).toHaveLength(1);
    sockets[0].open();
    sockets[0].onclose?.({ reason: "" });
    net.retryNow();
    expect(sockets).toHaveLength(2);
    net.close();
    vi.advanceTimersByTime(10 * LAST_RETRY_MS);
    expect(sockets).toHaveLength(2);
  });

  it("reports an address that is none and does not try again", () => {
    new WebSocketNet({
      url: "nonsense",
      connect: () => {
        throw new SyntaxError("bad");
      },
      random: () => 0,
      onFrame: () => {},
      onPacket: () => {},
      onLink: (up, reason) => links.push(`${up} ${reason}`),
      onDrain: () => {},
    });
    vi.advanceTimersByTime(LAST_RETRY_MS);
    expect(links).toEqual(["false nonsense is not the address of a relay"]);
  });
});

describe("packets", () => {
  it("are what a relay that knows them sends and gets", () => {
    const net = start();
    expect(sockets[0].asked).toEqual([PACKET_PROTOCOL]);
    sockets[0].open(PACKET_PROTOCOL);
    expect(net.takesPackets).toBe(true);
    sockets[0].onmessage?.({ data: new ArrayBuffer(72) });
    expect([frames.length, packets.length]).toEqual([0, 1]);
    sockets[0].close();
    expect(net.takesPackets).toBe(false);
  });

  it("are done without when the relay does not, whether it says so or refuses", () => {
    const net = start();
    sockets[0].close();
    expect(sockets[1].asked).toEqual([]);
    sockets[1].open();
    expect(net.takesPackets).toBe(false);
    sockets[1].onmessage?.({ data: new ArrayBuffer(60) });
    expect([frames.length, packets.length]).toEqual([1, 0]);
    expect(links).toEqual(["up"]);
    // What has worked is tried first.
    sockets[1].close();
    vi.advanceTimersByTime(FIRST_RETRY_MS);
    expect(sockets[2].asked).toEqual([]);
  });
});

describe("a relay that is gone without a word", () => {
  it("is given up when it gives no sign of life", () => {
    start();
    sockets[0].open(PACKET_PROTOCOL);
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(SILENCE_CHECK_MS);
      sockets[0].onmessage?.({ data: "alive" });
    }
    expect(links).toEqual(["up"]);
    vi.advanceTimersByTime(2 * SILENCE_CHECK_MS);
    expect(links).toEqual(["up", "down: the relay fell silent"]);
    expect(sockets[0].isClosed).toBe(true);
    vi.advanceTimersByTime(FIRST_RETRY_MS);
    expect(sockets).toHaveLength(2);
    sockets[1].open(PACKET_PROTOCOL);
    expect(links.at(-1)).toBe("up");
  });

  it("may be silent when it is one of plain frames", () => {
    start();
    sockets[0].open();
    vi.advanceTimersByTime(10 * SILENCE_CHECK_MS);
    expect(links).toEqual(["up"]);
  });

  it("is given up when it takes nothing, and the guest goes on", () => {
    const net = start();
    sockets[0].open();
    sockets[0].bufferedAmount = 2 * MAX_BUFFERED_BYTES;
    expect(net.send(new Uint8Array(60))).toBe(false);
    vi.advanceTimersByTime(DRAIN_CHECK_MS * (MAX_STALLED_CHECKS - 1));
    sockets[0].bufferedAmount--;
    vi.advanceTimersByTime(DRAIN_CHECK_MS * (MAX_STALLED_CHECKS - 1));
    expect(links).toEqual(["up"]);
    vi.advanceTimersByTime(3 * DRAIN_CHECK_MS);
    expect(links).toEqual(["up", "down: the relay takes nothing"]);
    expect(drains).toBe(1);
  });
});
