import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Relay, startRelay } from "./server.ts";

let relay: Relay;
let page: WebSocket;
let messages: string[];

beforeEach(async () => {
  relay = await startRelay({ port: 0, gdbPort: 0, token: "secret" });
  page = new WebSocket(`${relay.url}gdb?token=secret`);
  messages = [];
  page.on("message", (data) => messages.push(String(data)));
  await once(page, "open");
});
afterEach(() => relay.close());

const connect = (): Socket =>
  createConnection(relay.gdbPort ?? 0, "127.0.0.1").on("error", () => {});
const closed = (socket: Socket) => new Promise((resolve) => socket.once("close", resolve));
const said = (count: number) => expect.poll(() => messages.length).toBe(count);

describe("the port for GDB", () => {
  it("joins a client and the page, one after the other", async () => {
    const first = connect();
    first.write("+$g#67");
    await said(2);
    expect(messages).toEqual(["open", "+$g#67"]);
    page.send(Uint8Array.of(0x2b));
    expect(String((await once(first, "data"))[0])).toBe("+");
    await closed(connect());
    first.end();
    await said(3);
    const second = connect();
    await said(4);
    expect(messages.slice(2)).toEqual(["close", "open"]);
    page.send("close");
    await closed(second);
  });

  it("is closed without a page, and for a client whose page has gone", async () => {
    const client = connect();
    await said(1);
    page.close();
    await closed(client);
    await closed(connect());
  });

  it("is one page's", async () => {
    const other = new WebSocket(`${relay.url}gdb?token=secret`);
    const [error] = await once(other, "error");
    expect(error.message).toContain("503");
  });

  it("wants the token, and is not there unless asked for", async () => {
    const stranger = new WebSocket(`${relay.url}gdb`);
    expect((await once(stranger, "error"))[0].message).toContain("401");
    const plain = await startRelay({ port: 0 });
    const refused = new WebSocket(`${plain.url}gdb`);
    await once(refused, "open");
    expect(plain.gdbPort).toBeUndefined();
    // As any path of an own server, it is the default LAN.
    expect(plain.stats()).toHaveLength(1);
    await plain.close();
  });
});
