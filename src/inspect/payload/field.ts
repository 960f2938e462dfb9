/** What a decoder makes of the bytes of a request: a tree of named values. */

/** One value, or a structure of several. */
export interface Field {
  name: string;
  value: string;
  /** What the value means, or what is wrong with it. */
  note?: string;
  /** Where its bytes are: what the device wrote comes behind what the driver wrote. */
  offset?: number;
  length?: number;
  children?: Field[];
}

/** A request and its answer, decoded. */
export interface Payload {
  /** The name of what is asked for, such as `IN`. */
  op: string;
  /** One line for lists. */
  summary: string;
  fields: Field[];
}

/** What there is to decode. */
export interface Exchange {
  readonly queue: number;
  /** The negotiated features. */
  readonly features: bigint;
  /** What the driver wrote for the device, or the first bytes of it. */
  readonly readable: Uint8Array;
  /** What the device wrote so far, or the first bytes of it. */
  readonly written: Uint8Array;
}

/** Fills in `payload`, whatever the bytes are; reads them by `readParts`, which ends where they end. */
export type Decoder = (exchange: Exchange, payload: Payload) => void;

/** Takes the line that there is to say so far; called again as more of the bytes are understood. */
export type Tell = (summary: string) => void;
