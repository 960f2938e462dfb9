/** Serves GDB from a page, through the relay's port for it: see `relay/gdb-door.ts`. */
import type { Machine } from "../../machine/machine.ts";
import { Debugger } from "../debugger.ts";
import { GdbStub } from "./stub.ts";

/** The part of `WebSocket` that is used. */
export interface LinkSocket {
  binaryType: string;
  onopen: (() => void) | null;
  onclose: ((event: { reason: string }) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer> | string): void;
  close(): void;
}

export interface GdbRelay {
  /** To the relay's place for pages that serve GDB. */
  connect(): LinkSocket;
}

/** `refused` is a relay that cannot be reached, or that has no port for GDB. */
export type GdbLinkState = "off" | "connecting" | "refused" | "waiting" | "connected";

/** Bytes on their way at which a client is cut off, which asks and does not read. */
const MAX_WAITING_BYTES = 1 << 20;

export class RelayLink {
  readonly #machine: Machine;
  readonly #relay: GdbRelay;
  #state: GdbLinkState = "off";
  #socket: LinkSocket | undefined;
  #stub: GdbStub | undefined;

  private constructor(machine: Machine, relay: GdbRelay) {
    this.#machine = machine;
    this.#relay = relay;
  }

  static readonly #all = new WeakMap<Machine, RelayLink>();

  /** The machine's only one; undefined without a relay. */
  static of(machine: Machine, relay: GdbRelay | undefined): RelayLink | undefined {
    if (relay === undefined) return undefined;
    const found = RelayLink.#all.get(machine) ?? new RelayLink(machine, relay);
    RelayLink.#all.set(machine, found);
    return found;
  }

  get state(): GdbLinkState {
    return this.#state;
  }

  open(): void {
    if (this.#socket !== undefined) return;
    const socket = this.#relay.connect();
    this.#socket = socket;
    this.#state = "connecting";
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#state = "waiting";
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#end(this.#state === "connecting" ? "refused" : "off");
    };
    socket.onmessage = ({ data }) => this.#receive(socket, data);
  }

  close(): void {
    this.#socket?.close();
    this.#end("off");
  }

  #end(state: GdbLinkState): void {
    this.#leave();
    this.#socket = undefined;
    this.#state = state;
  }

  /** The client is gone. */
  #leave(): void {
    this.#stub?.close();
    this.#stub = undefined;
    this.#state = "waiting";
  }

  #receive(socket: LinkSocket, data: unknown): void {
    if (data === "open") this.#enter(socket);
    else if (data === "close") this.#leave();
    else if (data instanceof ArrayBuffer) this.#stub?.receive(new Uint8Array(data));
  }

  #enter(socket: LinkSocket): void {
    this.#leave();
    this.#state = "connected";
    const stub = new GdbStub(Debugger.of(this.#machine), {
      send: (bytes) => {
        if (socket.bufferedAmount > MAX_WAITING_BYTES) this.close();
        else socket.send(bytes);
      },
      close: () => socket.send("close"),
      // A page's machine is ended by the page: here it goes on.
      kill: () => {},
    });
    this.#stub = stub;
  }
}
