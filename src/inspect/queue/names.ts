/** What the specification calls the queues of each device (virtio 5). */
import { CONTROL_RX, CONTROL_TX } from "../../virtio/devices/console.ts";
import { NetFeature } from "../../virtio/devices/net-spec.ts";
import { bit, DeviceType } from "../../virtio/spec.ts";

const NAMES: ReadonlyMap<number, readonly string[]> = new Map([
  [DeviceType.BALLOON, ["inflateq", "deflateq", "statsq", "free_page_vq", "reporting_vq"]],
  [DeviceType.GPU, ["controlq", "cursorq"]],
  [DeviceType.INPUT, ["eventq", "statusq"]],
  [DeviceType.VSOCK, ["rx", "tx", "event"]],
  [DeviceType.SOUND, ["controlq", "eventq", "txq", "rxq"]],
  [DeviceType.FS, ["hiprio", "request"]],
]);

/** @param count of all queues of the device */
export function queueName(type: number, index: number, count: number, features: bigint): string {
  if (type === DeviceType.NET) {
    // It follows the pairs that the driver knows of (5.1.2).
    const pairs = (features & bit(NetFeature.MQ)) === 0n ? 1 : (count - 1) / 2;
    if (index === 2 * pairs) return "controlq";
    return `${index % 2 === 0 ? "receiveq" : "transmitq"}${1 + Math.floor(index / 2)}`;
  }
  if (type === DeviceType.CONSOLE) return consoleQueueName(index);
  return NAMES.get(type)?.[index] ?? `requestq${count === 1 ? "" : index + 1}`;
}

/** The queues of port 0 come first, then those of control messages, then two for each port. */
function consoleQueueName(index: number): string {
  if (index === CONTROL_RX) return "control receiveq";
  if (index === CONTROL_TX) return "control transmitq";
  const port = index < CONTROL_RX ? 0 : Math.floor(index / 2) - 1;
  return `${index % 2 === 0 ? "receiveq" : "transmitq"} port${port}`;
}
