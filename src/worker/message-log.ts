/** Writes down what the page is told, as far as it is news. */
import type { Log } from "../machine/log.ts";
import type { LogLevel } from "../virtio/report.ts";
import type { ExitReason, FromWorker, MachineState, Problem } from "./protocol.ts";

/** A guest goes from running to idle and back all the time. */
const STATES: Partial<Record<MachineState, LogLevel>> = {
  loading: "info",
  saving: "info",
  stopped: "info",
  panic: "error",
  failed: "error",
};

const EXITS: Record<ExitReason, LogLevel> = {
  poweroff: "info",
  reboot: "info",
  "switched-off": "info",
  saved: "info",
  panic: "error",
  fail: "error",
};

export function logMessage(log: Log, message: FromWorker): void {
  switch (message.type) {
    case "state": {
      const level = STATES[message.state];
      if (level !== undefined) log.add(level, "machine", message.state);
      break;
    }
    case "exit": {
      const detail = message.detail === "" ? "" : `: ${message.detail}`;
      log.add(EXITS[message.reason], "machine", `exit by ${message.reason}${detail}`);
      break;
    }
    case "problem":
      log.add("error", "host", textOf(message.problem));
      break;
    case "notice":
      if (message.problem === undefined) log.add("info", "host", "all is well again");
      else log.add("warning", "host", textOf(message.problem));
      break;
    case "link": {
      const why = message.reason === "" ? "" : `: ${message.reason}`;
      if (message.up) log.add("info", "net0", "the relay answers");
      else log.add("warning", "net0", `no relay${why}`);
      break;
    }
  }
}

function textOf({ what, advice }: Problem): string {
  return `${what} ${advice}`;
}
