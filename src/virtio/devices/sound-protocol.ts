/** Requests and structures of the sound device under the specification's names (virtio 5.14.6). */
import type { SampleFormat } from "./sound-backend.ts";

/** Control requests, events and statuses: `code` of `struct virtio_snd_hdr`. */
export const SoundCode = {
  JACK_INFO: 0x0001,
  PCM_INFO: 0x0100,
  PCM_SET_PARAMS: 0x0101,
  PCM_PREPARE: 0x0102,
  PCM_RELEASE: 0x0103,
  PCM_START: 0x0104,
  PCM_STOP: 0x0105,
  CHMAP_INFO: 0x0200,
  EVT_JACK_CONNECTED: 0x1000,
  EVT_JACK_DISCONNECTED: 0x1001,
} as const;

export const SoundStatus = {
  OK: 0x8000,
  BAD_MSG: 0x8001,
  NOT_SUPP: 0x8002,
  IO_ERR: 0x8003,
} as const;
export type SoundStatus = (typeof SoundStatus)[keyof typeof SoundStatus];

/** Streams, jacks and channel maps: of each, one of either direction. */
export const Direction = { OUTPUT: 0, INPUT: 1 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];
export const DIRECTIONS = [Direction.OUTPUT, Direction.INPUT] as const;

/** Bytes of the structures. */
export const SOUND_HEADER_SIZE = 4;
export const SOUND_EVENT_SIZE = 8;
export const SOUND_QUERY_SIZE = 16;
export const SOUND_PCM_HEADER_SIZE = 8;
export const SOUND_SET_PARAMS_SIZE = 24;
/** `struct virtio_snd_pcm_xfer` before the samples, and `struct virtio_snd_pcm_status` after. */
export const SOUND_XFER_SIZE = 4;
export const SOUND_STATUS_SIZE = 8;

/** Sample formats that the device takes, by the specification's numbers (5.14.6.6.2). */
export const SAMPLE_FORMATS: { readonly [id: number]: SampleFormat | undefined } = {
  4: "u8",
  5: "s16",
  17: "s32",
  19: "float",
};

/** Frame rates that it takes, by the specification's numbers. */
export const RATES: { readonly [id: number]: number | undefined } = {
  1: 8000,
  2: 11025,
  3: 16000,
  4: 22050,
  5: 32000,
  6: 44100,
  7: 48000,
  10: 96000,
};

export const CHANNELS_MIN = 1;
export const CHANNELS_MAX = 2;

/** Pin configuration and capabilities as High Definition Audio has them: headphones, microphone. */
const JACK_DEFAULTS = { [Direction.OUTPUT]: 0x0020_0000, [Direction.INPUT]: 0x00a0_0000 };
const JACK_CAPABILITIES = { [Direction.OUTPUT]: 0x10, [Direction.INPUT]: 0x20 };

/** Positions of the two channels: front left and front right. */
const CHANNEL_POSITIONS = [3, 4];

/** `struct virtio_snd_jack_info`. */
export function jackInfo(direction: Direction, isConnected: boolean): Uint8Array {
  const data = new DataView(new ArrayBuffer(24));
  data.setUint32(8, JACK_DEFAULTS[direction], true);
  data.setUint32(12, JACK_CAPABILITIES[direction], true);
  data.setUint8(16, isConnected ? 1 : 0);
  return new Uint8Array(data.buffer);
}

/** `struct virtio_snd_pcm_info`. */
export function pcmInfo(direction: Direction): Uint8Array {
  const data = new DataView(new ArrayBuffer(32));
  data.setUint32(8, maskOf(SAMPLE_FORMATS), true);
  data.setUint32(16, maskOf(RATES), true);
  data.setUint8(24, direction);
  data.setUint8(25, CHANNELS_MIN);
  data.setUint8(26, CHANNELS_MAX);
  return new Uint8Array(data.buffer);
}

/** `struct virtio_snd_chmap_info`. */
export function channelMapInfo(direction: Direction): Uint8Array {
  const info = new Uint8Array(24);
  info[4] = direction;
  info[5] = CHANNEL_POSITIONS.length;
  info.set(CHANNEL_POSITIONS, 6);
  return info;
}

function maskOf(ids: object): number {
  return Object.keys(ids).reduce((mask, id) => mask | (1 << Number(id)), 0);
}
