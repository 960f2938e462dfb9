/** Resources of the graphics device: pictures on the host, filled from guest memory (virtio 5.7.6.8). */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { Backing, type BackingState } from "./gpu-backing.ts";
import { PIXEL_FORMATS, type PixelFormat } from "./gpu-format.ts";
import { GPU_MEM_ENTRY_SIZE } from "./gpu-protocol.ts";

/** A rectangle of 32-bit numbers as the guest gave them. */
export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

const BYTES_PER_PIXEL = 4;

/** Resources at once: a desktop uses some tens of them. */
export const GPU_RESOURCES_MAX = 1024;

/** Bytes of all resources and their lists: eight 4K screens. They are the tab's memory. */
export const GPU_BYTES_MAX = 256 * 1024 * 1024;

/** Bytes of one resource, since what a guest can ask for in one command takes time: a 4K screen twice. */
export const GPU_RESOURCE_BYTES_MAX = 64 * 1024 * 1024;

/** Runs of memory behind a resource: all pages of the largest one. */
export const GPU_BACKING_ENTRIES_MAX = GPU_RESOURCE_BYTES_MAX / 4096;

/** Structured-clonable. */
export interface ResourceState {
  readonly id: number;
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8ClampedArray;
  readonly backing: BackingState | undefined;
}

export class Resource {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  /** R, G, B, A. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  backing: Backing | undefined;
  readonly #formatId: number;
  #format: PixelFormat;
  readonly #words: Uint32Array;

  /** Format and size must be possible ones. */
  constructor(id: number, format: number, width: number, height: number) {
    this.id = id;
    this.width = width;
    this.height = height;
    this.#formatId = format;
    this.#format = PIXEL_FORMATS[format]!;
    this.pixels = new Uint8ClampedArray(width * height * BYTES_PER_PIXEL);
    this.#words = new Uint32Array(this.pixels.buffer);
  }

  get bytes(): number {
    return this.pixels.length + (this.backing?.entries ?? 0) * GPU_MEM_ENTRY_SIZE;
  }

  contains({ x, y, width, height }: Rect): boolean {
    return (
      width > 0 &&
      height > 0 &&
      width <= this.width &&
      height <= this.height &&
      x <= this.width - width &&
      y <= this.height - height
    );
  }

  /**
   * Copies a rectangle that the resource contains from its backing, whose rows are as far apart as
   * the resource's; the first begins at `offset`. False, and nothing copied, if there is not that much.
   */
  transfer({ x, y, width, height }: Rect, offset: number): boolean {
    const { backing } = this;
    const stride = this.width * BYTES_PER_PIXEL;
    const end = offset + stride * (height - 1) + width * BYTES_PER_PIXEL;
    // Sums below 2^53 are exact; a larger offset makes a larger sum, exact or not.
    if (backing === undefined || end > backing.size) return false;
    if (width === this.width) {
      backing.read(this.#format, offset, this.#words, y * this.width, width * height);
      return true;
    }
    for (let row = 0; row < height; row++) {
      const to = (y + row) * this.width + x;
      backing.read(this.#format, offset + stride * row, this.#words, to, width);
    }
    return true;
  }

  /** It is shown now: a screen takes its pixels for opaque, whatever A says, and so must a canvas. */
  makeOpaque(): void {
    if (this.#format.alpha === undefined) return;
    this.#format = { ...this.#format, alpha: undefined };
    for (let at = 3; at < this.pixels.length; at += BYTES_PER_PIXEL) this.pixels[at] = 0xff;
  }

  save(): ResourceState {
    return {
      id: this.id,
      format: this.#formatId,
      width: this.width,
      height: this.height,
      pixels: this.pixels.slice(),
      backing: this.backing?.save(),
    };
  }

  static load(memory: GuestMemory, state: ResourceState): Resource {
    const resource = new Resource(state.id, state.format, state.width, state.height);
    resource.pixels.set(state.pixels);
    if (state.backing !== undefined) resource.backing = Backing.load(memory, state.backing);
    return resource;
  }
}

/** All resources of a device, within the limits. */
export class Resources {
  readonly #byId = new Map<number, Resource>();
  #bytes = 0;

  get count(): number {
    return this.#byId.size;
  }

  /** Of pixels and lists. */
  get bytes(): number {
    return this.#bytes;
  }

  get(id: number): Resource | undefined {
    return this.#byId.get(id);
  }

  /** Whether there is room for another resource of that size in pixels. */
  admits(width: number, height: number): boolean {
    const bytes = width * height * BYTES_PER_PIXEL;
    return (
      this.count < GPU_RESOURCES_MAX &&
      bytes <= GPU_RESOURCE_BYTES_MAX &&
      bytes <= GPU_BYTES_MAX - this.#bytes
    );
  }

  add(resource: Resource): void {
    this.#byId.set(resource.id, resource);
    this.#bytes += resource.bytes;
  }

  remove(resource: Resource): void {
    this.#byId.delete(resource.id);
    this.#bytes -= resource.bytes;
  }

  /** Gives a resource a backing, or none. False if there is no room for its list. */
  setBacking(resource: Resource, backing: Backing | undefined): boolean {
    const list = (backing?.entries ?? 0) * GPU_MEM_ENTRY_SIZE;
    if (list > GPU_BYTES_MAX - this.#bytes) return false;
    this.#bytes -= resource.bytes;
    resource.backing = backing;
    this.#bytes += resource.bytes;
    return true;
  }

  clear(): void {
    this.#byId.clear();
    this.#bytes = 0;
  }

  save(): ResourceState[] {
    return [...this.#byId.values()].map((resource) => resource.save());
  }
}
