/** What is wrong with a filter, for the person who wrote it. */
export class FilterError extends Error {
  /** Index of the character at fault, or the length of the text. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}
