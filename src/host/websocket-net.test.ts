import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  DRAIN_CHECK_MS,
  FIRST_RETRY_MS,
  LAST_RETRY_MS,
  MAX_BUFFERED_BYTES,
  MAX_FRAME_BYTES,
  type Socket,
  WebSocketNet,
} from "./websocket-net.ts";

class FakeSocket implements Socket {
  binaryType = "blob";
  bufferedAmount = 0;
  onopen: (() => void) | null = null;
  onclose: ((event: { reason: string }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: Uint8Array[] = [];
  send(data: Uint8Array<ArrayBuffer>): void {
    this.sent.push(data);
  }
  close(): void {
    this.onclose?.({ reason: "" });
  }
}

let sockets: FakeSocket[];
let frames: Uint8Array[];
let links: string[];
let drains: number;

function start(): WebSocketNet {
  return new WebSocketNet({
    url: "ws://relay/lan/default",
    connect: () => {
      sockets.push(new FakeSocket());
      return sockets.at(-1)!;
    },
    random: () => 0.999,
    onFrame: (frame) => frames.push(frame),
    onLink: (up, reason) => links.push(up ? "up" : `down: ${reason}`),
    onDrain: () => drains++,
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  [sockets, frames, links] = [[], [], []];
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
    sockets[0].onmessage?.({ data: new ArrayBuffer(MAX_FRAME_BYTES + 1) });
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
      sockets.at(-1)?.onclose?.({ reason: "" });
      vi.advanceTimersByTime(wait / 2);
      expect(sockets).toHaveLength(i);
      vi.advanceTimersByTime(wait / 2);
      expect(sockets).toHaveLength(i + 1);
      wait = Math.min(wait * 2, LAST_RETRY_MS);
    }
    expect(wait).toBe(LAST_RETRY_MS);
    sockets.at(-1)?.onmessage?.({ data: new ArrayBuffer(60) });
    sockets.at(-1)?.onclose?.({ reason: "" });
    vi.advanceTimersByTime(FIRST_RETRY_MS);
    expect(sockets).toHaveLength(11);
  });

  it("tells why the link is down", () => {
    start();
    sockets[0].onclose?.({ reason: "" });
    vi.advanceTimersByTime(FIRST_RETRY_MS);
    sockets[1].onopen?.();
    sockets[1].onclose?.({ reason: "LAN full" });
    expect(links).toEqual(["down: no relay answers", "up", "down: LAN full"]);
  });

  it("connects at once when told to, and never again once closed", () => {
    const net = start();
    net.retryNow();
    expect(sockets).toHaveLength(1);
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
      onLink: (up, reason) => links.push(`${up} ${reason}`),
      onDrain: () => {},
    });
    vi.advanceTimersByTime(LAST_RETRY_MS);
    expect(links).toEqual(["false nonsense is not the address of a relay"]);
  });
});
