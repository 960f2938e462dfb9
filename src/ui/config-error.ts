import type { Problem } from "../worker/protocol.ts";

/** An address, or a form, that does not say anything that can be done. */
export class ConfigError extends Error implements Problem {
  override readonly name = "ConfigError";
  readonly what: string;
  readonly advice: string;
  /** The parameter that is wrong, if it is one. */
  readonly field?: string;

  constructor(what: string, advice: string, field?: string) {
    super(`${what} ${advice}`);
    this.what = what;
    this.advice = advice;
    if (field !== undefined) this.field = field;
  }
}

/** Does `read`, whose complaints are about parameter `field`. */
export function inField<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.what, error.advice, error.field ?? field);
  }
}
