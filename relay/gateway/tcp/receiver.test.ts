import { describe, expect, it } from "vitest";
import { RECEIVE_BUFFER_BYTES, RECEIVE_WINDOW_SHIFT, TcpReceiver } from "./receiver.ts";
import { advance } from "./sequence.ts";

const START = 0xffff_fff0;

function setUp(shift = RECEIVE_WINDOW_SHIFT) {
  const sink = {
    written: [] as number[],
    pendingBytes: 0,
    hasRoom: true,
    write: (bytes: Uint8Array) => {
      for (const byte of bytes) sink.written.push(byte);
    },
  };
  const receiver = new TcpReceiver(START, shift, sink);
  receiver.openWindow();
  const accept = (at: number, bytes: number[], fin = false) =>
    receiver.accept(advance(START, at), Uint8Array.from(bytes), fin);
  return { sink, receiver, accept };
}

describe("accept", () => {
  it("delivers in order, once", () => {
    const { sink, receiver, accept } = setUp();
    expect(accept(0, [0, 1])).toBe("ordered");
    expect(accept(0, [0, 1])).toBe("useless");
    expect(accept(4, [4, 5])).toBe("early");
    expect(accept(1, [1, 2, 3])).toBe("ordered");
    expect(sink.written).toEqual([0, 1, 2, 3, 4, 5]);
    expect(receiver.next).toBe(advance(START, 6));
  });

  it("ends with a FIN when all before it has come", () => {
    const { receiver, accept } = setUp();
    expect(accept(2, [2], true)).toBe("early");
    expect(receiver.finished).toBe(false);
    expect(accept(0, [0, 1])).toBe("ordered");
    expect(receiver.finished).toBe(true);
    expect(receiver.next).toBe(advance(START, 4));
    expect(accept(2, [2], true)).toBe("useless");
  });

  it("cuts what is beyond the window, a FIN included", () => {
    const { sink, receiver, accept } = setUp();
    sink.pendingBytes = RECEIVE_BUFFER_BYTES;
    accept(0, Array(RECEIVE_BUFFER_BYTES - 2).fill(7));
    const tail = RECEIVE_BUFFER_BYTES - 2;
    accept(tail, [1, 2, 3, 4], true);
    expect(sink.written.length).toBe(RECEIVE_BUFFER_BYTES);
    expect(receiver.finished).toBe(false);
    expect(receiver.openWindow()).toBe(0);
  });

  it("takes nothing while the host has no room for writes", () => {
    const { sink, receiver, accept } = setUp();
    sink.hasRoom = false;
    expect(accept(0, [1])).toBe("useless");
    expect(receiver.next).toBe(START);
    sink.hasRoom = true;
    expect(accept(0, [1])).toBe("ordered");
  });
});

describe("acceptable", () => {
  it("is what touches the window", () => {
    const { receiver } = setUp();
    const acceptable = (at: number, length: number) =>
      receiver.acceptable(advance(START, at), length);
    expect(acceptable(0, 0)).toBe(true);
    expect(acceptable(RECEIVE_BUFFER_BYTES, 0)).toBe(true);
    expect(acceptable(RECEIVE_BUFFER_BYTES + 1, 0)).toBe(false);
    expect(acceptable(-1, 0)).toBe(false);
    expect(acceptable(-5, 5)).toBe(false);
    expect(acceptable(-5, 6)).toBe(true);
    expect(acceptable(RECEIVE_BUFFER_BYTES - 1, 9)).toBe(true);
    expect(acceptable(RECEIVE_BUFFER_BYTES, 1)).toBe(false);
  });
});

describe("the window", () => {
  it("follows what waits for the host, and never moves back", () => {
    const { sink, receiver, accept } = setUp();
    expect(receiver.openWindow()).toBe(RECEIVE_BUFFER_BYTES);
    sink.pendingBytes = 1000;
    expect(receiver.openWindow()).toBe(RECEIVE_BUFFER_BYTES);
    accept(0, Array(1000).fill(1));
    expect(receiver.openWindow()).toBe(RECEIVE_BUFFER_BYTES - 1000);
  });

  it("is told again when a quarter of it has come free", () => {
    const { sink, receiver, accept } = setUp();
    sink.pendingBytes = RECEIVE_BUFFER_BYTES;
    accept(0, Array(RECEIVE_BUFFER_BYTES).fill(1));
    expect(receiver.shouldReopen).toBe(false);
    sink.pendingBytes = (RECEIVE_BUFFER_BYTES * 3) / 4 + 1;
    expect(receiver.shouldReopen).toBe(false);
    sink.pendingBytes -= 1;
    expect(receiver.shouldReopen).toBe(true);
    receiver.openWindow();
    expect(receiver.shouldReopen).toBe(false);
  });

  it("fits the field of a guest that cannot scale it", () => {
    expect(setUp(0).receiver.openWindow()).toBe(65_535);
  });
});
