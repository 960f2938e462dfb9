import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputQueue, MAX_INPUT_BYTES } from "./input-queue.ts";
import { MAX_BACKLOG, OutputPipe } from "./output-pipe.ts";
import { OUTPUT_WINDOW } from "./protocol.ts";

const join = (parts: readonly Uint8Array[]) => parts.flatMap((part) => [...part]);

describe("OutputPipe", () => {
  it("posts one batch for many writes", () => {
    const posted: Uint8Array[] = [];
    const pipe = new OutputPipe((bytes) => posted.push(bytes));
    pipe.write(Uint8Array.of(1, 2));
    pipe.write(Uint8Array.of(3));
    pipe.flush();
    pipe.flush();
    expect(posted).toEqual([Uint8Array.of(1, 2, 3)]);
  });

  it("never has more than the window on its way, and goes on as output is shown", () => {
    let onWay = 0;
    const pipe = new OutputPipe((bytes) => {
      onWay += bytes.length;
      expect(onWay).toBeLessThanOrEqual(OUTPUT_WINDOW);
    });
    const chunk = new Uint8Array(100_000);
    for (let i = 0; i < 5; i++) pipe.write(chunk);
    pipe.flush();
    expect(onWay).toBe(OUTPUT_WINDOW);
    expect(pipe.isFull).toBe(true);
    for (let shown = 0; shown < 500_000; shown += 50_000) {
      onWay -= 50_000;
      pipe.shown(50_000);
    }
    expect(onWay).toBe(0);
    expect(pipe.isFull).toBe(false);
  });

  it("is choked at the end of its backlog", () => {
    const pipe = new OutputPipe(() => {});
    pipe.write(new Uint8Array(OUTPUT_WINDOW));
    pipe.flush();
    pipe.write(new Uint8Array(MAX_BACKLOG - 1));
    pipe.flush();
    expect(pipe.isChoked).toBe(false);
    pipe.write(new Uint8Array(1));
    expect(pipe.isChoked).toBe(true);
    pipe.shown(OUTPUT_WINDOW);
    expect(pipe.isChoked).toBe(false);
  });

  it("keeps every byte in order whatever the sizes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 })),
        fc.array(fc.nat(60)),
        (writes, acks) => {
          const posted: Uint8Array[] = [];
          const pipe = new OutputPipe((bytes) => posted.push(bytes));
          writes.forEach((bytes, i) => {
            pipe.write(bytes);
            if (i % 2 === 0) pipe.flush();
            pipe.shown(acks[i] ?? 0);
          });
          pipe.flush();
          expect(join(posted)).toEqual(join(writes));
        },
      ),
    );
  });
});

describe("InputQueue", () => {
  it("delivers a paste whole to a guest that takes a few bytes at a time", () => {
    const taken: Uint8Array[] = [];
    let room = 0;
    const queue = new InputQueue((bytes) => {
      const count = Math.min(room, bytes.length);
      taken.push(bytes.slice(0, count));
      room -= count;
      return count;
    });
    const paste = Uint8Array.from({ length: 5000 }, (_, i) => i);
    queue.put(paste);
    queue.put(Uint8Array.of(3));
    for (let i = 0; i < 800; i++) {
      room = 7;
      queue.offer();
    }
    expect(join(taken)).toEqual([...paste, 3]);
  });

  it("delivers once to a guest that has room again while it takes", () => {
    const taken: number[] = [];
    const queue: InputQueue = new InputQueue((bytes) => {
      const part = bytes.slice(0, 3);
      taken.push(...part);
      queue.offer();
      return part.length;
    });
    queue.put(Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
    expect(taken).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("refuses what is beyond its limit, whole", () => {
    const queue = new InputQueue(() => 0);
    expect(queue.put(new Uint8Array(MAX_INPUT_BYTES))).toBe(true);
    expect(queue.put(new Uint8Array(1))).toBe(false);
    queue.clear();
    expect(queue.put(new Uint8Array(1))).toBe(true);
  });
});
