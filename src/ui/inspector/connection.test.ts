import { expect, it, vi } from "vitest";
import type { CallRequest, Remote } from "../../inspect/calls.ts";
import { connect } from "./connection.ts";

it("says farewell when nobody asks any more, and answers what waits", async () => {
  const asked: string[] = [];
  const { remote, close } = connect<Remote>((channel) => {
    channel.onmessage = ({ data }: MessageEvent<CallRequest>) => asked.push(data.name);
  }, "timelineRest");
  const answer = expect(remote.timelineLatencies()).rejects.toThrow(/closed/);
  close();
  await answer;
  await vi.waitFor(() => expect(asked).toEqual(["timelineLatencies", "timelineRest"]));
});

it("says why there is nobody to ask", async () => {
  const { remote, close } = connect<Remote>(() => {
    throw new Error("no machine");
  });
  await expect(remote.interrupts()).rejects.toThrow("no machine");
  close();
});
