/** What a request says, read from the bytes of its chain by the kind of its device. */

/** One value in a request, with its place in the part that it was read from. */
export interface Field {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
  /** In bytes. */
  readonly offset?: number;
  readonly length?: number;
  readonly children?: Field[];
}

export interface DecodedPayload {
  /** What is asked for, as a word to filter by, such as `write`. */
  readonly op: string;
  /** One line. */
  readonly summary: string;
  readonly fields: Field[];
}

/**
 * @param readable the beginning of what the driver sent, as far as it is known.
 * @param written the beginning of what the device answered; empty while it has not.
 */
export function decodePayload(
  _deviceType: number,
  _queue: number,
  _features: bigint,
  readable: Uint8Array,
  written: Uint8Array,
): DecodedPayload {
  const summary = `${readable.length} bytes out, ${written.length} bytes in`;
  return { op: "request", summary, fields: [] };
}
