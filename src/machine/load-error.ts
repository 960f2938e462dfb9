/** A file that cannot be had, or cannot be booted: what is wrong, and what the person can do about it; whole sentences. */
export class LoadError extends Error {
  readonly what: string;
  readonly advice: string;

  constructor(what: string, advice: string) {
    super(`${what} ${advice}`);
    this.name = "LoadError";
    this.what = what;
    this.advice = advice;
  }
}
