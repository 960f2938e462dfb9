/** Whether a device's answer says that a request failed, for the devices whose answers do. */
import { DeviceType } from "../../virtio/spec.ts";

/** Rlerror of 9P2000.L. */
const NINE_P_RLERROR = 7;
/** VIRTIO_GPU_RESP_ERR_UNSPEC and what follows (5.7.6.7). */
const GPU_ERRORS = 0x1200;
/** VIRTIO_SND_S_OK (5.14.6.1). */
const SOUND_OK = 0x8000;

/** Of an answer of `length` bytes of `data` from `at` on; an empty one says nothing. */
export function hasFailed(type: number, data: DataView, at: number, length: number): boolean {
  switch (type) {
    case DeviceType.BLOCK:
      // The status is the last byte; VIRTIO_BLK_S_OK is 0 (5.2.6).
      return length > 0 && data.getUint8(at + length - 1) !== 0;
    case DeviceType.FS:
      // `error` of `struct fuse_out_header`, negative if it is one; nothing is written for a FORGET.
      return length >= 8 && data.getUint32(at + 4, true) !== 0;
    case DeviceType.NINE_P:
      return length >= 5 && data.getUint8(at + 4) === NINE_P_RLERROR;
    case DeviceType.GPU:
      return length >= 4 && data.getUint32(at, true) >= GPU_ERRORS;
    case DeviceType.SOUND:
      return length >= 4 && data.getUint32(at, true) > SOUND_OK;
    default:
      return false;
  }
}
