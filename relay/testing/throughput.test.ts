import { expect, it } from "vitest";
import { measureDownload } from "./throughput.ts";

it("stays far above what work for each byte or search in the buffers would allow", async () => {
  // Outside of the test runner, which makes calls between modules dear, it is several times that.
  expect((await measureDownload(20_000_000)).megabytesPerCpuSecond).toBeGreaterThan(5);
});
