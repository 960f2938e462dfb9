/** The sound device (virtio 5.14): one stream to play, one to record, a jack for each. */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, State, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { DeviceType } from "../spec.ts";
import type { SoundBackend } from "./sound-backend.ts";
import {
  channelMapInfo,
  DIRECTIONS,
  type Direction,
  jackInfo,
  pcmInfo,
  SOUND_EVENT_SIZE,
  SOUND_HEADER_SIZE,
  SOUND_PCM_HEADER_SIZE,
  SOUND_QUERY_SIZE,
  SOUND_SET_PARAMS_SIZE,
  SOUND_XFER_SIZE,
  SoundCode,
  SoundStatus,
} from "./sound-protocol.ts";
import { finish, SoundStream, type SoundStreamState } from "./sound-stream.ts";

/** Queues (5.14.2). */
const CONTROL = 0;
const EVENT = 1;
/** The two queues of samples are in the order of the streams. */
const SAMPLES = 2;
const QUEUE_SIZE = 64;

/** Bytes for each item of a query: far more than any version of the structures has. */
export const SOUND_INFO_MAX = 256;

/** Configuration layout (5.14.4). */
const Config = { JACKS: 0, STREAMS: 4, CHMAPS: 8, SIZE: 12 } as const;

export class SoundDevice implements VirtioDevice {
  readonly type = DeviceType.SOUND;
  readonly names = {
    title: "Sound device",
    chapter: "5.14",
    config: Config,
    traffic: ["playedBytes", "recordedBytes"],
  };
  readonly name: string;
  readonly features = 0n;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE];
  readonly config = new ConfigFields(Config.SIZE)
    .setU32(Config.JACKS, DIRECTIONS.length)
    .setU32(Config.STREAMS, DIRECTIONS.length)
    .setU32(Config.CHMAPS, DIRECTIONS.length);
  readonly #streams: readonly SoundStream[];
  readonly #connected: boolean[] = DIRECTIONS.map(() => true);
  /** Jacks whose change the driver has not been told. */
  readonly #changed = new Set<number>();
  readonly #request = new DataView(new ArrayBuffer(SOUND_SET_PARAMS_SIZE));
  #io: DeviceIo | undefined;
  readonly #counters = { requests: 0, refused: 0 };

  constructor(name: string, backend: SoundBackend) {
    this.name = name;
    this.#streams = DIRECTIONS.map((direction) => new SoundStream(direction, backend));
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(index: number): void {
    if (index === CONTROL) this.#control();
    else if (index === EVENT) this.#sendEvents();
    else this.#transfer(index);
  }

  reset(): void {
    this.#io = undefined;
    this.#changed.clear();
    for (const stream of this.#streams) stream.reset();
  }

  /** Something was plugged into the jack of a direction, or pulled out. */
  setJack(direction: Direction, isConnected: boolean): void {
    if (this.#connected[direction] === isConnected) return;
    this.#connected[direction] = isConnected;
    if (this.#io === undefined) return;
    this.#changed.add(direction);
    this.#sendEvents();
  }

  counters(): Counters {
    const [output, input] = this.#streams;
    return {
      ...this.#counters,
      playedBytes: output.bytes,
      recordedBytes: input.bytes,
      playing: output.state === "started" ? 1 : 0,
      recording: input.state === "started" ? 1 : 0,
      pending: output.pending + input.pending,
    };
  }

  save(): State {
    return { version: 1, streams: this.#streams.map((stream) => stream.save()) };
  }

  load(state: State): void {
    const streams = state.streams as readonly SoundStreamState[];
    this.#streams.forEach((stream, i) => {
      stream.load(streams[i]);
    });
  }

  #control(): void {
    const queue = this.#io?.queues[CONTROL];
    if (queue === undefined) return;
    drain(queue, (chain) => {
      this.#counters.requests++;
      queue.push(chain, this.#answer(chain));
      return true;
    });
  }

  /** Executes a control request; how many bytes of an answer it wrote. */
  #answer(chain: DescriptorChain): number {
    const request = this.#request;
    const length = chain.readAt(0, new Uint8Array(request.buffer));
    // Without room for a status there is no way to say what was done.
    if (length < SOUND_HEADER_SIZE || chain.writableLength < SOUND_HEADER_SIZE) return 0;
    const code = request.getUint32(0, true);
    const item = this.#itemOf(code);
    const items = item === undefined ? 0 : this.#info(chain, length, item);
    let status: SoundStatus = items > 0 ? SoundStatus.OK : SoundStatus.BAD_MSG;
    if (item === undefined) status = this.#pcm(code, length);
    if (status !== SoundStatus.OK) this.#counters.refused++;
    chain.writeAt(0, new Uint8Array(Uint32Array.of(status).buffer));
    return SOUND_HEADER_SIZE + items;
  }

  #itemOf(code: number): ((direction: Direction) => Uint8Array) | undefined {
    if (code === SoundCode.JACK_INFO) return (jack) => jackInfo(jack, this.#connected[jack]);
    if (code === SoundCode.PCM_INFO) return pcmInfo;
    return code === SoundCode.CHMAP_INFO ? channelMapInfo : undefined;
  }

  /** Writes the items that a query asks for (5.14.6.2); their bytes, 0 for a bad query. */
  #info(chain: DescriptorChain, length: number, item: (i: Direction) => Uint8Array): number {
    if (length < SOUND_QUERY_SIZE) return 0;
    const start = this.#request.getUint32(4, true);
    const count = this.#request.getUint32(8, true);
    const size = this.#request.getUint32(12, true);
    const bytes = count * size;
    const isKnown = count > 0 && start + count <= DIRECTIONS.length;
    const isSize = size >= item(0).length && size <= SOUND_INFO_MAX;
    if (!isKnown || !isSize || bytes > chain.writableLength - SOUND_HEADER_SIZE) return 0;
    for (let i = 0; i < count; i++) {
      const at = SOUND_HEADER_SIZE + i * size;
      chain.fillAt(at, size, 0);
      chain.writeAt(at, item(DIRECTIONS[start + i]));
    }
    return bytes;
  }

  #pcm(code: number, length: number): SoundStatus {
    const isParams = code === SoundCode.PCM_SET_PARAMS;
    const isCommand = code >= SoundCode.PCM_PREPARE && code <= SoundCode.PCM_STOP;
    if (!isParams && !isCommand) return SoundStatus.NOT_SUPP;
    if (length < (isParams ? SOUND_SET_PARAMS_SIZE : SOUND_PCM_HEADER_SIZE)) {
      return SoundStatus.BAD_MSG;
    }
    const stream = this.#streams[this.#request.getUint32(4, true)];
    if (stream === undefined) return SoundStatus.BAD_MSG;
    return isParams ? stream.setParams(this.#request) : stream.command(code);
  }

  #transfer(index: number): void {
    const queue = this.#io?.queues[index];
    if (queue === undefined) return;
    const header = new Uint8Array(SOUND_XFER_SIZE);
    drain(queue, (chain) => {
      const length = chain.readAt(0, header);
      const id = new DataView(header.buffer).getUint32(0, true);
      const isRight = length === SOUND_XFER_SIZE && id === index - SAMPLES;
      const stream = isRight ? this.#streams[id] : undefined;
      if (stream === undefined) finish(queue, chain, SoundStatus.BAD_MSG, 0, 0);
      else stream.transfer(queue, chain);
      return true;
    });
  }

  #sendEvents(): void {
    const queue = this.#io?.queues[EVENT];
    if (queue === undefined || this.#changed.size === 0) return;
    const { EVT_JACK_CONNECTED, EVT_JACK_DISCONNECTED } = SoundCode;
    drain(queue, (chain) => {
      const [jack] = this.#changed;
      const code = this.#connected[jack] ? EVT_JACK_CONNECTED : EVT_JACK_DISCONNECTED;
      const fits = chain.writableLength >= SOUND_EVENT_SIZE;
      if (fits) {
        chain.writeAt(0, new Uint8Array(Uint32Array.of(code, jack).buffer));
        this.#changed.delete(jack);
      }
      queue.push(chain, fits ? SOUND_EVENT_SIZE : 0);
      return this.#changed.size > 0;
    });
  }
}
