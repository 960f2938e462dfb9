/** What a device of each kind is for tests, and what such devices are made with. */
import { GuestMemory, PAGE_BYTES } from "../../memory/guest-memory.ts";
import { WINDOW_BLOCK_BYTES } from "../../memory/memory-window.ts";
import type { VirtioDevice } from "../device.ts";

/** A request of an honest driver, which has to be answered. */
export interface HonestRequest {
  readonly queue: number;
  readonly readable?: readonly Uint8Array[];
  /** Lengths of the buffers for the answer. */
  readonly writable?: readonly number[];
}

export interface Specimen {
  readonly device: VirtioDevice;
  /** Where the device may write: into the chains it is given, or wherever requests say. */
  readonly reach?: "ram";
  /** Something happens on the host's side, such as input or a frame. */
  readonly stir?: () => void;
  /**
   * In an order in which a driver that has accepted all features may make them; each is answered
   * once the host's side has stirred. As many queues as possible should have one.
   */
  readonly requests: readonly HonestRequest[];
}

export type Specimens = Readonly<Record<string, () => Specimen>>;

export const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
export const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
export const text = (string: string) => new TextEncoder().encode(string);

/** A page of the RAM of every test, away from rings and buffers. */
export const SPARE_PAGE = 0x8003_f000;

/** Where windows are; their memory is none that rings or buffers are in. */
export const WINDOW = 0x1_0000_0000;

export function windowOf(blocks: number) {
  const size = blocks * WINDOW_BLOCK_BYTES;
  const ram = { base: WINDOW - PAGE_BYTES, size: PAGE_BYTES, offset: 0 };
  const memory = new GuestMemory({ buffer: new ArrayBuffer(PAGE_BYTES + size) }, [ram]);
  return { memory, window: memory.addWindow({ base: WINDOW, size, offset: PAGE_BYTES }) };
}
