import { expect, it } from "vitest";
import { Quota, Total } from "./quota.ts";

it("limits each member, each LAN and all together, and gives back", () => {
  const total = new Total(4);
  const quota = new Quota({ perMember: 2, perLan: 3 }, total);
  expect([quota.take(1), quota.take(1), quota.take(1)]).toEqual([true, true, false]);
  expect([quota.take(2), quota.take(2)]).toEqual([true, false]);
  const other = new Quota({ perMember: 2, perLan: 3 }, total);
  expect([other.take(1), other.take(1)]).toEqual([true, false]);
  expect(total.used).toBe(4);
  quota.release(1);
  quota.release(1);
  expect(total.used).toBe(2);
  expect([quota.take(1), other.take(2), other.take(3)]).toEqual([true, true, false]);
});
