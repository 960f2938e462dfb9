import type { Problem } from "../worker/protocol.ts";

/** An address, or a form, that does not say anything that can be done. */
export class ConfigError extends Error implements Problem {
  override readonly name = "ConfigError";
  readonly what: string;
  readonly advice: string;

  constructor(what: string, advice: string) {
    super(`${what} ${advice}`);
    this.what = what;
    this.advice = advice;
  }
}
