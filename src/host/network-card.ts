/** A machine's network card and the relay behind it. */
import { NetDevice } from "../virtio/devices/net.ts";
import { NetWire } from "../virtio/devices/net-wire.ts";
import { type Connect, WebSocketNet } from "./websocket-net.ts";

/**
 * After a loss the guest announces its address, so that a relay that has been started again leases it
 * to nobody else. Not at once: Linux sends nothing until up to a second after its carrier is back.
 */
const ANNOUNCE_DELAY_MS = 1500;

export interface NetworkCardOptions {
  readonly name: string;
  /** Address of the relay's LAN. */
  readonly url: string;
  readonly connect: Connect;
  readonly fillRandom: (into: Uint8Array) => void;
  /** The link went up, or down with a reason to show. */
  readonly onLink: (up: boolean, reason: string) => void;
  /** That many bytes were sent or received. */
  readonly onActivity?: (bytes: number) => void;
}

export interface NetworkCard {
  readonly device: NetDevice;
  readonly wire: NetWire;
  close(): void;
}

export function createNetworkCard(options: NetworkCardOptions): NetworkCard {
  const { name, url, connect, onLink, onActivity } = options;
  const wire: NetWire = new NetWire({
    get takesPackets() {
      return link.takesPackets;
    },
    send: (bytes) => {
      onActivity?.(bytes.length);
      return link.send(bytes);
    },
  });
  const device = new NetDevice(name, wire, { mac: randomMac(options.fillRandom) });
  // Before the first connection is tried the guest has to see a card without a cable.
  wire.connect(device);
  let wasUp = false;
  let announcing: ReturnType<typeof setTimeout> | undefined;
  const link = new WebSocketNet({
    url,
    connect,
    random: Math.random,
    onFrame: (frame) => {
      onActivity?.(frame.length);
      wire.receive(frame);
    },
    onPacket: (packet) => {
      onActivity?.(packet.length);
      wire.receivePacket(packet);
    },
    onLink: (up, reason) => {
      wire.hasCarrier = up;
      clearTimeout(announcing);
      if (up && wasUp) announcing = setTimeout(() => device.announce(), ANNOUNCE_DELAY_MS);
      wasUp ||= up;
      onLink(up, reason);
    },
    onDrain: () => device.drain(),
  });
  const close = () => {
    clearTimeout(announcing);
    link.close();
  };
  return { device, wire, close };
}

/** Locally administered and not a group's (IEEE 802, 8.4): two machines on one LAN must differ. */
function randomMac(fillRandom: (into: Uint8Array) => void): Uint8Array {
  const mac = new Uint8Array(6);
  fillRandom(mac);
  mac[0] = (mac[0] & 0xfc) | 0x02;
  return mac;
}
