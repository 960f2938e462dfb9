import { expect, it } from "vitest";
import { type FinishRequest, TestFinisher } from "./test-finisher.ts";

const finish = (size: 1 | 2 | 4, value: number, offset = 0) => {
  const requests: FinishRequest[] = [];
  new TestFinisher((request) => requests.push(request)).write(offset, size, value);
  return requests;
};

it("understands power off, reboot and failure with a code", () => {
  expect(finish(4, 0x5555)).toEqual([{ kind: "poweroff" }]);
  expect(finish(2, 0x7777)).toEqual([{ kind: "reboot" }]);
  expect(finish(4, 0x002a_3333)).toEqual([{ kind: "fail", code: 42 }]);
  expect(finish(4, 0xffff_3333)).toEqual([{ kind: "fail", code: 0xffff }]);
});

it("ignores other values, places and byte accesses", () => {
  expect(finish(4, 0x1234)).toEqual([]);
  expect(finish(4, 0x5555, 4)).toEqual([]);
  expect(finish(1, 0x55)).toEqual([]);
});
