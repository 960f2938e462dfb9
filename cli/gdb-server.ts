/** Serves GDB at a TCP port of this host's loopback: one client at a time. */

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { Debugger } from "../src/inspect/debugger.ts";
import { GdbStub } from "../src/inspect/gdb/stub.ts";
import type { Machine } from "../src/machine/machine.ts";

/** Answers that may wait for a client to read them: one that asks and never reads is cut off. */
const MAX_WAITING_BYTES = 1 << 20;

export interface GdbServerEvents {
  /** A client has ordered the end of the machine. */
  kill(): void;
}

export class GdbServer {
  readonly #machine: Machine;
  readonly #events: GdbServerEvents;
  readonly #server: Server;
  #client: { readonly socket: Socket; readonly stub: GdbStub } | undefined;

  constructor(machine: Machine, events: GdbServerEvents) {
    this.#machine = machine;
    this.#events = events;
    this.#server = createServer((socket) => this.#connected(socket));
  }

  /** Resolves to the port. Rejects if it is taken. */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, host: "127.0.0.1" }, () =>
        resolve((this.#server.address() as AddressInfo).port),
      );
    });
  }

  /** The machine has ended with this exit code. */
  exited(code: number): void {
    this.#client?.stub.exited(code);
    this.#client?.socket.end();
  }

  close(): void {
    this.#server.close();
    this.#client?.socket.destroy();
  }

  #connected(socket: Socket): void {
    if (this.#client !== undefined) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const stub = new GdbStub(Debugger.of(this.#machine), {
      send: (bytes) => {
        socket.write(bytes);
        if (socket.writableLength > MAX_WAITING_BYTES) socket.destroy();
      },
      close: () => socket.end(),
      kill: () => this.#events.kill(),
    });
    this.#client = { socket, stub };
    socket.on("data", (bytes) => stub.receive(bytes));
    // What follows an error is the end.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#client = undefined;
      stub.close();
    });
  }
}
