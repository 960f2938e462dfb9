import { expect, test } from "vitest";
import { NumberPool } from "./number-pool.ts";

test("each number of the range is handed out once until it is given back", () => {
  const pool = new NumberPool(1, 4);
  expect(pool.size).toBe(3);
  expect([pool.take(), pool.take(), pool.take(), pool.take()]).toEqual([1, 2, 3, undefined]);
  expect(pool.size).toBe(0);
  pool.giveBack([3, 1]);
  expect(pool.size).toBe(2);
  expect([pool.take(), pool.take(), pool.take()]).toEqual([1, 3, undefined]);
});
