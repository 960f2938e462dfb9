/** Control messages of a console with several ports (virtio 5.3.6.2). */
import { ChainReader, type DescriptorChain } from "../chain.ts";
import { drain, type Virtqueue } from "../queue.ts";

/** `struct virtio_console_control.event`. */
export const ControlEvent = {
  DEVICE_READY: 0,
  DEVICE_ADD: 1,
  DEVICE_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const;

export interface ControlMessage {
  readonly id: number;
  readonly event: number;
  readonly value: number;
  /** What follows the message: a size or a name. */
  readonly payload?: Uint8Array;
}

/** `struct virtio_console_control`: le32 id, le16 event, le16 value. */
const HEADER_SIZE = 8;

/** What the driver asks for, or undefined if the chain holds no whole message. */
export function parseControl(chain: DescriptorChain): ControlMessage | undefined {
  const reader = new ChainReader(chain);
  const id = reader.u32();
  const event = reader.u16();
  const value = reader.u16();
  if (id === undefined || event === undefined || value === undefined) return undefined;
  return { id, event, value };
}

/** The payload of RESIZE: columns first, as the specification has it. */
export function sizePayload(cols: number, rows: number): Uint8Array {
  return Uint8Array.of(cols & 0xff, cols >>> 8, rows & 0xff, rows >>> 8);
}

/**
 * Messages for the driver that wait for its buffers. No more than one of each event waits for a
 * port, besides a removal, so that a driver that gives no buffers costs no memory.
 */
export class ControlMessages {
  #waiting: ControlMessage[] = [];

  /** Puts a message at the end; one of the same kind that waits already has lost its meaning. */
  put(message: ControlMessage): void {
    const { id, event } = message;
    this.#waiting = this.#waiting.filter((other) => other.id !== id || other.event !== event);
    this.#waiting.push(message);
  }

  /** Says that port `id` is gone; nothing of it needs saying any more. */
  remove(id: number): void {
    const isUnheard = this.#waiting.some(
      (message) => message.id === id && message.event === ControlEvent.DEVICE_ADD,
    );
    this.#waiting = this.#waiting.filter(
      (message) => message.id !== id || message.event === ControlEvent.DEVICE_REMOVE,
    );
    if (!isUnheard) this.put({ id, event: ControlEvent.DEVICE_REMOVE, value: 1 });
  }

  clear(): void {
    this.#waiting = [];
  }

  save(): readonly ControlMessage[] {
    return this.#waiting;
  }

  load(messages: readonly ControlMessage[]): void {
    this.#waiting = [...messages];
  }

  /** Writes as many messages as there are buffers; one that is too small is given back empty. */
  flush(queue: Virtqueue): void {
    if (this.#waiting.length === 0) return;
    drain(queue, (chain) => {
      const bytes = encode(this.#waiting[0]);
      const fits = bytes.length <= chain.writableLength;
      queue.stage(chain, fits ? chain.writeAt(0, bytes) : 0);
      if (fits) this.#waiting.shift();
      return this.#waiting.length > 0;
    });
    queue.publish();
  }
}

function encode({ id, event, value, payload = new Uint8Array() }: ControlMessage): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, id, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}
