/** Whether a device's answer says that a request failed, for the devices whose answers do. */
import { DeviceType } from "../../virtio/spec.ts";

type Verdict = (written: Uint8Array) => boolean;

/** Rlerror of 9P2000.L. */
const NINE_P_RLERROR = 7;
/** VIRTIO_GPU_RESP_ERR_UNSPEC and what follows (5.7.6.7). */
const GPU_ERRORS = 0x1200;
/** VIRTIO_SND_S_OK (5.14.6.1). */
const SOUND_OK = 0x8000;

const u32 = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);

const VERDICTS: Readonly<Record<number, Verdict>> = {
  // The status is the last byte; VIRTIO_BLK_S_OK is 0 (5.2.6).
  [DeviceType.BLOCK]: (written) => written[written.length - 1] !== 0,
  // `error` of `struct fuse_out_header`, negative if it is one; nothing is written for a FORGET.
  [DeviceType.FS]: (written) => written.length >= 8 && u32(written, 4) !== 0,
  [DeviceType.NINE_P]: (written) => written.length >= 5 && written[4] === NINE_P_RLERROR,
  [DeviceType.GPU]: (written) => written.length >= 4 && u32(written, 0) >= GPU_ERRORS,
  [DeviceType.SOUND]: (written) => written.length >= 4 && u32(written, 0) > SOUND_OK,
};

export function hasFailed(deviceType: number, written: Uint8Array): boolean {
  return VERDICTS[deviceType]?.(written) ?? false;
}
