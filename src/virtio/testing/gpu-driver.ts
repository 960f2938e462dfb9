/** The driver's side of a graphics device: commands by name. */
import { GpuDevice } from "../devices/gpu.ts";
import { GpuCommand } from "../devices/gpu-protocol.ts";
import { RAM_BASE, TestDriver } from "./driver.ts";
import { TestDisplay } from "./test-display.ts";

const RESPONSE_SIZE = 24;

export interface GpuDriverOptions {
  readonly packed?: boolean;
  readonly accept?: bigint;
  readonly ramSize?: number;
}

export class GpuDriver {
  readonly display = new TestDisplay();
  readonly device: GpuDevice;
  readonly driver: TestDriver;
  /** Pictures of the tests are in the upper half of RAM. */
  readonly picture: number;

  constructor({ packed = false, accept = -1n, ramSize = 0x20_0000 }: GpuDriverOptions = {}) {
    this.device = new GpuDevice("gpu0", this.display, { width: 640, height: 480 });
    this.driver = new TestDriver(this.device, { packed, ramSize });
    this.driver.start({ accept, queueSize: 64 });
    this.picture = RAM_BASE + ramSize / 2;
  }

  /** Sends a command of 32-bit words after the header; gives the whole response. */
  send(command: number, words: readonly number[] = [], room = RESPONSE_SIZE): DataView {
    return this.sendBytes(request(command, words), room);
  }

  /** The `type` of the response. */
  run(command: number, ...words: readonly number[]): number {
    return this.send(command, words).getUint32(0, true);
  }

  sendBytes(bytes: Uint8Array, room = RESPONSE_SIZE): DataView {
    const queue = this.driver.queues[0];
    const sent = queue.add([bytes], room > 0 ? [room] : [], { indirect: true });
    queue.kick();
    const used = queue.poll();
    if (used.length !== 1) throw new Error(`${used.length} requests are complete`);
    return new DataView(queue.written(sent).buffer, 0, used[0].length);
  }

  /** A cursor command, which has no response. */
  cursor(command: number, ...words: readonly number[]): void {
    const queue = this.driver.queues[1];
    queue.add([request(command, words)], []);
    queue.kick();
    queue.poll();
  }

  create(id: number, format: number, width: number, height: number): number {
    return this.run(GpuCommand.RESOURCE_CREATE_2D, id, format, width, height);
  }

  /** Attaches runs of memory: address and length of each. */
  attach(id: number, ...runs: readonly (readonly [gpa: number, length: number])[]): number {
    const entries = runs.flatMap(([gpa, length]) => [...u64(gpa), length, 0]);
    return this.run(GpuCommand.RESOURCE_ATTACH_BACKING, id, runs.length, ...entries);
  }

  transfer(id: number, rect: readonly number[], offset = 0): number {
    return this.run(GpuCommand.TRANSFER_TO_HOST_2D, ...rect, ...u64(offset), id, 0);
  }

  scanout(id: number, rect: readonly number[], scanout = 0): number {
    return this.run(GpuCommand.SET_SCANOUT, ...rect, scanout, id);
  }

  flush(id: number, rect: readonly number[]): number {
    return this.run(GpuCommand.RESOURCE_FLUSH, ...rect, id, 0);
  }
}

/** A header without flags, and the words of a command. */
export function request(command: number, words: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.of(command, 0, 0, 0, 0, 0, ...words).buffer);
}

export function u64(value: number): [low: number, high: number] {
  return [value % 0x1_0000_0000, Math.floor(value / 0x1_0000_0000)];
}
