import fc from "fast-check";
import { expect, it } from "vitest";
import { parsePlace, placeOf } from "./timeline-place.ts";

it("reads what it writes", () => {
  const seq = fc.option(fc.nat(), { nil: undefined });
  const filter = fc.string().filter((text) => !text.startsWith("@"));
  fc.assert(
    fc.property(seq, filter, (seq, filter) => {
      expect(parsePlace(placeOf({ seq, filter }))).toEqual({ seq, filter });
    }),
  );
});

it("takes what is no number of a request for a filter", () => {
  expect(parsePlace("@many")).toEqual({ seq: undefined, filter: "@many" });
  expect(parsePlace("@12dev:net")).toEqual({ seq: undefined, filter: "@12dev:net" });
});
