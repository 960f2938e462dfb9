import { describe, expect, test } from "vitest";
import { runOnHart } from "../on-hart.ts";
import { SELFTESTS } from "./all.ts";
import { RAM_SIZE } from "./script.ts";

const INSTRUCTIONS_MAX = 100e6;

describe.each(["interpreter", "translator"] as const)("%s", (tier) => {
  test.each(SELFTESTS.map((selftest) => [selftest.name, selftest] as const))(
    "%s",
    (_name, { program, checks }) => {
      const options = { tier, instructionsMax: INSTRUCTIONS_MAX };
      const { request } = runOnHart(program.bytes, RAM_SIZE, options);
      const failed = request.kind === "fail" ? checks[request.code - 1] : undefined;
      expect(failed).toBeUndefined();
      expect(request.kind).toBe("poweroff");
    },
  );
});
