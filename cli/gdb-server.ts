/** Serves GDB at a TCP port of this host's loopback: one client at a time. */
import { type ClientHandler, LoopbackPort } from "../relay/loopback-port.ts";
import { Debugger } from "../src/inspect/debugger.ts";
import { GdbStub } from "../src/inspect/gdb/stub.ts";
import type { Machine } from "../src/machine/machine.ts";

export interface GdbServerEvents {
  /** A client has ordered the end of the machine. */
  kill(): void;
}

export class GdbServer {
  readonly #machine: Machine;
  readonly #events: GdbServerEvents;
  readonly #port = new LoopbackPort(() => this.#welcome());
  #stub: GdbStub | undefined;

  constructor(machine: Machine, events: GdbServerEvents) {
    this.#machine = machine;
    this.#events = events;
  }

  /** Resolves to the port. Rejects if it is taken. */
  listen(port: number): Promise<number> {
    return this.#port.listen(port);
  }

  /** The machine has ended with this exit code. */
  exited(code: number): void {
    this.#stub?.exited(code);
    this.#port.end();
  }

  close(): void {
    this.#port.close();
  }

  #welcome(): ClientHandler {
    const stub = new GdbStub(Debugger.of(this.#machine), {
      send: (bytes) => this.#port.send(bytes),
      close: () => this.#port.end(),
      kill: () => this.#events.kill(),
    });
    this.#stub = stub;
    return {
      receive: (bytes) => stub.receive(bytes),
      closed: () => {
        this.#stub = undefined;
        stub.close();
      },
    };
  }
}
