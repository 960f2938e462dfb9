/** Commands of the graphics device under the specification's names (virtio 5.7.6). */

/** `type` of a request (5.7.6.7). */
export const GpuCommand = {
  GET_DISPLAY_INFO: 0x0100,
  RESOURCE_CREATE_2D: 0x0101,
  RESOURCE_UNREF: 0x0102,
  SET_SCANOUT: 0x0103,
  RESOURCE_FLUSH: 0x0104,
  TRANSFER_TO_HOST_2D: 0x0105,
  RESOURCE_ATTACH_BACKING: 0x0106,
  RESOURCE_DETACH_BACKING: 0x0107,
  GET_EDID: 0x010a,
  UPDATE_CURSOR: 0x0300,
  MOVE_CURSOR: 0x0301,
} as const;

/** `type` of a response. */
export const GpuResponse = {
  OK_NODATA: 0x1100,
  OK_DISPLAY_INFO: 0x1101,
  OK_EDID: 0x1104,
  ERR_UNSPEC: 0x1200,
  ERR_OUT_OF_MEMORY: 0x1201,
  ERR_INVALID_SCANOUT_ID: 0x1202,
  ERR_INVALID_RESOURCE_ID: 0x1203,
  ERR_INVALID_PARAMETER: 0x1205,
} as const;

/** `struct virtio_gpu_ctrl_hdr`: type, flags, fence_id, ctx_id, ring_idx. */
export const GPU_HEADER_SIZE = 24;
export const GPU_FLAG_FENCE = 1;
export const GPU_FLAG_INFO_RING_IDX = 2;

/** `VIRTIO_GPU_MAX_SCANOUTS`: places in the answer to GET_DISPLAY_INFO. */
export const GPU_SCANOUTS_MAX = 16;
/** `struct virtio_gpu_display_one`: a rectangle, enabled, flags. */
export const GPU_DISPLAY_ONE_SIZE = 24;
/** The answer to GET_EDID: size, padding, and room for eight blocks. */
export const GPU_EDID_OFFSET = GPU_HEADER_SIZE + 8;
export const GPU_EDID_ROOM = 1024;

/** `struct virtio_gpu_mem_entry`: address, length, padding. */
export const GPU_MEM_ENTRY_SIZE = 16;

/** Width and height of every cursor resource. */
export const GPU_CURSOR_SIZE = 64;

/** Bytes of each request, the header and what follows it; ATTACH_BACKING then has its entries. */
const REQUEST_SIZES = {
  [GpuCommand.GET_DISPLAY_INFO]: 24,
  [GpuCommand.RESOURCE_CREATE_2D]: 40,
  [GpuCommand.RESOURCE_UNREF]: 32,
  [GpuCommand.SET_SCANOUT]: 48,
  [GpuCommand.RESOURCE_FLUSH]: 48,
  [GpuCommand.TRANSFER_TO_HOST_2D]: 56,
  [GpuCommand.RESOURCE_ATTACH_BACKING]: 32,
  [GpuCommand.RESOURCE_DETACH_BACKING]: 32,
  [GpuCommand.GET_EDID]: 32,
  [GpuCommand.UPDATE_CURSOR]: 56,
  [GpuCommand.MOVE_CURSOR]: 56,
};
export const GPU_REQUEST_SIZES: { readonly [command: number]: number | undefined } = REQUEST_SIZES;

/** The longest of them. */
export const GPU_REQUEST_MAX = Math.max(...Object.values(REQUEST_SIZES));
/** The longest answer. */
export const GPU_RESPONSE_MAX = GPU_EDID_OFFSET + GPU_EDID_ROOM;
