/** How the machine's parts tell what happened: rare events in words, for a log. */

/** From what is only of interest to whoever looks for a fault, to what keeps something from working. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** `source` names who tells, such as `blk0`; `text` is what happened, without a full stop. */
export type Report = (level: LogLevel, source: string, text: string) => void;
