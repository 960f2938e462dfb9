/** The way for GDB through the relay of a machine's LAN, as long as there is the machine. */
import type { Connect, Socket } from "../host/websocket-net.ts";
import type { GdbRelay } from "../inspect/gdb/relay-link.ts";

export class MachineGdbRelay implements GdbRelay {
  readonly url: string;
  readonly #connect: Connect;
  #socket: Socket | undefined;

  /** @param lan address of the LAN at the relay; a token in it stays. */
  constructor(lan: string, connect: Connect) {
    const url = new URL(lan);
    url.pathname = `${url.pathname.replace(/\/lan\/[^/]*$/, "").replace(/\/$/, "")}/gdb`;
    this.url = url.href;
    this.#connect = connect;
  }

  connect(): Socket {
    this.#socket = this.#connect(this.url, []);
    return this.#socket;
  }

  close(): void {
    this.#socket?.close();
  }
}
