import { expect, it } from "vitest";
import { Quota, Total } from "./quota.ts";

it("limits each member and all together, and gives back", () => {
  const total = new Total(3);
  const quota = new Quota(2, total);
  expect([quota.take(1), quota.take(1), quota.take(1)]).toEqual([true, true, false]);
  expect([quota.take(2), quota.take(2)]).toEqual([true, false]);
  expect(total.used).toBe(3);
  quota.release(1);
  quota.release(1);
  // What was never taken is not given back.
  quota.release(1);
  expect(total.used).toBe(1);
  expect(new Quota(5, total).take(1)).toBe(true);
});
