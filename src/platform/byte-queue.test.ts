import { expect, it } from "vitest";
import { ByteQueue } from "./byte-queue.ts";

it("gives bytes back in order, whatever the pieces", () => {
  const queue = new ByteQueue(100);
  queue.put(Uint8Array.of(1, 2, 3));
  queue.put(Uint8Array.of(4, 5));
  expect([...queue.take(2)]).toEqual([1, 2]);
  expect([...queue.take(2)]).toEqual([3, 4]);
  expect([...queue.take(9)]).toEqual([5]);
  expect([...queue.take(9)]).toEqual([]);
});

it("takes no more than its limit and copies what it takes", () => {
  const queue = new ByteQueue(4);
  const bytes = Uint8Array.of(1, 2, 3);
  expect(queue.put(bytes)).toBe(3);
  bytes.fill(0);
  expect(queue.put(bytes)).toBe(1);
  expect(queue.put(bytes)).toBe(0);
  expect(queue.length).toBe(4);
  expect([...queue.toBytes()]).toEqual([1, 2, 3, 0]);
  expect([...queue.take(4)]).toEqual([1, 2, 3, 0]);
  queue.put(bytes);
  queue.clear();
  expect(queue.length).toBe(0);
});
