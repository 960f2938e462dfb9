/**
 * The graphics device (virtio 5.7), its 2D part: one display whose pictures are resources on the
 * host. Commands are executed in order as they come, so that a fence (5.7.6.7) is signalled by the
 * response itself.
 */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bit, DeviceType } from "../spec.ts";
import type { DisplayBackend } from "./display-backend.ts";
import { DISPLAY_SIZE_MAX, DISPLAY_SIZE_MIN, edidBlock } from "./edid.ts";
import { Backing } from "./gpu-backing.ts";
import { PIXEL_FORMATS } from "./gpu-format.ts";
import {
  GPU_CURSOR_SIZE,
  GPU_DISPLAY_ONE_SIZE,
  GPU_EDID_OFFSET,
  GPU_EDID_ROOM,
  GPU_FLAG_FENCE,
  GPU_FLAG_INFO_RING_IDX,
  GPU_HEADER_SIZE,
  GPU_MEM_ENTRY_SIZE,
  GPU_REQUEST_MAX,
  GPU_REQUEST_SIZES,
  GPU_RESPONSE_MAX,
  GPU_SCANOUTS_MAX,
  GpuCommand,
  GpuResponse,
} from "./gpu-protocol.ts";
import {
  GPU_BACKING_ENTRIES_MAX,
  type Rect,
  Resource,
  type ResourceState,
  Resources,
} from "./gpu-resource.ts";
import { GpuScreen, type ScreenState } from "./gpu-screen.ts";

/** Feature bits (5.7.3). */
export const GpuFeature = { EDID: 1 } as const;

/** Queues (5.7.2): the second is the cursor's. */
const CONTROL = 0;
const CONTROL_QUEUE_SIZE = 256;
const CURSOR_QUEUE_SIZE = 16;

/** Configuration layout (5.7.4). */
const Config = {
  EVENTS_READ: 0,
  EVENTS_CLEAR: 4,
  NUM_SCANOUTS: 8,
  NUM_CAPSETS: 12,
  SIZE: 16,
} as const;
const EVENT_DISPLAY = 1;

/** The only scanout. */
const SCANOUT = 0;

/**
 * Pixels made or moved before the device lets the rest of the host have its turn: some 30 ms, and a
 * 4K screen twice over. A queue full of commands could take minutes otherwise.
 */
export const GPU_TURN_PIXELS = 16 * 1024 * 1024;

/** What a command costs beside its pixels, and an entry of a list, in pixels. */
const COMMAND_COST = 1024;
const ENTRY_COST = 16;

export interface DisplaySize {
  /** In pixels; brought into the range that a display can have. */
  readonly width: number;
  readonly height: number;
}

export class GpuDevice implements VirtioDevice {
  readonly type = DeviceType.GPU;
  readonly names = { title: "GPU device", chapter: "5.7", features: GpuFeature, config: Config };
  readonly name: string;
  readonly features = bit(GpuFeature.EDID);
  readonly queueSizes = [CONTROL_QUEUE_SIZE, CURSOR_QUEUE_SIZE];
  readonly config: ConfigFields;
  readonly #backend: DisplayBackend;
  readonly #screen: GpuScreen;
  readonly #resources = new Resources();
  readonly #request = new DataView(new ArrayBuffer(GPU_REQUEST_MAX));
  readonly #requestBytes = new Uint8Array(this.#request.buffer);
  readonly #response = new DataView(new ArrayBuffer(GPU_RESPONSE_MAX));
  readonly #responseBytes = new Uint8Array(this.#response.buffer);
  readonly #rect: Rect = { x: 0, y: 0, width: 0, height: 0 };
  #io: DeviceIo | undefined;
  #width: number;
  #height: number;
  #events = 0;
  #turn = 0;
  #isDeferred = false;
  readonly #counters = { commands: 0, errors: 0, pixels: 0, flushes: 0, deferred: 0 };

  constructor(name: string, backend: DisplayBackend, size: DisplaySize) {
    this.name = name;
    this.#backend = backend;
    this.#screen = new GpuScreen(backend);
    this.#width = clampSize(size.width);
    this.#height = clampSize(size.height);
    this.config = new ConfigFields(Config.SIZE, (offset, _size, value) => {
      if (offset === Config.EVENTS_CLEAR) this.#setEvents(this.#events & ~value);
    });
    this.config.setU32(Config.NUM_SCANOUTS, 1);
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(index: number): void {
    const queue = this.#io?.queues[index];
    if (queue === undefined) return;
    // Commands of the cursor are short, and do not wait for those of pictures.
    const isControl = index === CONTROL;
    if (isControl && this.#isDeferred) return;
    if (isControl) this.#turn = 0;
    drain(queue, (chain) => {
      queue.stage(chain, this.#serve(chain));
      return !isControl || this.#turn < GPU_TURN_PIXELS;
    });
    queue.publish();
    if (isControl && this.#turn >= GPU_TURN_PIXELS) this.#rest();
  }

  reset(): void {
    this.#io = undefined;
    this.#resources.clear();
    this.#screen.reset();
    this.#setEvents(0);
  }

  /** The display has another size now; the driver is told and may take it. */
  resize({ width, height }: DisplaySize): void {
    if (clampSize(width) === this.#width && clampSize(height) === this.#height) return;
    this.#width = clampSize(width);
    this.#height = clampSize(height);
    this.#setEvents(this.#events | EVENT_DISPLAY);
    this.#io?.configChanged();
  }

  counters(): Counters {
    const { count, bytes } = this.#resources;
    return { ...this.#counters, resources: count, resourceBytes: bytes };
  }

  save(): State {
    return {
      version: 1,
      events: this.#events,
      size: { width: this.#width, height: this.#height },
      resources: this.#resources.save(),
      screen: this.#screen.save(),
    };
  }

  load(state: State): void {
    const { events, size, resources, screen } = state as {
      events: number;
      size: DisplaySize;
      resources: readonly ResourceState[];
      screen: ScreenState;
    };
    for (const saved of resources) this.#resources.add(Resource.load(this.#io!.memory, saved));
    this.#screen.load(screen, this.#resources.get(screen.resource));
    this.#setEvents(events);
    if (size.width === this.#width && size.height === this.#height) return;
    this.#setEvents(events | EVENT_DISPLAY);
    this.#io?.configChanged();
  }

  /** Goes on later. Kicks until then would make the turn longer, so they wait as well. */
  #rest(): void {
    this.#isDeferred = true;
    this.#counters.deferred++;
    this.#backend.defer(() => {
      this.#isDeferred = false;
      this.notify(CONTROL);
    });
  }

  #setEvents(events: number): void {
    this.#events = events;
    this.config.setU32(Config.EVENTS_READ, events);
  }

  /** Executes one request; how many bytes of a response it wrote. */
  #serve(chain: DescriptorChain): number {
    this.#counters.commands++;
    this.#turn += COMMAND_COST;
    const length = chain.readAt(0, this.#requestBytes);
    if (length < GPU_HEADER_SIZE) {
      this.#counters.errors++;
      return 0;
    }
    const type = this.#request.getUint32(0, true);
    const wanted = GPU_REQUEST_SIZES[type] ?? Infinity;
    const room = roomOf(type);
    let response: number = GpuResponse.ERR_UNSPEC;
    // Drivers give no room for an answer to a cursor command.
    const canAnswer = chain.writableLength >= room || type >= GpuCommand.UPDATE_CURSOR;
    if (length >= wanted && canAnswer) response = this.#execute(type, chain);
    const isOk = response < GpuResponse.ERR_UNSPEC;
    if (!isOk) this.#counters.errors++;
    return this.#respond(chain, response, isOk ? room : GPU_HEADER_SIZE);
  }

  #respond(chain: DescriptorChain, type: number, length: number): number {
    if (chain.writableLength < length) return 0;
    const flags = this.#request.getUint32(4, true) & (GPU_FLAG_FENCE | GPU_FLAG_INFO_RING_IDX);
    const isFenced = (flags & GPU_FLAG_FENCE) !== 0;
    this.#responseBytes.fill(0, 0, GPU_HEADER_SIZE);
    this.#response.setUint32(0, type, true);
    if (isFenced) {
      // The fence's number, its context and its ring.
      this.#response.setUint32(4, flags, true);
      for (let at = 8; at <= 20; at++) this.#responseBytes[at] = this.#requestBytes[at];
    }
    return chain.writeAt(0, this.#responseBytes.subarray(0, length));
  }

  #execute(type: number, chain: DescriptorChain): number {
    switch (type) {
      case GpuCommand.GET_DISPLAY_INFO:
        return this.#getDisplayInfo();
      case GpuCommand.GET_EDID:
        return this.#getEdid();
      case GpuCommand.RESOURCE_CREATE_2D:
        return this.#create();
      case GpuCommand.RESOURCE_UNREF:
        return this.#unref();
      case GpuCommand.RESOURCE_ATTACH_BACKING:
        return this.#attachBacking(chain);
      case GpuCommand.RESOURCE_DETACH_BACKING:
        return this.#detachBacking();
      case GpuCommand.SET_SCANOUT:
        return this.#setScanout();
      case GpuCommand.TRANSFER_TO_HOST_2D:
        return this.#transfer();
      case GpuCommand.RESOURCE_FLUSH:
        return this.#flush();
      case GpuCommand.UPDATE_CURSOR:
        return this.#updateCursor();
      case GpuCommand.MOVE_CURSOR:
        return this.#moveCursor();
      default:
        return GpuResponse.ERR_UNSPEC;
    }
  }

  #getDisplayInfo(): number {
    this.#responseBytes.fill(0, GPU_HEADER_SIZE);
    this.#response.setUint32(GPU_HEADER_SIZE + 8, this.#width, true);
    this.#response.setUint32(GPU_HEADER_SIZE + 12, this.#height, true);
    this.#response.setUint32(GPU_HEADER_SIZE + 16, 1, true);
    return GpuResponse.OK_DISPLAY_INFO;
  }

  #getEdid(): number {
    const features = this.#io?.features ?? 0n;
    if ((features & bit(GpuFeature.EDID)) === 0n) return GpuResponse.ERR_UNSPEC;
    if (this.#u32(24) !== SCANOUT) return GpuResponse.ERR_INVALID_SCANOUT_ID;
    const block = edidBlock(this.#width, this.#height);
    this.#responseBytes.fill(0, GPU_HEADER_SIZE);
    this.#response.setUint32(GPU_HEADER_SIZE, block.length, true);
    this.#responseBytes.set(block, GPU_EDID_OFFSET);
    return GpuResponse.OK_EDID;
  }

  #create(): number {
    const id = this.#u32(24);
    const format = this.#u32(28);
    const width = this.#u32(32);
    const height = this.#u32(36);
    if (id === 0 || this.#resources.get(id) !== undefined) {
      return GpuResponse.ERR_INVALID_RESOURCE_ID;
    }
    if (PIXEL_FORMATS[format] === undefined || width === 0 || height === 0) {
      return GpuResponse.ERR_INVALID_PARAMETER;
    }
    if (!this.#resources.admits(width, height)) return GpuResponse.ERR_OUT_OF_MEMORY;
    this.#turn += width * height;
    this.#resources.add(new Resource(id, format, width, height));
    return GpuResponse.OK_NODATA;
  }

  #unref(): number {
    const resource = this.#resources.get(this.#u32(24));
    if (resource === undefined) return GpuResponse.ERR_INVALID_RESOURCE_ID;
    this.#screen.forget(resource);
    this.#resources.remove(resource);
    return GpuResponse.OK_NODATA;
  }

  #attachBacking(chain: DescriptorChain): number {
    const resource = this.#resources.get(this.#u32(24));
    const entries = this.#u32(28);
    if (resource === undefined) return GpuResponse.ERR_INVALID_RESOURCE_ID;
    const room = chain.readableLength - GPU_REQUEST_SIZES[GpuCommand.RESOURCE_ATTACH_BACKING]!;
    // Attached once, until it is detached: what a second list would mean is not specified.
    if (resource.backing !== undefined || entries > GPU_BACKING_ENTRIES_MAX) {
      return GpuResponse.ERR_UNSPEC;
    }
    if (entries * GPU_MEM_ENTRY_SIZE > room) return GpuResponse.ERR_INVALID_PARAMETER;
    this.#turn += entries * ENTRY_COST;
    const list = new Uint8Array(entries * GPU_MEM_ENTRY_SIZE);
    chain.readAt(chain.readableLength - room, list);
    const backing = Backing.parse(this.#io!.memory, list);
    if (backing === undefined) return GpuResponse.ERR_INVALID_PARAMETER;
    const isAttached = this.#resources.setBacking(resource, backing);
    return isAttached ? GpuResponse.OK_NODATA : GpuResponse.ERR_OUT_OF_MEMORY;
  }

  #detachBacking(): number {
    const resource = this.#resources.get(this.#u32(24));
    if (resource === undefined) return GpuResponse.ERR_INVALID_RESOURCE_ID;
    if (resource.backing === undefined) return GpuResponse.ERR_UNSPEC;
    this.#resources.setBacking(resource, undefined);
    return GpuResponse.OK_NODATA;
  }

  #setScanout(): number {
    const rect = this.#readRect();
    const id = this.#u32(44);
    if (this.#u32(40) !== SCANOUT) return GpuResponse.ERR_INVALID_SCANOUT_ID;
    if (id === 0) {
      this.#screen.hide();
      return GpuResponse.OK_NODATA;
    }
    const resource = this.#resources.get(id);
    if (resource === undefined) return GpuResponse.ERR_INVALID_RESOURCE_ID;
    if (!resource.contains(rect)) return GpuResponse.ERR_INVALID_PARAMETER;
    this.#screen.show(resource, rect);
    return GpuResponse.OK_NODATA;
  }

  #transfer(): number {
    const rect = this.#readRect();
    const offset = this.#u32(40) + this.#u32(44) * 0x1_0000_0000;
    const resource = this.#resources.get(this.#u32(48));
    if (resource === undefined) return GpuResponse.ERR_INVALID_RESOURCE_ID;
    if (!resource.contains(rect) || !resource.transfer(rect, offset)) {
      return GpuResponse.ERR_INVALID_PARAMETER;
    }
    this.#turn += rect.width * rect.height;
    this.#counters.pixels += rect.width * rect.height;
    return GpuResponse.OK_NODATA;
  }

  #flush(): number {
    const rect = this.#readRect();
    const resource = this.#resources.get(this.#u32(40));
    if (resource === undefined) return GpuResponse.ERR_INVALID_RESOURCE_ID;
    if (!resource.contains(rect)) return GpuResponse.ERR_INVALID_PARAMETER;
    this.#counters.flushes++;
    this.#screen.flush(resource, rect);
    return GpuResponse.OK_NODATA;
  }

  #updateCursor(): number {
    if (this.#u32(24) !== SCANOUT) return GpuResponse.ERR_INVALID_SCANOUT_ID;
    const id = this.#u32(40);
    const resource = this.#resources.get(id);
    if (id !== 0) {
      if (resource === undefined) return GpuResponse.ERR_INVALID_RESOURCE_ID;
      const isSquare = resource.width === GPU_CURSOR_SIZE && resource.height === GPU_CURSOR_SIZE;
      if (!isSquare) return GpuResponse.ERR_INVALID_PARAMETER;
    }
    this.#screen.setCursor(resource, this.#u32(44), this.#u32(48));
    return this.#moveCursor();
  }

  #moveCursor(): number {
    if (this.#u32(24) !== SCANOUT) return GpuResponse.ERR_INVALID_SCANOUT_ID;
    // Left of and above the screen the coordinates are negative.
    this.#screen.moveCursor(this.#u32(28) | 0, this.#u32(32) | 0);
    return GpuResponse.OK_NODATA;
  }

  /** The rectangle that follows the header; good until the next call. */
  #readRect(): Rect {
    this.#rect.x = this.#u32(24);
    this.#rect.y = this.#u32(28);
    this.#rect.width = this.#u32(32);
    this.#rect.height = this.#u32(36);
    return this.#rect;
  }

  #u32(offset: number): number {
    return this.#request.getUint32(offset, true);
  }
}

/** Bytes of the answer to a command when all is well. */
function roomOf(type: number): number {
  if (type === GpuCommand.GET_DISPLAY_INFO) {
    return GPU_HEADER_SIZE + GPU_SCANOUTS_MAX * GPU_DISPLAY_ONE_SIZE;
  }
  return type === GpuCommand.GET_EDID ? GPU_EDID_OFFSET + GPU_EDID_ROOM : GPU_HEADER_SIZE;
}

function clampSize(pixels: number): number {
  return Math.max(DISPLAY_SIZE_MIN, Math.min(DISPLAY_SIZE_MAX, Math.floor(pixels)));
}
