import { describe, it } from "vitest";
import { Scenario } from "../src/virtio/testing/scenario.ts";
import { SPECIMENS } from "../src/virtio/testing/specimens.ts";
import { readCorpus } from "./corpus.ts";

describe("the guests that the fuzzer keeps", () => {
  it.each(Object.keys(SPECIMENS))("break no promise: %s", async (device) => {
    for (const steps of readCorpus(device)) await new Scenario(SPECIMENS[device]()).run(steps);
  });
});
