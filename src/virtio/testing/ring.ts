/** A queue of either layout whose device is the test's. */
import { bit, Feature, InterruptBit, Status } from "../spec.ts";
import { TestDriver } from "./driver.ts";
import { ManualDevice } from "./manual-device.ts";

export const NO_EVENT_IDX = ~bit(Feature.EVENT_IDX);

export function startRing(packed: boolean, accept: bigint) {
  const device = new ManualDevice();
  const driver = new TestDriver(device, { packed }).start({ accept });
  /** Why the device needs a reset, if it does; the driver is told by status and interrupt then. */
  const broken = () => {
    const { needsReset } = driver.transport.inspect();
    const isSaid = (driver.status & Status.DEVICE_NEEDS_RESET) !== 0;
    if (isSaid !== (needsReset !== undefined)) throw new Error(`the status says ${isSaid}`);
    if (isSaid && (driver.acknowledge() & InterruptBit.CONFIG_CHANGE) === 0) {
      throw new Error("there was no interrupt");
    }
    return needsReset;
  };
  return { device, driver, pop: () => device.queue.pop(), broken };
}
