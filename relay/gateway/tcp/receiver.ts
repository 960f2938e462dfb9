/** The receiving half of a connection from a guest: order, duplicates and the window. */
import { Reassembly } from "./reassembly.ts";
import { advance, distance } from "./sequence.ts";

/**
 * Bytes that may wait for the host's socket, and the window that is advertised when none do.
 * 1 MiB is 100 MB/s at a round trip of 10 ms, and it bounds the memory of a connection.
 */
export const RECEIVE_BUFFER_BYTES = 1024 * 1024;

/** The shift that lets a field of 16 bits say RECEIVE_BUFFER_BYTES (RFC 7323 2). */
export const RECEIVE_WINDOW_SHIFT = 5;

/** A window reopens by this share of the buffer at least, or not yet (RFC 9293 3.8.6.2.2). */
const UPDATE_SHARE = 4;

/** Where the bytes go. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
  /** Bytes written but not yet taken. */
  readonly pendingBytes: number;
  /** Whether another write is welcome, whatever its size. */
  readonly hasRoom: boolean;
}

/** "ordered" moved the acknowledgment on; the others are acknowledged again, at once. */
export type Acceptance = "ordered" | "early" | "useless";

export class TcpReceiver {
  readonly #sink: ByteSink;
  readonly #capacity: number;
  readonly #early = new Reassembly();
  #next: number;
  /** The end of the window as advertised, which never moves back. */
  #edge: number;
  #finSequence: number | undefined;
  #finished = false;

  /** `next` follows the guest's SYN; `shift` is the agreed scale of the window field. */
  constructor(next: number, shift: number, sink: ByteSink) {
    this.#next = next;
    this.#edge = next;
    this.#sink = sink;
    this.#capacity = Math.min(RECEIVE_BUFFER_BYTES, 0xffff << shift);
  }

  /** The next byte expected (RCV.NXT). */
  get next(): number {
    return this.#next;
  }

  /** Whether everything up to the guest's FIN has come. */
  get finished(): boolean {
    return this.#finished;
  }

  get early(): Reassembly {
    return this.#early;
  }

  /** Whether a segment lies in the window, at least in part (RFC 9293 3.4, table 6). */
  acceptable(sequence: number, length: number): boolean {
    const start = distance(sequence, this.#next);
    const room = distance(this.#edge, this.#next);
    if (length === 0) return start >= 0 && start <= room;
    return start < room && start + length > 0;
  }

  /** Moves the window's end on as far as there is room, and returns the window in bytes. */
  openWindow(): number {
    const edge = advance(this.#next, this.#free);
    if (distance(edge, this.#edge) > 0) this.#edge = edge;
    return distance(this.#edge, this.#next);
  }

  /** Whether so much room has come free that the guest should hear of it. */
  get shouldReopen(): boolean {
    const gain = distance(advance(this.#next, this.#free), this.#edge);
    return gain >= this.#capacity / UPDATE_SHARE;
  }

  /** Takes in the data of an acceptable segment. */
  accept(sequence: number, payload: Uint8Array, fin: boolean): Acceptance {
    const end = advance(sequence, payload.length);
    const beyond = Math.max(0, distance(end, this.#edge));
    if (fin && beyond === 0) this.#finSequence ??= end;
    const data = beyond === 0 ? payload : payload.subarray(0, Math.max(0, payload.length - beyond));
    const late = distance(this.#next, sequence);
    if (late < 0) {
      if (data.length > 0) this.#early.insert(sequence, data);
      return "early";
    }
    const before = this.#next;
    if (late < data.length) {
      if (!this.#sink.hasRoom) return "useless";
      this.#deliver(data.subarray(late));
      this.#deliverEarly();
    }
    if (this.#finSequence === this.#next && !this.#finished) {
      this.#finished = true;
      this.#next = advance(this.#next, 1);
    }
    return this.#next === before ? "useless" : "ordered";
  }

  get #free(): number {
    return Math.max(0, this.#capacity - this.#sink.pendingBytes);
  }

  #deliver(bytes: Uint8Array): void {
    this.#next = advance(this.#next, bytes.length);
    this.#sink.write(bytes);
  }

  #deliverEarly(): void {
    for (;;) {
      const bytes = this.#early.take(this.#next);
      if (bytes === undefined) return;
      this.#deliver(bytes);
    }
  }
}
