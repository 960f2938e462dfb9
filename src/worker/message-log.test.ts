import { describe, expect, it } from "vitest";
import { Log } from "../machine/log.ts";
import { logMessage } from "./message-log.ts";
import type { FromWorker } from "./protocol.ts";

function logged(...messages: FromWorker[]): string[] {
  const log = new Log({ wallClockMs: () => 0 });
  for (const message of messages) logMessage(log, message);
  return log.since(0).map(({ level, source, text }) => `${level} ${source}: ${text}`);
}

describe("logMessage", () => {
  it("writes down what ends or hinders a machine", () => {
    const problem = { what: "No room.", advice: "Free some." };
    expect(
      logged(
        { type: "exit", reason: "panic", detail: "no init" },
        { type: "problem", problem },
        { type: "notice", problem },
        { type: "notice" },
        { type: "link", up: false, reason: "refused" },
        { type: "link", up: true, reason: "" },
      ),
    ).toEqual([
      "error machine: exit by panic: no init",
      "error host: No room. Free some.",
      "warning host: No room. Free some.",
      "info host: all is well again",
      "warning net0: no relay: refused",
      "info net0: the relay answers",
    ]);
  });

  it("leaves out what is no news", () => {
    expect(
      logged(
        { type: "state", state: "running" },
        { type: "state", state: "idle" },
        { type: "output", bytes: new Uint8Array(1) },
        { type: "state", state: "failed" },
      ),
    ).toEqual(["error machine: failed"]);
  });
});
