import { describe, expect, it } from "vitest";
import { NetFeature } from "../../virtio/devices/net-spec.ts";
import { bit, DeviceType } from "../../virtio/spec.ts";
import { queueName } from "./names.ts";

const names = (type: number, count: number, features = 0n) =>
  Array.from({ length: count }, (_, index) => queueName(type, index, count, features));

describe("the names of queues", () => {
  it("have the control queue behind the pairs that the driver knows of", () => {
    const pair = ["receiveq1", "transmitq1"];
    const both = [...pair, "receiveq2", "transmitq2", "controlq"];
    expect(names(DeviceType.NET, 5, bit(NetFeature.MQ))).toEqual(both);
    expect(names(DeviceType.NET, 5).slice(0, 3)).toEqual([...pair, "controlq"]);
  });

  it("say which port of a console they are of", () => {
    expect(names(DeviceType.CONSOLE, 6)).toEqual([
      ...["receiveq port0", "transmitq port0"],
      ...["control receiveq", "control transmitq"],
      ...["receiveq port1", "transmitq port1"],
    ]);
  });

  it("are there for devices that the specification has no names for", () => {
    expect(names(DeviceType.ENTROPY, 1)).toEqual(["requestq"]);
    expect(names(99, 2)).toEqual(["requestq1", "requestq2"]);
  });
});
