import { expect, it } from "vitest";
import { BaseImageError } from "../host/http-base.ts";
import { baseNotice, storageNotice } from "./problems.ts";

it("tells a full browser, a deleted disk and any other fault of storage apart", () => {
  const of = (name: string) => storageNotice(new DOMException("words", name), "store");
  expect(of("QuotaExceededError").what).toContain("no room left");
  expect(of("NotFoundError").what).toContain("deleted this disk");
  expect(of("AbortError")).toMatchObject({ what: "The disk could not be stored: words." });
  expect(storageNotice(new Error("chunk 3 is damaged"), "read").what).toContain(
    "could not be read",
  );
});

it("says of a disk image that fails whether it is waited for", () => {
  const passing = new BaseImageError("http://x/a answered 503.", true);
  expect(baseNotice(passing)).toMatchObject({ what: "http://x/a answered 503." });
  expect(baseNotice(passing).advice).toContain("waits");
  expect(storageNotice(new BaseImageError("It changed."), "read")).toEqual({
    what: "It changed.",
    advice: "The guest was told.",
  });
});
