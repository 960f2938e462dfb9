/**
 * Which driver of the embedded Linux uses each device: `linux-drivers.test.ts` boots it with all of them and
 * looks, and `docs/devices.md` tells it.
 */
import { DeviceType } from "../../virtio/spec.ts";

/** Names as `/sys/bus/virtio/drivers` has them; undefined where that Linux has no driver. */
const GUEST_DRIVERS: Readonly<Record<keyof typeof DeviceType, string | undefined>> = {
  NET: "virtio_net",
  BLOCK: "virtio_blk",
  CONSOLE: "virtio_console",
  ENTROPY: "virtio_rng",
  BALLOON: "virtio_balloon",
  NINE_P: "9pnet_virtio",
  GPU: "virtio_gpu",
  RTC: undefined,
  INPUT: "virtio_input",
  VSOCK: "vmw_vsock_virtio_transport",
  CRYPTO: "virtio_crypto",
  MEM: "virtio_mem",
  SOUND: "virtio_snd",
  FS: "virtiofs",
  PMEM: "virtio_pmem",
  BOOT_TIMER: undefined,
};

/** By device type. */
export const driverOf: ReadonlyMap<number, string | undefined> = new Map(
  Object.entries(DeviceType).map(([name, type]) => [
    type,
    GUEST_DRIVERS[name as keyof typeof DeviceType],
  ]),
);

/** What a newer Linux drives besides, as `guest/newer/build` makes it. */
export const newerDriverOf: ReadonlyMap<number, string | undefined> = new Map([
  ...driverOf,
  [DeviceType.RTC, "virtio_rtc"],
]);

/**
 * Drivers of Debian's own kernel, each with the word by which `guest/debian/rootfs/root/devices` says that it was
 * used: `npm run test:debian` looks, and `docs/devices.md` tells it. It has the names of the embedded Linux.
 */
export const DEBIAN_DRIVERS: Readonly<Record<string, string>> = {
  virtio_net: "net",
  virtio_blk: "blk",
  virtio_console: "console",
  virtio_rng: "rng",
  virtio_balloon: "balloon",
  "9pnet_virtio": "9p",
  virtio_gpu: "gpu",
  virtio_input: "input",
  vmw_vsock_virtio_transport: "vsock",
  virtio_crypto: "crypto",
  virtio_snd: "sound",
  virtiofs: "virtiofs",
  virtio_pmem: "pmem",
};
