/** Constants of the virtio specification 1.4 under its own names; each group cites its section. */

/** Register offsets of virtio over MMIO, version 2 (4.2.2). */
export const Register = {
  MagicValue: 0x000,
  Version: 0x004,
  DeviceID: 0x008,
  VendorID: 0x00c,
  DeviceFeatures: 0x010,
  DeviceFeaturesSel: 0x014,
  DriverFeatures: 0x020,
  DriverFeaturesSel: 0x024,
  QueueSel: 0x030,
  QueueNumMax: 0x034,
  QueueNum: 0x038,
  QueueReady: 0x044,
  QueueNotify: 0x050,
  InterruptStatus: 0x060,
  InterruptACK: 0x064,
  Status: 0x070,
  QueueDescLow: 0x080,
  QueueDescHigh: 0x084,
  QueueDriverLow: 0x090,
  QueueDriverHigh: 0x094,
  QueueDeviceLow: 0x0a0,
  QueueDeviceHigh: 0x0a4,
  SHMSel: 0x0ac,
  SHMLenLow: 0x0b0,
  SHMLenHigh: 0x0b4,
  SHMBaseLow: 0x0b8,
  SHMBaseHigh: 0x0bc,
  QueueReset: 0x0c0,
  ConfigGeneration: 0x0fc,
  Config: 0x100,
} as const;

/** "virt" in ASCII. */
export const MAGIC = 0x7472_6976;
export const VERSION = 2;
/** One teaching kernel refuses every other vendor, and no driver minds this one. */
export const VENDOR_ID = 0x554d_4551;

/** Device status (2.1). */
export const Status = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  DEVICE_NEEDS_RESET: 64,
  FAILED: 128,
} as const;

/** Bits of InterruptStatus and InterruptACK (4.2.2). */
export const InterruptBit = { USED_BUFFER: 1, CONFIG_CHANGE: 2 } as const;

/** Device types (5); the boot timer is no device of the specification. */
export const DeviceType = {
  NET: 1,
  BLOCK: 2,
  CONSOLE: 3,
  ENTROPY: 4,
  FS: 26,
  NINE_P: 9,
  BALLOON: 5,
  GPU: 16,
  RTC: 17,
  INPUT: 18,
  VSOCK: 19,
  CRYPTO: 20,
  MEM: 24,
  SOUND: 25,
  PMEM: 27,
  BOOT_TIMER: 0xffff_ff00,
} as const;

/** Feature bits that belong to transport and queues (6). */
export const Feature = {
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  VERSION_1: 32,
  ACCESS_PLATFORM: 33,
  RING_PACKED: 34,
  IN_ORDER: 35,
  ORDER_PLATFORM: 36,
  SR_IOV: 37,
  NOTIFICATION_DATA: 38,
  NOTIF_CONFIG_DATA: 39,
  RING_RESET: 40,
  ADMIN_VQ: 41,
} as const;

/** Descriptor flags (2.7.5, 2.8.2). */
export const DescriptorFlag = {
  NEXT: 1,
  WRITE: 2,
  INDIRECT: 4,
  AVAIL: 0x80,
  USED: 0x8000,
} as const;

/** Bytes of one descriptor, split or packed, direct or indirect. */
export const DESCRIPTOR_SIZE = 16;

/** `avail.flags`: the driver wants no used buffer notification (2.7.6). */
export const AVAIL_NO_INTERRUPT = 1;
/** `used.flags`: the device wants no available buffer notification (2.7.8). */
export const USED_NO_NOTIFY = 1;

/** Greatest number of descriptors of any queue (2.7, 2.8). */
export const QUEUE_SIZE_MAX = 32768;

/** The names of a value's bits, of a table that has masks by name. */
export function flagNames(table: Readonly<Record<string, number>>, value: number): string[] {
  const set = Object.entries(table).filter(([, mask]) => mask !== 0 && (value & mask) === mask);
  return set.map(([name]) => name);
}

/** A feature set with one bit. */
export function bit(feature: number): bigint {
  return 1n << BigInt(feature);
}

/** A feature set from bit numbers. */
export function bits(...features: readonly number[]): bigint {
  return features.reduce((set, feature) => set | bit(feature), 0n);
}
