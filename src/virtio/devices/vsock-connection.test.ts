import { expect, it } from "vitest";
import type { DescriptorChain } from "../chain.ts";
import { VSOCK_RECEIVE_MAX, VsockConnection } from "./vsock-connection.ts";
import { SEQ_EOM, VsockHeader, VsockOp, VsockType } from "./vsock-packet.ts";

/** Packets without data touch no chain. */
const NO_CHAIN = {} as DescriptorChain;

it("keeps no more empty messages than bytes", () => {
  const wire = { schedule: () => {}, cut: () => {} };
  const ports = { host: 1, guest: 2 };
  const connection = new VsockConnection(wire, VsockType.SEQPACKET, ports, "accepting");
  const header = new VsockHeader();
  connection.write(header, NO_CHAIN, 0);
  expect(header.op).toBe(VsockOp.RESPONSE);
  header.op = VsockOp.RW;
  header.length = 0;
  header.flags = SEQ_EOM;
  for (let i = 0; i < VSOCK_RECEIVE_MAX; i++) {
    if (connection.receive(header, NO_CHAIN) !== undefined) throw new Error(`refused at ${i}`);
  }
  expect(connection.receive(header, NO_CHAIN)).toBe("too many messages");
  // Taking one from the front costs the same however many there are.
  for (let i = 0; i < VSOCK_RECEIVE_MAX; i++) connection.read();
  expect(connection.read()).toBeUndefined();
  expect(connection.receive(header, NO_CHAIN)).toBeUndefined();
});
