/** Connects a machine's network card to a relay. */
import { WebSocket } from "ws";
import { fillRandom } from "../src/host/entropy.ts";
import { createNetworkCard, type NetworkCard } from "../src/host/network-card.ts";
import { MAX_MESSAGE_BYTES, type Socket } from "../src/host/websocket-net.ts";

/** @param say is told when the link goes down. */
export function connectNetwork(url: string, say: (message: string) => void): NetworkCard {
  return createNetworkCard({
    name: "net0",
    url,
    connect: open,
    fillRandom,
    onLink: (up, reason) => {
      if (!up) say(`network: ${reason}`);
    },
  });
}

function open(url: string, protocols: string[]): Socket {
  const socket = new WebSocket(url, protocols, {
    // A longer message ends the connection before it fills the memory.
    maxPayload: MAX_MESSAGE_BYTES,
    // It would read frames after the call that they are lent for, and gain nothing on a LAN.
    perMessageDeflate: false,
  });
  // The close event that follows is enough; without a listener an error would end the process.
  socket.on("error", () => {});
  return socket as unknown as Socket;
}
