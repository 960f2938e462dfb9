/** Connects a machine's network card to a relay. */
import { WebSocket } from "ws";
import { fillRandom } from "../src/host/entropy.ts";
import { type Socket, WebSocketNet } from "../src/host/websocket-net.ts";
import { NetDevice } from "../src/virtio/devices/net.ts";

export interface Network {
  readonly device: NetDevice;
  close(): void;
}

/** @param say is told when the link goes down or up again. */
export function connectNetwork(url: string, say: (message: string) => void): Network {
  const device: NetDevice = new NetDevice(
    "net0",
    {
      send: (frame) => link.send(frame),
    },
    { mac: randomMac() },
  );
  // Before the first connection is tried the guest has to see a card without a cable.
  device.setLink(false);
  const link = new WebSocketNet({
    url,
    connect: open,
    random: Math.random,
    onFrame: (frame) => device.receive(frame),
    onDrain: () => device.drain(),
    onLink: (up, reason) => {
      device.setLink(up);
      if (!up) say(`network: ${reason}`);
    },
  });
  return { device, close: () => link.close() };
}

function open(url: string): Socket {
  const socket = new WebSocket(url);
  // The close event that follows is enough; without a listener an error would end the process.
  socket.on("error", () => {});
  return socket as unknown as Socket;
}

/** Locally administered, for one card. */
function randomMac(): Uint8Array {
  const mac = new Uint8Array(6);
  fillRandom(mac);
  mac[0] = (mac[0] & 0xfc) | 2;
  return mac;
}
