/** The wire between a network card and its network, which can be cut and interfered with. */
import type { NetBackend, NetDevice } from "./net.ts";

/** Seen from the guest. */
export type WireDirection = "send" | "receive";

/** Something on the wire that frames have to pass. */
export interface WireFilter {
  /**
   * Passes on by `next` what is to arrive of `bytes`, which are only lent: a frame, or a packet with
   * its header in front as in `NetBackend`. What `next` gives says whether the sender may go on.
   */
  pass(
    direction: WireDirection,
    bytes: Uint8Array<ArrayBuffer>,
    isPacket: boolean,
    next: (bytes: Uint8Array<ArrayBuffer>, isPacket: boolean) => boolean,
  ): boolean;
}

export class NetWire implements NetBackend {
  filter: WireFilter | undefined;
  readonly #network: NetBackend;
  #device: NetDevice | undefined;
  #hasCarrier = false;
  #isCut = false;

  /** @param network what frames are sent to. */
  constructor(network: NetBackend) {
    this.#network = network;
  }

  /** Connects the card, which sees that there is no carrier yet. */
  connect(device: NetDevice): void {
    this.#device = device;
    this.#show();
  }

  get takesPackets(): boolean {
    return this.#network.takesPackets === true;
  }

  /** Whether somebody has cut the wire. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** The guest notices at once: the link state is in its card's configuration (virtio 5.1.4). */
  set isCut(isCut: boolean) {
    this.#isCut = isCut;
    this.#show();
  }

  /** Whether there is a network at the other end. */
  get hasCarrier(): boolean {
    return this.#hasCarrier;
  }

  set hasCarrier(hasCarrier: boolean) {
    this.#hasCarrier = hasCarrier;
    this.#show();
  }

  send(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.filter === undefined) return this.#network.send(bytes);
    return this.filter.pass("send", bytes, this.takesPackets, (passed) =>
      this.#network.send(passed),
    );
  }

  /** A frame from the network. */
  receive(frame: Uint8Array<ArrayBuffer>): void {
    if (this.filter === undefined) this.#device?.receive(frame);
    else this.filter.pass("receive", frame, false, this.#deliver);
  }

  /** A packet from the network, as in `NetDevice.receivePacket`. */
  receivePacket(packet: Uint8Array<ArrayBuffer>): void {
    if (this.filter === undefined) this.#device?.receivePacket(packet);
    else this.filter.pass("receive", packet, true, this.#deliver);
  }

  readonly #deliver = (bytes: Uint8Array<ArrayBuffer>, isPacket: boolean): boolean => {
    if (isPacket) this.#device?.receivePacket(bytes);
    else this.#device?.receive(bytes);
    return true;
  };

  #show(): void {
    this.#device?.setLink(this.#hasCarrier && !this.#isCut);
  }
}
