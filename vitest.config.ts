import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "src/**/*.test.ts",
      "relay/**/*.test.ts",
      "cli/**/*.test.ts",
      "scripts/**/*.test.ts",
      "oracle/**/*.test.ts",
      "fuzz/**/*.test.ts",
    ],
    testTimeout: 120_000,
    pool: "threads",
  },
});
