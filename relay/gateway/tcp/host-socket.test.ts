import { Socket } from "node:net";
import { expect, it } from "vitest";
import { HostSocket, MAX_PENDING_WRITES } from "./host-socket.ts";

/** A socket whose writes wait until the test takes them. */
function setUp() {
  const batches: number[] = [];
  let take: (() => void) | undefined;
  const socket = new Socket();
  socket._writev = (chunks, callback) => {
    batches.push(chunks.length);
    take = () => callback();
  };
  socket._write = (_chunk, _encoding, callback) => {
    batches.push(1);
    take = () => callback();
  };
  let taken = 0;
  const host = new HostSocket(socket, () => {
    taken += 1;
  });
  return { host, socket, batches, takeAll: () => take?.(), taken: () => taken };
}

it("writes a burst in one go, at the flush", async () => {
  const { host, batches, takeAll, taken } = setUp();
  for (let i = 0; i < 5; i += 1) host.write(new Uint8Array(100));
  expect(batches).toEqual([]);
  expect(host.pendingBytes).toBe(500);
  host.flush();
  host.flush();
  expect(batches).toEqual([5]);
  takeAll();
  await new Promise((resolve) => setImmediate(resolve));
  expect(host.pendingBytes).toBe(0);
  expect(taken()).toBe(5);
});

it("has no room for more than its number of writes, however small", () => {
  const { host } = setUp();
  for (let i = 0; i < MAX_PENDING_WRITES; i += 1) {
    expect(host.hasRoom).toBe(true);
    host.write(new Uint8Array(1));
  }
  expect(host.hasRoom).toBe(false);
});
