import { expect, it } from "vitest";
import { hostResolvers, parseResolver } from "./resolvers.ts";

it.each([
  ["1.1.1.1", "1.1.1.1", 53],
  ["127.0.0.1:5353", "127.0.0.1", 5353],
  ["2001:db8::1", "2001:db8::1", 53],
  ["[::1]:54", "::1", 54],
  ["[::1]", "::1", 53],
])("reads %s", (text, address, port) => {
  expect(parseResolver(text)).toEqual({ address, port });
});

it.each(["", "name.example", "1.1.1.1:0", "1.1.1.1:65536", "[::1", "1.1.1.1:x"])(
  "refuses %j",
  (text) => {
    expect(() => parseResolver(text)).toThrow("name server");
  },
);

it("reads those of the host", () => {
  expect(() => hostResolvers()).not.toThrow();
});
