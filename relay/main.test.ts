import { afterEach, describe, expect, it, vi } from "vitest";
import { readOptions, relayMain } from "./main.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("readOptions", () => {
  it("has safe defaults", () => {
    expect(readOptions([])).toEqual({ port: 8086, requireOrigin: false, gateway: true });
  });

  it("reads every option", () => {
    const argv = [
      ...["--port", "0", "--host", "0.0.0.0", "--token", "t", "--no-gateway", "--require-origin"],
      ...["--origin", "https://a.example", "--origin", "https://b.example"],
      ...["--allow", "host:80", "--allow", "10.0.0.0/8", "--resolver", "1.1.1.1"],
      ...["--max-rate", "1000000"],
    ];
    expect(readOptions(argv)).toEqual({
      port: 0,
      host: "0.0.0.0",
      token: "t",
      gateway: false,
      requireOrigin: true,
      origins: ["https://a.example", "https://b.example"],
      allow: ["host:80", "10.0.0.0/8"],
      resolvers: ["1.1.1.1"],
      maxBytesPerSecond: 1_000_000,
    });
  });

  it.each([["--port", "x"], ["--port", "65536"], ["--max-rate", "0"], ["--what"], ["more"]])(
    "refuses %s %s",
    (...argv) => {
      expect(() => readOptions(argv.filter((text) => text !== undefined))).toThrow();
    },
  );
});

describe("relayMain", () => {
  it("prints its help", async () => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    expect(await relayMain(["--help"])).toBe(0);
    expect(write.mock.calls.join("")).toContain("--allow RULE");
  });

  it("reports what it cannot read, and fails", async () => {
    const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    expect(await relayMain(["--allow", "nonsense"])).toBe(1);
    expect(write.mock.calls.join("")).toContain("nonsense");
  });

  it("prints where it listens, and ends with SIGTERM", async () => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    const once = vi.spyOn(process, "once");
    expect(await relayMain(["--port", "0"])).toBeUndefined();
    const url = /ws:\/\/127\.0\.0\.1:\d+\//.exec(write.mock.calls.join(""))![0];
    const http = url.replace("ws:", "http:");
    expect((await fetch(http)).status).toBe(426);
    const stop = once.mock.calls.find(([name]) => name === "SIGTERM")![1];
    stop();
    process.off("SIGTERM", stop).off("SIGINT", stop);
    await vi.waitFor(() => expect(fetch(http)).rejects.toThrow());
  });
});
