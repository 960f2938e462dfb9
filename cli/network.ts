/** Connects a machine's network card to a relay. */
import { WebSocket } from "ws";
import { fillRandom } from "../src/host/entropy.ts";
import { createNetworkCard, type NetworkCard } from "../src/host/network-card.ts";
import { MAX_MESSAGE_BYTES, type Socket } from "../src/host/websocket-net.ts";

const OPTIONS = {
  // A longer message ends the connection before it fills the memory.
  maxPayload: MAX_MESSAGE_BYTES,
  // It would read frames after the call that they are lent for, and gain nothing on a LAN.
  perMessageDeflate: false,
} as const;

const LOOPBACK_HOST = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/;

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
  const Client = LOOPBACK_HOST.test(new URL(url).hostname) ? LoopbackSocket : WebSocket;
  const socket = new Client(url, protocols, OPTIONS);
  // The close event that follows is enough; without a listener an error would end the process.
  socket.on("error", () => {});
  return socket as unknown as Socket;
}

/**
 * A socket to this very host. Masks protect what lies between the ends (RFC 6455 10.3), which here
 * is nothing, and masking and unmasking byte by byte took a sixth of the time of a transfer.
 */
class LoopbackSocket extends WebSocket {
  constructor(url: string, protocols: string[], options: typeof OPTIONS) {
    super(url, protocols, { ...options, generateMask: (mask) => void mask.fill(0) });
  }

  override send(data: Uint8Array): void {
    // Unmasked bytes are not copied on their way, but only lent.
    super.send(Buffer.from(data));
  }
}
